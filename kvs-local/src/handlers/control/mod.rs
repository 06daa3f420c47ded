//! The control plane: creates, describes, changes and deletes streams.
//!
//! It is synchronous and knows neither HTTP nor a clock: an operation's JSON and the wall time go in, JSON comes out. What an
//! operation means for the media (a stream was deleted, its retention shrank) is handed back as an [`Effect`].

mod operations;
mod paging;
mod tags;

pub(crate) use operations::{Control, Effect};

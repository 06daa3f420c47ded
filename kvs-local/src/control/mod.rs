//! The control plane: which streams there are, and what is configured for them.
//!
//! It is synchronous and knows neither HTTP nor a clock: an operation's JSON and the wall time go in, JSON comes out. What an
//! operation means for the media (a stream was deleted, its retention shrank) is handed back as an [`Effect`].

mod configuration;
mod operations;
mod paging;
mod persist;
mod registry;
mod shapes;
mod stream;
mod tags;

pub(crate) use configuration::{ImageGeneration, ImageSelector, PictureFormat, Switch, check_quality};
pub(crate) use operations::{Control, ControlOperation, Effect};
pub(crate) use registry::{Identity, Pace, Registry};
pub(crate) use shapes::{StreamRef, parse, required, within};
pub(crate) use stream::StreamRecord;

//! The producer for programs without a runtime: the methods of [`crate::Stream`], blocking.
//!
//! One background thread, named `kvs-producer`, drives the connection; several streams may share one
//! ([`Background`]). Calling from inside a tokio runtime panics, as blocking there would stop it: use [`crate::Stream`].

mod background;
mod events;
mod producer;

pub use background::Background;
pub use events::Events;
pub use producer::Stream;

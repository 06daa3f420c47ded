//! The producer for programs without an async runtime: the methods of [`crate::Producer`], blocking.
//!
//! A background thread drives the connections; several producers can share one [`DriverThread`]. Calling a blocking method
//! inside a tokio runtime panics, because it would stop the runtime: use [`crate::Producer`] there.

mod driver_thread;
mod events;
mod producer;

pub use driver_thread::DriverThread;
pub use events::Events;
pub use producer::Producer;

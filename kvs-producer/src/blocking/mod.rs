//! The producer for programs without a runtime: the methods of [`crate::Producer`], blocking.
//!
//! One driver_thread thread, named `kvs-producer`, drives the connection; several streams may share one
//! ([`DriverThread`]). Calling from inside a tokio runtime panics, as blocking there would stop it: use [`crate::Producer`].

mod driver_thread;
mod events;
mod producer;

pub use driver_thread::DriverThread;
pub use events::Events;
pub use producer::Producer;

//! The tokio driver: one task per stream around the core.

mod calls;
mod events;
mod failure;
mod stream;
mod task;
mod wire;

pub use events::Events;
pub use stream::{OpenError, StopReport, Stream};

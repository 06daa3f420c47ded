//! The tokio driver: one task per stream around the core.

mod classify;
mod control_plane;
mod events;
mod producer;
mod task;
mod transport;

pub use events::Events;
pub use producer::{OpenError, Producer, StopReport};

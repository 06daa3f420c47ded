//! The tokio driver: one task per stream around the core.

mod classify;
mod control_plane;
mod events;
mod open_error;
mod producer;
mod shared;
#[cfg(feature = "spool")]
mod spool_thread;
mod stop_report;
mod task;
mod transport;

pub use events::Events;
pub use open_error::OpenError;
pub use producer::Producer;
pub use stop_report::StopReport;

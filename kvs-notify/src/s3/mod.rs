//! S3 event notifications, which announce new images.

mod event;
pub(crate) mod form;
mod sequencer;
mod test_event;
mod wire;

pub use event::{ObjectEvent, ObjectEventKind};
pub use sequencer::{InvalidSequencer, Sequencer};
pub use test_event::S3TestEvent;
pub(crate) use wire::records;
#[cfg(feature = "eventbridge")]
pub(crate) use wire::{instant, sequencer};

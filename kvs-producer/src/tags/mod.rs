//! What goes with a fragment beside its frames: tags, image generation, notifications.

mod event;
mod set;
mod tag;
mod waiting;

pub use self::event::{FragmentEvent, ImageGeneration, Notification};
pub(crate) use self::set::TagSet;
pub use self::tag::{FragmentTag, PutTagError, TagScope};
pub use self::waiting::EventInterval;
pub(crate) use self::waiting::WaitingTags;

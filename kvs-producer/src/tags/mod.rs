//! The tags of a fragment, and the requests for images and notifications, which are tags too.

mod event;
mod set;
mod tag;
mod waiting;

pub use self::event::{FragmentEvent, ImageGeneration, Notification};
pub(crate) use self::set::TagSet;
pub use self::tag::{FragmentTag, PutTagError, TagScope};
pub use self::waiting::EventInterval;
pub(crate) use self::waiting::WaitingTags;

//! A live Annex B byte stream, as encoders write it into a pipe, becomes access units.
//!
//! ```text
//! bytes in any pieces -> NAL units -> access units, with the track they belong to -> Frame
//! ```

mod access_unit;
mod error;
mod picture_format;
mod splitter;
mod syntax;

pub use access_unit::{AccessUnit, SkipReason, Skipped, SplitEvent};
pub use error::SplitError;
pub(super) use picture_format::PictureFormat;
pub use splitter::AccessUnitSplitter;
pub(super) use syntax::{Part, Picture, Slice, Syntax, TrackFormat};

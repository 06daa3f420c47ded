//! The contents of a Matroska document: segment, tracks, frames and tags (RFC 9559 §5.1).

mod frame;
mod segment_info;
mod tag;
mod track;
mod video;

pub use frame::{Frame, InvalidTrackNumber, TrackNumber};
pub use segment_info::SegmentInfo;
pub use tag::Tag;
pub use track::{AudioSettings, CodecId, Track, TrackKind};
pub use video::{Cropping, DisplaySize, DisplayUnit, PixelAspect, Pose, VideoSettings};

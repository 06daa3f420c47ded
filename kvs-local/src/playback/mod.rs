//! Playback: which fragments a player gets, and the playlists, manifests and media it gets them as.

mod clip;
mod dash;
mod error;
mod hls;
mod length;
pub(crate) mod limits;
mod listing;
mod media;
mod selection;
mod session;
mod sessions;
mod tracks;

pub(crate) use self::clip::{Clip, ClipReader};
pub(crate) use self::error::{no_fragments, read_failed, session_expired, session_unknown};
pub(crate) use self::media::playable_as;
pub(crate) use self::selection::{Range, fragments_within};
pub(crate) use self::session::{
    ContainerFormat, DashOptions, DiscontinuityMode, Display, FragmentRef, HlsOptions, NewSession, PlaybackMode,
    PlayedStream, Protocol, Session,
};
pub(crate) use self::sessions::{SessionOwner, Sessions};

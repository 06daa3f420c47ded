//! One frame of one track: what the parser yields and the writer accepts.

use std::fmt;
use std::num::NonZeroU64;
use std::time::Duration;

use crate::Chunks;

/// The number a block names its track by: 1 or more.
///
/// Kinesis Video Streams takes video as track 1 and at most three tracks; other Matroska files may use any number
/// (RFC 9559 §5.1.4.1.1).
///
/// ```
/// use kvs_mkv::TrackNumber;
///
/// assert_eq!(TrackNumber::new(1), Ok(TrackNumber::ONE));
/// assert!(TrackNumber::new(0).is_err());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrackNumber(NonZeroU64);

impl TrackNumber {
    /// Track 1: video, wherever there is video.
    pub const ONE: Self = Self(NonZeroU64::MIN);
    /// Track 2: audio, by custom.
    pub const TWO: Self = Self(NonZeroU64::MIN.saturating_add(1));
    /// Track 3: the last one the service takes.
    pub const THREE: Self = Self(NonZeroU64::MIN.saturating_add(2));

    /// Checks a number that came from outside.
    ///
    /// # Errors
    /// Zero and numbers beyond the largest an EBML variable-size integer holds (2^56 − 2) are refused.
    pub const fn new(number: u64) -> Result<Self, InvalidTrackNumber> {
        match NonZeroU64::new(number) {
            Some(valid) if number <= LARGEST => Ok(Self(valid)),
            _ => Err(InvalidTrackNumber { number }),
        }
    }

    /// The number itself.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0.get()
    }
}

/// The largest value of an eight-byte variable-size integer that is not the "unknown" mark (RFC 8794 §4).
const LARGEST: u64 = (1 << 56) - 2;

impl fmt::Display for TrackNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for TrackNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// A track number of zero, or one that no block header can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("track number {number} is not between 1 and 72057594037927934")]
#[non_exhaustive]
pub struct InvalidTrackNumber {
    /// What was given.
    pub number: u64,
}

/// One frame of one track, as the parser yields it and the writer accepts it.
///
/// `pts` counts from the origin the stream uses: the Unix epoch with absolute timecodes (what Kinesis Video Streams
/// calls `ABSOLUTE`), the start of the stream with relative ones.
///
/// ```
/// use std::time::Duration;
/// use kvs_mkv::{Frame, TrackNumber};
///
/// let frame = Frame::new(TrackNumber::ONE, Duration::from_millis(40), vec![0, 0, 0, 1, 0x65]).with_keyframe(true);
/// assert_eq!(frame.data.len(), 5);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Frame {
    /// The track it belongs to.
    pub track: TrackNumber,
    /// When it is to be shown or heard.
    pub pts: Duration,
    /// Whether decoding can start here; [`h264::is_keyframe`](crate::codec::h264::is_keyframe) and
    /// [`h265::is_keyframe`](crate::codec::h265::is_keyframe) tell it of an access unit.
    pub keyframe: bool,
    /// Decoded but not shown.
    pub invisible: bool,
    /// May be dropped without harm to other frames.
    pub discardable: bool,
    /// How long it lasts, where the container says so (`BlockDuration`); the service ignores it.
    pub duration: Option<Duration>,
    /// The coded bytes: length-prefixed NAL units, raw AAC, G.711 samples, ...
    pub data: Chunks,
}

impl Frame {
    /// A frame that is neither a key frame nor marked in any way.
    pub fn new(track: TrackNumber, pts: Duration, data: impl Into<Chunks>) -> Self {
        Self { track, pts, keyframe: false, invisible: false, discardable: false, duration: None, data: data.into() }
    }

    /// Says whether decoding can start here.
    #[must_use]
    pub const fn with_keyframe(mut self, keyframe: bool) -> Self {
        self.keyframe = keyframe;
        self
    }

    /// Says how long the frame lasts.
    #[must_use]
    pub const fn with_duration(mut self, duration: Option<Duration>) -> Self {
        self.duration = duration;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn track_numbers_hold_their_bounds() {
        assert_eq!(TrackNumber::new(0), Err(InvalidTrackNumber { number: 0 }));
        assert_eq!(TrackNumber::new(LARGEST).map(TrackNumber::get), Ok(LARGEST));
        assert!(TrackNumber::new(LARGEST + 1).is_err());
        assert_eq!((TrackNumber::TWO.get(), TrackNumber::THREE.get()), (2, 3));
    }
}

//! A frame of a track: what the parser returns and the writer takes.

use std::fmt;
use std::num::NonZeroU64;
use std::time::Duration;

use crate::Chunks;

/// The number by which blocks refer to a track; at least 1.
///
/// Kinesis Video Streams takes video as track 1, and at most three tracks. Other Matroska files may use any number
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
    /// Track 1: the video track, if there is one.
    pub const ONE: Self = Self(NonZeroU64::MIN);
    /// Track 2: usually the audio track.
    pub const TWO: Self = Self(NonZeroU64::MIN.saturating_add(1));
    /// Track 3: the last one that the service accepts.
    pub const THREE: Self = Self(NonZeroU64::MIN.saturating_add(2));

    /// Checks a number that comes from outside.
    ///
    /// # Errors
    /// [`InvalidTrackNumber`] for 0 and for numbers above 2^56 − 2, the largest EBML variable-size integer.
    pub const fn new(number: u64) -> Result<Self, InvalidTrackNumber> {
        match NonZeroU64::new(number) {
            Some(valid) if number <= LARGEST => Ok(Self(valid)),
            _ => Err(InvalidTrackNumber { number }),
        }
    }

    /// Returns the number.
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

/// A track number of 0, or one that does not fit a block header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("track number {number} is out of range, it must be 1 to 72057594037927934")]
#[non_exhaustive]
pub struct InvalidTrackNumber {
    /// The rejected number.
    pub number: u64,
}

/// A frame of a track: an access unit of video, or a block of audio samples.
///
/// `pts` counts from the origin of the stream: the Unix epoch with absolute timecodes (`ABSOLUTE` in Kinesis Video
/// Streams), the start of the stream with relative ones.
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
    /// The track of the frame.
    pub track: TrackNumber,
    /// Presentation time.
    pub pts: Duration,
    /// Whether decoding can start here. [`h264::is_keyframe`](crate::codec::h264::is_keyframe) and
    /// [`h265::is_keyframe`](crate::codec::h265::is_keyframe) find out for an access unit.
    pub keyframe: bool,
    /// Whether the frame is decoded but not shown.
    pub invisible: bool,
    /// Whether the frame may be dropped without damage to other frames.
    pub discardable: bool,
    /// How long the frame lasts, if the container states it (`BlockDuration`). The service ignores it.
    pub duration: Option<Duration>,
    /// The payload: length-prefixed NAL units, raw AAC, G.711 samples, ...
    pub data: Chunks,
}

impl Frame {
    /// Creates a frame without any flag.
    pub fn new(track: TrackNumber, pts: Duration, data: impl Into<Chunks>) -> Self {
        Self { track, pts, keyframe: false, invisible: false, discardable: false, duration: None, data: data.into() }
    }

    /// Sets whether decoding can start here. Default: no.
    #[must_use]
    pub const fn with_keyframe(mut self, keyframe: bool) -> Self {
        self.keyframe = keyframe;
        self
    }

    /// Sets how long the frame lasts. Default: unknown.
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
    fn limits_track_numbers_to_ebml_range() {
        assert_eq!(TrackNumber::new(0), Err(InvalidTrackNumber { number: 0 }));
        assert_eq!(TrackNumber::new(LARGEST).map(TrackNumber::get), Ok(LARGEST));
        assert!(TrackNumber::new(LARGEST + 1).is_err());
        assert_eq!((TrackNumber::TWO.get(), TrackNumber::THREE.get()), (2, 3));
    }
}

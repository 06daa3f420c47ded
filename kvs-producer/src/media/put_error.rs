//! Why a frame was not accepted.

use std::time::{Duration, SystemTime};

use kvs_mkv::{Frame, TrackNumber};
use kvs_types::__internal::epoch_millis;

/// A frame that was not accepted, with the reason. The producer continues; the frame can be put again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{refusal}")]
#[non_exhaustive]
pub struct PutFrameError {
    /// Why the frame was not accepted.
    pub refusal: Refusal,
    frame: Box<Frame>,
}

impl PutFrameError {
    pub(crate) fn new(refusal: Refusal, frame: Frame) -> Self {
        Self { refusal, frame: Box::new(frame) }
    }

    /// Returns the frame as it was put.
    #[must_use]
    pub fn into_frame(self) -> Frame {
        *self.frame
    }
}

/// Why a frame was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The buffer is full, and nothing in it may be dropped. Put the frame again after acknowledgements arrived, or drop it.
    #[error("buffer full: {buffered} of {limit} bytes in use, no room for a frame of {bytes} bytes")]
    BufferFull {
        /// Bytes in use.
        buffered: usize,
        /// The configured limit.
        limit: usize,
        /// Size of the frame's payload.
        bytes: usize,
    },
    /// The frame alone is larger than the buffer or than a fragment may be.
    #[error("frame of {bytes} bytes is too large, at most {limit} bytes fit")]
    TooLarge {
        /// Size of the frame's payload.
        bytes: usize,
        /// The largest payload that fits.
        limit: usize,
    },
    /// The configuration has no such track.
    #[error("unknown track {track}: add it to the configuration")]
    UnknownTrack {
        /// The track of the frame.
        track: TrackNumber,
    },
    /// The frame has no payload.
    #[error("frame without payload")]
    EmptyPayload,
    /// The payload has neither start codes nor NAL unit lengths, or its ADTS header is invalid.
    #[error("payload does not match the track's codec: expected start codes, NAL unit lengths or a valid ADTS header")]
    UnknownFraming,
    /// A decoder cannot be set up: the configuration has no codec private data, and the stream has not carried any yet (SPS
    /// and PPS before a key frame, or an ADTS header).
    #[error("no codec private data for track {track}: set it in the configuration, or start with parameter sets")]
    MissingCodecPrivate {
        /// The track of the frame.
        track: TrackNumber,
    },
    /// The timestamp is earlier than the previous ones, and the policy is [`TimeJump::Refuse`](crate::TimeJump::Refuse).
    #[error("timestamp went back from {} ms to {} ms since the epoch", epoch_millis(*from), epoch_millis(*to))]
    TimestampRegression {
        /// The latest time so far.
        from: SystemTime,
        /// The time of the frame.
        to: SystemTime,
    },
    /// The timestamp is too far from that of the leading track.
    #[error("timestamp {} ms is more than {} s from the leading track's {} ms", epoch_millis(*to), limit.as_secs(), epoch_millis(*lead))]
    TrackDrift {
        /// The latest time of the leading track.
        lead: SystemTime,
        /// The time of the frame.
        to: SystemTime,
        /// The largest accepted difference.
        limit: Duration,
    },
    /// The timestamp is too far ahead of the wall clock.
    #[error("timestamp {} ms is more than {} h ahead of the wall clock's {} ms", epoch_millis(*to), limit.as_secs() / 3600, epoch_millis(*now))]
    TimestampInFuture {
        /// The time of the frame.
        to: SystemTime,
        /// The wall clock.
        now: SystemTime,
        /// The largest accepted difference.
        limit: Duration,
    },
    /// [`finish`](crate::ProducerCore::finish) or `stop` was called.
    #[error("producer finished: it accepts no more frames")]
    Finished,
}

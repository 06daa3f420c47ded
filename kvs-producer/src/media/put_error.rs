//! Why a frame was not taken.

use std::time::Duration;

use kvs_mkv::{Frame, TrackNumber};

/// A frame that was not taken, and why. The stream goes on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{refusal}")]
#[non_exhaustive]
pub struct PutFrameError {
    /// Why.
    pub refusal: Refusal,
    frame: Box<Frame>,
}

impl PutFrameError {
    pub(crate) fn new(refusal: Refusal, frame: Frame) -> Self {
        Self { refusal, frame: Box::new(frame) }
    }

    /// The frame, as it was put.
    #[must_use]
    pub fn into_frame(self) -> Frame {
        *self.frame
    }
}

/// Why a frame is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The buffer is full and nothing in it may go. Try again when acks have come, or drop the frame.
    #[error("buffer full: {buffered} of {limit} bytes in use, frame of {bytes} bytes")]
    BufferFull {
        /// Bytes in use.
        buffered: usize,
        /// The configured limit.
        limit: usize,
        /// The frame's payload.
        bytes: usize,
    },
    /// The frame alone is larger than the buffer, or than a fragment may be.
    #[error("frame of {bytes} bytes, at most {limit} allowed")]
    TooLarge {
        /// The frame's payload.
        bytes: usize,
        /// The most there is room for.
        limit: usize,
    },
    /// The configuration has no such track.
    #[error("track {track} is not in the configuration")]
    UnknownTrack {
        /// The frame's.
        track: TrackNumber,
    },
    /// There is no payload.
    #[error("the frame has no payload")]
    EmptyPayload,
    /// The payload is neither NAL units behind start codes nor behind lengths, or an ADTS header that cannot be.
    #[error("the payload is not of the track's codec: neither start codes nor lengths, or a broken ADTS header")]
    UnknownFraming,
    /// A decoder could not be set up: the configuration gives no codec private data, and the stream brought none so far
    /// (SPS and PPS before a key frame, an ADTS header).
    #[error("no codec private data for track {track} yet: give it in the configuration, or begin with parameter sets")]
    MissingCodecPrivate {
        /// The track.
        track: TrackNumber,
    },
    /// Its time lies before the last one, and the policy is to refuse that.
    #[error("time goes back from {} to {} ms since the epoch", from.as_millis(), to.as_millis())]
    TimestampRegression {
        /// The latest time so far, since the epoch.
        from: Duration,
        /// The frame's.
        to: Duration,
    },
    /// Its time lies too far from the leading track's.
    #[error("time {} ms is more than 10 s from the leading track's {} ms", to.as_millis(), lead.as_millis())]
    TrackDrift {
        /// The leading track's latest time, since the epoch.
        lead: Duration,
        /// The frame's.
        to: Duration,
    },
    /// Its time lies more than a day ahead of the clock.
    #[error("time {} ms is more than a day ahead of the clock's {} ms", to.as_millis(), now.as_millis())]
    TimestampInFuture {
        /// The frame's time, since the epoch.
        to: Duration,
        /// The clock's.
        now: Duration,
    },
    /// The producer was told to finish.
    #[error("the stream is finished: no frames are taken any more")]
    Finished,
}

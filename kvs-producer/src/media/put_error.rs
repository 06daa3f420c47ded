//! Why a frame was not accepted.

use std::time::{Duration, SystemTime};

use std::error::Error;
use std::fmt;

use kvs_mkv::codec::aac::AdtsError;
use kvs_mkv::codec::nal::NalError;
use kvs_mkv::{Frame, TrackNumber};
use kvs_types::__internal::epoch_millis;

/// A frame that was not accepted, with the reason. The producer continues; the frame can be put again.
#[derive(Clone, Debug, PartialEq, Eq)]
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

impl fmt::Display for PutFrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.refusal.fmt(f)
    }
}

impl Error for PutFrameError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.refusal.source()
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
    /// A frame of a recording comes so long after later frames of other tracks that these are in fragments already. Put the tracks in
    /// the order of their times, or set a longer [`interleave_span`](crate::ProducerConfig::interleave_span).
    #[error(
        "frame of track {track} comes too late, {} ms behind what is already in fragments: put the tracks in the order of their \
         times, or set a longer interleave_span",
        behind.as_millis()
    )]
    TrackLate {
        /// The track of the frame.
        track: TrackNumber,
        /// How far the frame is behind.
        behind: Duration,
    },
    /// The payload of an H.264 or H.265 track is not made of NAL units: a length leads beyond it or to a start code, or it has
    /// neither lengths nor start codes. With [`BitstreamMode::Passthrough`](crate::BitstreamMode::Passthrough): start codes,
    /// although the codec private data announces lengths.
    #[error(
        "payload of track {track} is not made of NAL units with start codes or with the lengths that the track announces"
    )]
    InvalidNalUnits {
        /// The track of the frame.
        track: TrackNumber,
        /// What is wrong, and where.
        #[source]
        error: NalError,
    },
    /// The payload of an AAC track begins with an ADTS header, or those before it did, and it is not made of whole ADTS frames.
    #[error("payload of track {track} is not made of whole ADTS frames")]
    InvalidAdts {
        /// The track of the frame.
        track: TrackNumber,
        /// What is wrong, and where.
        #[source]
        error: AdtsError,
    },
    /// The payload has more ADTS frames than one put may have.
    #[error("payload of track {track} has more than {limit} ADTS frames: put fewer at a time")]
    TooManyFrames {
        /// The track of the frame.
        track: TrackNumber,
        /// The largest accepted number.
        limit: usize,
    },
    /// Parameter sets, SEI and delimiters are held for the next picture of their track, and none came.
    #[error(
        "{held} bytes of parameter sets, SEI or delimiters of track {track} wait for a picture, at most {limit} may: put the picture"
    )]
    NoPicture {
        /// The track of the frame.
        track: TrackNumber,
        /// What would be held, with 128 bytes for each put.
        held: usize,
        /// The largest accepted value.
        limit: usize,
    },
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
    /// [`finish`](crate::ProducerCore::finish) or `stop` was called, or the producer's task has panicked.
    #[error("producer finished: it accepts no more frames")]
    Finished,
}

//! The policies of a producer: what it does where there is a choice.

use std::time::SystemTime;

use crate::io::control::NewStream;

/// How the stream and its data endpoint are found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum StreamLookup {
    /// The stream must exist. The producer requests its endpoint (DescribeStream, GetDataEndpoint).
    #[default]
    Existing,
    /// A stream that does not exist is created. Only a ResourceNotFound response of DescribeStream leads to CreateStream.
    CreateIfMissing(NewStream),
    /// Use this data endpoint without any control-plane request.
    FixedEndpoint(String),
}

/// What the timestamps of the frames count from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Timestamps {
    /// The Unix epoch. A first time before 2010 comes from a clock that was never set; times then count from the wall
    /// clock, if that is set.
    #[default]
    Epoch,
    /// Anything. The first frame is mapped to the current time.
    Live,
    /// Anything. The first frame was recorded at this time. Tracks of a recording may lie any time apart: where the leading
    /// track has no frames, and before its first one, the others are sent without it. Put their frames in the order of their
    /// times: one that comes more than [`interleave_span`](crate::ProducerConfig::interleave_span) behind another track may be refused
    /// ([`Refusal::TrackLate`](crate::Refusal::TrackLate)).
    StartAt(SystemTime),
}

/// Whether the producer reads and converts payloads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum BitstreamMode {
    /// For H.264, H.265 and AAC, start codes become NAL unit lengths, ADTS headers are removed, and codec private data is
    /// taken from the stream: if it is missing it is filled in, and if it changes at a key frame a new session starts. A payload
    /// that is not made of NAL units or of ADTS frames is refused.
    ///
    /// Parameter sets, SEI and delimiters may come in puts of their own, as configuration buffers of encoders do: they are held
    /// for the next picture of their track and stored with it, and count as bytes of its frame. Their timestamps do not matter.
    /// Several ADTS frames in one put are stored as frames of their own.
    #[default]
    Detect,
    /// Payloads are sent unchanged, with the codec private data of the configuration. Only start codes are refused, if that
    /// data announces lengths: no decoder would find the NAL units.
    Passthrough,
}

/// What to do when the timestamps of the leading track go back by more than picture reordering explains (2 s).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum TimeJump {
    /// The next key frame starts a new session at the new time.
    #[default]
    NewSession,
    /// The frame is rejected.
    Refuse,
    /// Times continue from the last one.
    Rebase,
}

/// What to do with the frames after a fragment was cut without a key frame, because the group of pictures (GOP) is longer than
/// a fragment may be (20 s, 50 MB), the source paused, or [`end_fragment`](crate::ProducerCore::end_fragment) was called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum LongGop {
    /// Put them into a fragment that cannot be decoded on its own. Nothing is lost, but such a fragment may start a session.
    #[default]
    Split,
    /// Report them as lost, until the next key frame.
    Drop,
}

/// What to do with a fragment that has no frame of a track that its header declares. The service rejects such a fragment
/// (error 4011).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum MissingTrack {
    /// Send it in a session of its own, whose header does not declare the track. Nothing is lost.
    #[default]
    LeaveOut,
    /// Report it as lost, for viewers that need all tracks. A track that was silent for
    /// [`interleave_wait`](crate::ProducerConfig::interleave_wait) is omitted nevertheless.
    Drop,
}

/// What to do when the buffer is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Overflow {
    /// Drop the oldest fragment and report it as lost, so that live video continues.
    #[default]
    DropOldest,
    /// Return the new frame to the caller, for recordings and for callers that can wait. As with [`Timestamps::StartAt`], tracks may
    /// lie any time apart, and a frame that comes too late to be ordered is refused. If the buffer is smaller than a group of
    /// pictures, the open fragment is completed to make room, with [`LongGop::Split`].
    Refuse,
}

/// In which order media is sent while a part of it is in the spool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SpoolOrder {
    /// By time: the backlog first, then live media. A viewer sees live media when the backlog is sent.
    #[default]
    OldestFirst,
    /// Live media first, the backlog behind it, from the newest segment of the spool to the oldest. Needs a new connection
    /// for each change between live media and backlog, about every 10 s, so live media is delayed by about as much while there
    /// is a backlog.
    NewestFirst,
}

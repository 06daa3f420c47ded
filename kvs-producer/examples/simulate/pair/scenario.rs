//! All that one seed decides before it runs.

use std::time::Duration;

use fastrand::Rng;
use kvs_mkv::{CodecId, Track, TrackKind, TrackNumber};
use kvs_producer::{Bootstrap, Config, NewStream, Overflow, Payloads, TimeJump, Timecodes, WithoutKeyframe};

/// One kind of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// Connections are refused, those that are open break.
    Outage,
    /// Bytes vanish both ways and nobody is told.
    BlackHole,
    /// The connection breaks in the middle of a piece of the body.
    CutInside,
    /// The service sees the connection break, the producer does not.
    HalfOpen,
    /// The line carries next to nothing.
    SlowLine,
    /// The service ends the session with an error ack.
    ErrorAck,
    /// The store refuses a fragment.
    StoreError,
    /// Acks are swallowed.
    AcksLost,
    /// Acks come twice.
    AcksDoubled,
    /// Acks come late.
    AcksLate,
    /// Calls and connections are answered by an error.
    Refusals,
    /// The credentials provider has none.
    NoCredentials,
    /// The data endpoint moved.
    EndpointMoved,
    /// No frames for a while.
    SourcePause,
    /// One track gives no frames for a while.
    TrackStall,
    /// Frames come all at once after a gap.
    Burst,
    /// The source's clock jumps.
    ClockJump,
    /// The key frame interval grows beyond a fragment.
    LongGroup,
    /// The user pauses and resumes.
    Pause,
}

pub(crate) const FAULTS: [Fault; 19] = [
    Fault::Outage,
    Fault::BlackHole,
    Fault::CutInside,
    Fault::HalfOpen,
    Fault::SlowLine,
    Fault::ErrorAck,
    Fault::StoreError,
    Fault::AcksLost,
    Fault::AcksDoubled,
    Fault::AcksLate,
    Fault::Refusals,
    Fault::NoCredentials,
    Fault::EndpointMoved,
    Fault::SourcePause,
    Fault::TrackStall,
    Fault::Burst,
    Fault::ClockJump,
    Fault::LongGroup,
    Fault::Pause,
];

/// What one seed decided.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) config: Config,
    pub(crate) buffer_bytes: usize,
    pub(crate) backoff_cap: Duration,
    pub(crate) without_keyframe: WithoutKeyframe,
    pub(crate) tracks: usize,
    pub(crate) frame_ms: u64,
    pub(crate) group_ms: u64,
    pub(crate) b_frames: bool,
    pub(crate) length: Duration,
    pub(crate) latency: Duration,
    pub(crate) bytes_per_second: u64,
    pub(crate) store_time: Duration,
    pub(crate) credentials_last: Duration,
    pub(crate) stream_exists: bool,
    /// When each fault begins and how long it lasts.
    pub(crate) faults: Vec<(Duration, Fault, Duration)>,
}

pub(crate) fn tracks(count: usize) -> Vec<Track> {
    let video = Track::new(TrackNumber::ONE, TrackKind::Video, CodecId::H264).with_codec_private(vec![1; 20]);
    let audio = Track::new(TrackNumber::TWO, TrackKind::Audio, CodecId::AAC).with_audio(48_000.0, 2, None);
    [video, audio].into_iter().take(count).collect()
}

impl Scenario {
    pub(crate) fn new(seed: u64, rng: &mut Rng) -> Self {
        let ms = |rng: &mut Rng, from: u64, to: u64| Duration::from_millis(rng.u64(from..to));
        let count = rng.usize(1..=2);
        let without_keyframe = if rng.bool() { WithoutKeyframe::Split } else { WithoutKeyframe::Drop };
        let timecodes = if rng.u8(..4) == 0 { Timecodes::Relative } else { Timecodes::Absolute };
        let buffer_bytes = rng.usize(100_000..2_000_000);
        let backoff_cap = ms(rng, 500, 15_000);
        let config = Config::new("cam", tracks(count))
            .seed(seed)
            .payloads(Payloads::AsIs)
            .bootstrap(Bootstrap::CreateIfMissing(NewStream::default()))
            .timecodes(timecodes)
            .time_jump([TimeJump::NewSession, TimeJump::Rebase, TimeJump::Refuse][rng.usize(..3)])
            .without_keyframe(without_keyframe)
            .buffer_bytes(buffer_bytes)
            .buffer_time(ms(rng, 30_000, 200_000))
            .overflow(if rng.u8(..3) == 0 { Overflow::Refuse } else { Overflow::DropOldest })
            .backoff_cap(backoff_cap)
            .ack_timeout(ms(rng, 3_000, 30_000))
            .drain_timeout(ms(rng, 2_000, 10_000))
            .idle_after(ms(rng, 5_000, 25_000))
            .session_max(ms(rng, 15_000, 300_000))
            .pre_roll(ms(rng, 0, 10_000));
        let length = ms(rng, 30_000, 240_000);
        let faults = (0..rng.usize(..12)).map(|_| {
            let at = Duration::from_millis(rng.u64(..u64::try_from(length.as_millis()).unwrap_or(1)));
            let longest = if rng.u8(..4) == 0 { 90_000 } else { 8_000 };
            (at, FAULTS[rng.usize(..FAULTS.len())], ms(rng, 100, longest))
        });
        let faults = faults.collect();
        Self {
            config,
            buffer_bytes,
            backoff_cap,
            without_keyframe,
            tracks: count,
            frame_ms: rng.u64(60..300),
            group_ms: rng.u64(300..6_000),
            b_frames: rng.bool(),
            length,
            latency: ms(rng, 1, 300),
            bytes_per_second: rng.u64(50_000..5_000_000),
            store_time: ms(rng, 1, 1_500),
            credentials_last: ms(rng, 40_000, 3_600_000),
            stream_exists: rng.bool(),
            faults,
        }
    }
}

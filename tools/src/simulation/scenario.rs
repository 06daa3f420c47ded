//! Everything that a seed decides before the run.

use std::time::Duration;

use fastrand::Rng;
use kvs_mkv::{CodecId, Track, TrackKind, TrackNumber};
use kvs_producer::{
    BitstreamMode, FragmentTimecodeType, LongGop, MissingTrack, NewStream, Overflow, ProducerConfig, StreamLookup,
    TimeJump,
};

use super::network::LinkModel;

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// New connections are refused, and open ones break.
    Outage,
    /// Bytes are lost in both directions without an error.
    BlackHole,
    /// The connection breaks inside a piece of the body.
    CutInside,
    /// The service sees the connection break, the producer does not.
    HalfOpen,
    /// The uplink is very slow.
    SlowLine,
    /// The service ends the session with an error ack.
    ErrorAck,
    /// Storing a fragment fails.
    StoreError,
    /// Acks are lost.
    AcksLost,
    /// Acks arrive twice.
    AcksDoubled,
    /// Acks arrive late.
    AcksLate,
    /// API calls and connections return an error.
    Refusals,
    /// The credentials provider fails.
    NoCredentials,
    /// The data endpoint moved.
    EndpointMoved,
    /// No frames for a while.
    SourcePause,
    /// One track has no frames for a while.
    TrackStall,
    /// Frames come all at once after a gap.
    Burst,
    /// The source's clock jumps.
    ClockJump,
    /// The key frame interval grows beyond a fragment.
    LongGroup,
    /// The user pauses and resumes.
    Pause,
    /// Name resolution fails; open connections continue.
    Dns,
    /// TLS handshakes fail; open connections continue.
    Tls,
    /// The camera is reconfigured: new parameter sets from the next key frame on.
    NewSets,
}

/// All kinds of fault.
pub const FAULTS: [Fault; 22] = [
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
    Fault::Dns,
    Fault::Tls,
    Fault::NewSets,
];

/// Bitstream format of the camera.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// The format that is stored.
    AsIs,
    /// With start codes, in one piece or two.
    StartCodes,
}

/// Everything that a seed decides.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) config: ProducerConfig,
    pub(crate) form: Form,
    pub(crate) buffer_bytes: usize,
    pub(crate) buffer_time: Duration,
    pub(crate) pre_roll: Duration,
    pub(crate) fragment_max: Duration,
    pub(crate) idle_after: Duration,
    pub(crate) backoff_cap: Duration,
    pub(crate) long_gop: LongGop,
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
    pub(crate) link: LinkModel,
    /// What fits between the producer and the line of a connection.
    pub(crate) socket_buffer: u64,
    /// How long the producer waits for acks, and for the last ones.
    pub(crate) silence: Duration,
    /// The user ends a fragment now and then.
    pub(crate) ends_fragments: bool,
    pub(crate) missing_track: MissingTrack,
    /// When each fault begins and how long it lasts.
    pub(crate) faults: Vec<(Duration, Fault, Duration)>,
}

/// What fits in front of the line of most connections.
const SOCKET_BUFFER: u64 = 64 << 10;
/// Tells the numbers of the link from those of the rest.
const LINKS: u64 = 0x006c_696e_6b73_0000;

pub(crate) fn tracks(count: usize, form: Form) -> Vec<Track> {
    let video = Track::new(TrackNumber::ONE, TrackKind::Video, CodecId::H264);
    let video = if form == Form::AsIs { video.with_codec_private(vec![1; 20]) } else { video };
    let sound = |number| {
        Track::new(number, TrackKind::Audio, CodecId::AAC)
            .with_codec_private(vec![0x11, 0x90])
            .with_audio(48_000.0, 2, None)
    };
    [video, sound(TrackNumber::TWO), sound(TrackNumber::THREE)].into_iter().take(count).collect()
}

impl Scenario {
    pub(crate) fn new(seed: u64, rng: &mut Rng) -> Self {
        // Numbers of their own, so that a seed without a link model is what it was before there were any.
        let mut link_rng = Rng::with_seed(seed ^ LINKS);
        let link = LinkModel::new(&mut link_rng);
        let deep = link_rng.u8(..4) == 0;
        let (deep_buffer, deep_rate) = (link_rng.u64(256 << 10..4 << 20), link_rng.u64(15_000..60_000));
        let ms = |rng: &mut Rng, from: u64, to: u64| Duration::from_millis(rng.u64(from..to));
        let count = rng.usize(1..=3);
        let long_gop = if rng.bool() { LongGop::Split } else { LongGop::Drop };
        let timecodes = if rng.u8(..4) == 0 { FragmentTimecodeType::Relative } else { FragmentTimecodeType::Absolute };
        let buffer_bytes = rng.usize(100_000..2_000_000);
        let backoff_cap = ms(rng, 500, 15_000);
        let form = if rng.bool() { Form::StartCodes } else { Form::AsIs };
        let (buffer_time, pre_roll) = (ms(rng, 30_000, 200_000), ms(rng, 0, 10_000));
        let (fragment_max, idle_after) = (ms(rng, 7_000, 10_000), ms(rng, 5_000, 25_000));
        let missing_track = if rng.u8(..4) == 0 { MissingTrack::Drop } else { MissingTrack::LeaveOut };
        let (mut ack_timeout, mut drain_timeout) = (None, None);
        let config = ProducerConfig::new("cam", tracks(count, form))
            .seed(seed)
            .bitstream_mode(if form == Form::AsIs { BitstreamMode::Passthrough } else { BitstreamMode::Detect })
            .fragment_max(fragment_max)
            .stream_lookup(StreamLookup::CreateIfMissing(NewStream::default()))
            .fragment_timecode_type(timecodes)
            .time_jump([TimeJump::NewSession, TimeJump::Rebase, TimeJump::Refuse][rng.usize(..3)])
            .long_gop(long_gop)
            .missing_track(missing_track)
            .buffer_bytes(buffer_bytes)
            .buffer_time(buffer_time)
            .overflow(if rng.u8(..3) == 0 { Overflow::Refuse } else { Overflow::DropOldest })
            .max_backoff(backoff_cap)
            .ack_timeout(*ack_timeout.insert(ms(rng, 3_000, 30_000)))
            .drain_timeout(*drain_timeout.insert(ms(rng, 2_000, 10_000)))
            .idle_after(idle_after)
            .session_max(ms(rng, 15_000, 300_000))
            .pre_roll(pre_roll);
        let length = ms(rng, 30_000, 240_000);
        let faults = (0..rng.usize(..12)).map(|_| {
            let at = Duration::from_millis(rng.u64(..u64::try_from(length.as_millis()).unwrap_or(1)));
            let longest = if rng.u8(..4) == 0 { 90_000 } else { 8_000 };
            (at, FAULTS[rng.usize(..FAULTS.len())], ms(rng, 100, longest))
        });
        let faults = faults.collect();
        Self {
            config,
            form,
            buffer_bytes,
            buffer_time,
            pre_roll,
            fragment_max,
            idle_after,
            backoff_cap,
            long_gop,
            tracks: count,
            frame_ms: rng.u64(60..300),
            group_ms: rng.u64(300..6_000),
            b_frames: rng.bool(),
            length,
            latency: ms(rng, 1, 300),
            bytes_per_second: match rng.u64(50_000..5_000_000) {
                _ if deep => deep_rate,
                rate => rate,
            },
            store_time: ms(rng, 1, 1_500),
            credentials_last: ms(rng, 40_000, 3_600_000),
            stream_exists: rng.bool(),
            link,
            socket_buffer: if deep { deep_buffer } else { SOCKET_BUFFER },
            silence: ack_timeout.unwrap_or_default() + drain_timeout.unwrap_or_default(),
            ends_fragments: rng.u8(..3) == 0,
            missing_track,
            faults,
        }
    }
}

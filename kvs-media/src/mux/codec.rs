//! What a player needs to know about a track before its first frame.

use bytes::Bytes;
use kvs_mkv::codec::aac::AudioSpecificConfig;
use kvs_mkv::codec::g711::{Law, WaveFormat};
use kvs_mkv::codec::nal::LengthSize;
use kvs_mkv::codec::{h264, h265};
use kvs_mkv::{CodecId, Track, TrackKind, TrackNumber};

/// A track in a form that can be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrackSetup {
    /// The track number, which becomes the track id.
    pub number: TrackNumber,
    /// The codec and its set-up.
    pub codec: Codec,
    /// Ticks per second of the track's times.
    pub timescale: u32,
}

/// A codec with its set-up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Codec {
    /// H.264 or H.265 with length-prefixed NAL units.
    Video {
        /// Which of them.
        codec: VideoCodec,
        /// The avcC or hvcC, as the producer sent it.
        record: Bytes,
        /// Size of the lengths in the frames.
        length_size: LengthSize,
        /// Width in pixels.
        width: u16,
        /// Height in pixels.
        height: u16,
    },
    /// AAC without ADTS headers.
    Aac(AudioSpecificConfig),
    /// G.711.
    G711 {
        /// A-law or mu-law.
        law: Law,
        /// Sampling frequency in Hz.
        sampling_frequency: u32,
        /// Number of channels.
        channels: u16,
    },
}

/// A codec of video.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VideoCodec {
    /// H.264.
    H264,
    /// H.265.
    H265,
}

/// What reading the pictures of a video track needs.
#[derive(Clone, Copy)]
pub(super) struct VideoTrack<'a> {
    pub(super) codec: VideoCodec,
    pub(super) record: &'a [u8],
    pub(super) length_size: LengthSize,
}

/// A track that cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SetupError {
    /// The codec has no place in the containers written here.
    #[error("track {track} has the codec {codec}; H.264, H.265, AAC and G.711 can be played")]
    Codec {
        /// The track.
        track: TrackNumber,
        /// Its codec id.
        codec: String,
    },
    /// There is no codec private data, or for audio none that can be used.
    #[error("track {track} has no codec private data")]
    Missing {
        /// The track.
        track: TrackNumber,
    },
    /// The codec private data cannot be read.
    #[error("the codec private data of track {track} is not valid: {problem}")]
    Invalid {
        /// The track.
        track: TrackNumber,
        /// What is wrong with it.
        problem: String,
    },
}

/// Ticks per second of video: the timecodes of the service are whole milliseconds.
const VIDEO_TIMESCALE: u32 = 1000;

impl TrackSetup {
    /// Reads the codec and its private data.
    ///
    /// # Errors
    /// [`SetupError`].
    pub fn of(track: &Track) -> Result<Self, SetupError> {
        let number = track.number;
        let codec = match (&track.codec, track.kind) {
            (codec, TrackKind::Video) if *codec == CodecId::H264 => video(track, VideoCodec::H264),
            (codec, TrackKind::Video) if *codec == CodecId::H265 => video(track, VideoCodec::H265),
            (codec, TrackKind::Audio) if *codec == CodecId::AAC => aac(track),
            (codec, TrackKind::Audio) if *codec == CodecId::ACM => g711(track),
            (other, _) => Err(SetupError::Codec { track: number, codec: other.as_str().escape_debug().to_string() }),
        }?;
        let timescale = match &codec {
            Codec::Video { .. } => VIDEO_TIMESCALE,
            Codec::Aac(config) => config.sampling_frequency(),
            Codec::G711 { sampling_frequency, .. } => *sampling_frequency,
        };
        Ok(Self { number, codec, timescale })
    }

    /// Returns the codec as in the `codecs` parameter of RFC 6381.
    #[must_use]
    pub fn codecs(&self) -> String {
        match &self.codec {
            Codec::Video { codec: VideoCodec::H264, record, .. } => {
                let hex = |byte: &u8| format!("{byte:02x}");
                format!("avc1.{}", record.iter().skip(1).take(3).map(hex).collect::<String>())
            }
            Codec::Video { codec: VideoCodec::H265, record, .. } => hevc_codecs(record),
            Codec::Aac(config) => format!("mp4a.40.{}", config.object_type()),
            Codec::G711 { law: Law::A, .. } => "alaw".to_owned(),
            Codec::G711 { law: Law::Mu, .. } => "ulaw".to_owned(),
        }
    }

    /// Returns whether the track is video.
    #[must_use]
    pub const fn is_video(&self) -> bool {
        matches!(self.codec, Codec::Video { .. })
    }
}

/// ISO/IEC 14496-15 annex E.3, from bytes 1 to 12 of the hvcC.
fn hevc_codecs(record: &[u8]) -> String {
    let Some([general, c0, c1, c2, c3, constraints @ .., level]) = record.get(1..13) else { return "hvc1".to_owned() };
    let space = ["", "A", "B", "C"].get(usize::from(general >> 6)).copied().unwrap_or_default();
    let compatibility = u32::from_be_bytes([*c0, *c1, *c2, *c3]).reverse_bits();
    let tier = if general & 0x20 == 0 { 'L' } else { 'H' };
    let used = constraints.iter().rposition(|&byte| byte != 0).map_or(0, |last| last.saturating_add(1));
    let constraints: String = constraints.iter().take(used).map(|byte| format!(".{byte:X}")).collect();
    format!("hvc1.{space}{}.{compatibility:X}.{tier}{level}{constraints}", general & 0x1f)
}

fn video(track: &Track, codec: VideoCodec) -> Result<Codec, SetupError> {
    let number = track.number;
    let record = track.codec_private.clone();
    if record.is_empty() {
        return Err(SetupError::Missing { track: number });
    }
    let invalid = |problem: String| SetupError::Invalid { track: number, problem };
    let (length_size, width, height) = match codec {
        VideoCodec::H264 => h264::ParameterSets::from_avcc(&record)
            .and_then(|(sets, length_size)| sets.sps().map(|sps| (length_size, sps.width, sps.height)))
            .map_err(|error| invalid(error.to_string()))?,
        VideoCodec::H265 => h265::ParameterSets::from_hvcc(&record)
            .and_then(|(sets, length_size)| sets.sps().map(|sps| (length_size, sps.width, sps.height)))
            .map_err(|error| invalid(error.to_string()))?,
    };
    let side = |side: u32| u16::try_from(side).map_err(|_| invalid(format!("a side of {side} pixels is too long")));
    Ok(Codec::Video { codec, record, length_size, width: side(width)?, height: side(height)? })
}

/// The service calls an AudioSpecificConfig that it cannot use a missing one.
fn aac(track: &Track) -> Result<Codec, SetupError> {
    let missing = SetupError::Missing { track: track.number };
    if track.codec_private.len() > CONFIG_BYTES {
        return Err(missing);
    }
    AudioSpecificConfig::parse(&track.codec_private).map(Codec::Aac).map_err(|_| missing)
}

/// Largest AudioSpecificConfig in bytes: the lengths around it have one byte. Those of encoders have two to seven.
const CONFIG_BYTES: usize = 64;

fn g711(track: &Track) -> Result<Codec, SetupError> {
    let number = track.number;
    let format = WaveFormat::parse(&track.codec_private).map_err(|_| SetupError::Missing { track: number })?;
    let Some(law) = Law::from_format_tag(format.tag) else {
        return Err(SetupError::Codec { track: number, codec: format!("A_MS/ACM with format tag {}", format.tag) });
    };
    if format.channels == 0 || format.sampling_frequency == 0 || u16::try_from(format.sampling_frequency).is_err() {
        let problem = format!("{} channels at {} Hz", format.channels, format.sampling_frequency);
        return Err(SetupError::Invalid { track: number, problem });
    }
    Ok(Codec::G711 { law, sampling_frequency: format.sampling_frequency, channels: format.channels })
}

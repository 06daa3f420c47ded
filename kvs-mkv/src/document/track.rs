//! A track: its number, codec, codec private data and video or audio settings.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;

use super::VideoSettings;
use crate::TrackNumber;

/// One entry of the Tracks element (RFC 9559 §5.1.4.1).
///
/// ```
/// use kvs_mkv::{CodecId, Track, TrackKind, TrackNumber};
///
/// let track = Track::new(TrackNumber::ONE, TrackKind::Video, CodecId::H264).with_video(1280, 720);
/// assert_eq!(track.codec.as_str(), "V_MPEG4/ISO/AVC");
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Track {
    /// The number by which blocks refer to the track.
    pub number: TrackNumber,
    /// A number that stays the same when the file is remuxed; never 0. Default: the track number.
    pub uid: u64,
    /// Video, audio or something else.
    pub kind: TrackKind,
    /// A name for people. The service accepts at most 32 bytes.
    pub name: Option<String>,
    /// The codec.
    pub codec: CodecId,
    /// What a decoder needs before the first frame: avcC, hvcC, AudioSpecificConfig, WAVEFORMATEX. Empty if there is none.
    pub codec_private: Bytes,
    /// Picture size and how the picture is shown, for video.
    pub video: Option<VideoSettings>,
    /// Sample format, for audio.
    pub audio: Option<AudioSettings>,
    /// Time between frames, if the container states it.
    pub default_duration: Option<Duration>,
    /// Whether the container compresses or encrypts the frames (RFC 9559 §5.1.4.1.31). The parser returns such frames as they
    /// are stored, so they are not what the codec produced. The writer rejects such a track.
    pub encoded: bool,
}

impl Track {
    /// Creates a track without name, codec private data and settings; its uid is its number.
    pub fn new(number: TrackNumber, kind: TrackKind, codec: impl Into<CodecId>) -> Self {
        Self {
            number,
            uid: number.get(),
            kind,
            name: None,
            codec: codec.into(),
            codec_private: Bytes::new(),
            video: None,
            audio: None,
            default_duration: None,
            encoded: false,
        }
    }

    /// Sets the name for people.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets the codec private data.
    #[must_use]
    pub fn with_codec_private(mut self, codec_private: impl Into<Bytes>) -> Self {
        self.codec_private = codec_private.into();
        self
    }

    /// Sets the picture size in pixels. [`VideoSettings`] has more: the display size, cropping and rotation.
    #[must_use]
    pub const fn with_video(mut self, width: u64, height: u64) -> Self {
        self.video = Some(VideoSettings::new(width, height));
        self
    }

    /// Sets the sampling frequency in Hz, the number of channels and the bits per sample, if the codec needs them.
    #[must_use]
    pub const fn with_audio(mut self, sampling_frequency: f64, channels: u64, bit_depth: Option<u64>) -> Self {
        self.audio = Some(AudioSettings { sampling_frequency, channels, bit_depth });
        self
    }
}

/// The kind of a track (RFC 9559 §5.1.4.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TrackKind {
    /// Video.
    Video,
    /// Audio.
    Audio,
    /// Subtitles.
    Subtitle,
    /// Any other kind, by its number.
    Other(u64),
}

impl TrackKind {
    /// Returns the kind for a value of `TrackType`.
    #[must_use]
    pub const fn from_number(number: u64) -> Self {
        match number {
            1 => Self::Video,
            2 => Self::Audio,
            17 => Self::Subtitle,
            other => Self::Other(other),
        }
    }

    /// Returns the value of `TrackType` for this kind.
    #[must_use]
    pub const fn number(self) -> u64 {
        match self {
            Self::Video => 1,
            Self::Audio => 2,
            Self::Subtitle => 17,
            Self::Other(number) => number,
        }
    }
}

/// Sample format of an audio track.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct AudioSettings {
    /// Sampling frequency in Hz.
    pub sampling_frequency: f64,
    /// Number of channels; 1 is mono.
    pub channels: u64,
    /// Bits per sample, for codecs that need them (PCM, G.711).
    pub bit_depth: Option<u64>,
}

impl AudioSettings {
    /// Creates settings from the sampling frequency in Hz, the number of channels and the bits per sample, if needed.
    #[must_use]
    pub const fn new(sampling_frequency: f64, channels: u64, bit_depth: Option<u64>) -> Self {
        Self { sampling_frequency, channels, bit_depth }
    }
}

/// A Matroska codec id. The set is open, because a container carries any codec.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct CodecId(Cow<'static, str>);

impl CodecId {
    /// H.264 with avcC and length-prefixed NAL units.
    pub const H264: Self = Self(Cow::Borrowed("V_MPEG4/ISO/AVC"));
    /// H.265 with hvcC and length-prefixed NAL units.
    pub const H265: Self = Self(Cow::Borrowed("V_MPEGH/ISO/HEVC"));
    /// Motion JPEG.
    pub const MJPEG: Self = Self(Cow::Borrowed("V_MJPEG"));
    /// A Video for Windows codec described by a BITMAPINFOHEADER.
    pub const VFW: Self = Self(Cow::Borrowed("V_MS/VFW/FOURCC"));
    /// AAC with an AudioSpecificConfig and raw frames.
    pub const AAC: Self = Self(Cow::Borrowed("A_AAC"));
    /// A codec described by a WAVEFORMATEX: G.711 A-law and mu-law.
    pub const ACM: Self = Self(Cow::Borrowed("A_MS/ACM"));
    /// PCM, signed integers, little endian.
    pub const PCM_LITTLE_ENDIAN: Self = Self(Cow::Borrowed("A_PCM/INT/LIT"));
    /// PCM, signed integers, big endian.
    pub const PCM_BIG_ENDIAN: Self = Self(Cow::Borrowed("A_PCM/INT/BIG"));

    /// Returns the id as written in the file.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for CodecId {
    fn from(id: String) -> Self {
        Self(Cow::Owned(id))
    }
}

impl From<&'static str> for CodecId {
    fn from(id: &'static str) -> Self {
        Self(Cow::Borrowed(id))
    }
}

impl fmt::Display for CodecId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for CodecId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn track_kinds_round_trip() {
        for number in [1, 2, 3, 17, 18, 255] {
            assert_eq!(TrackKind::from_number(number).number(), number);
        }
    }
}

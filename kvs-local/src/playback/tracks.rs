//! The tracks of a fragment that can be played.

use kvs_media::__internal::{Codec, TrackSetup, VideoCodec};
use kvs_mkv::{Track, TrackNumber};

use super::error::{bad_setup, unsupported};
use crate::api::ApiError;

/// What the tracks are played as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// HLS with fragmented MP4: H.264 or H.265 with optional AAC, or AAC alone.
    HlsMp4,
    /// HLS with MPEG-TS: H.264 with optional AAC, or AAC alone.
    HlsTs,
    /// DASH: H.264 or H.265 with optional AAC or G.711.
    Dash,
    /// A file, with the tracks of DASH.
    Clip,
}

/// Tracks 1 and 2, as far as there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tracks(Vec<TrackSetup>);

impl Tracks {
    /// Reads tracks 1 and 2. Further ones are not played.
    pub(super) fn of(tracks: &[Track], format: Format) -> Result<Self, ApiError> {
        let numbered = |number| tracks.iter().find(|track| track.number == number);
        let first = numbered(TrackNumber::ONE).ok_or_else(|| unsupported("there is no track 1"))?;
        let wanted = [Some(first), numbered(TrackNumber::TWO)].into_iter().flatten();
        let setups: Vec<TrackSetup> =
            wanted.map(TrackSetup::of).collect::<Result<_, _>>().map_err(|e| bad_setup(&e))?;
        let fits = match setups.as_slice() {
            [one] => format.takes_first(&one.codec),
            [one, two] => format.takes_first(&one.codec) && one.is_video() && format.takes_second(&two.codec),
            _ => false,
        };
        if fits {
            return Ok(Self(setups));
        }
        let codecs: Vec<String> =
            setups.iter().map(|track| format!("{} in track {}", track.codecs(), track.number)).collect();
        Err(unsupported(&format!("{} cannot be played as {}", codecs.join(" and "), format.name())))
    }

    pub(super) fn all(&self) -> &[TrackSetup] {
        &self.0
    }

    pub(super) fn get(&self, number: u64) -> Option<&TrackSetup> {
        self.0.iter().find(|track| track.number.get() == number)
    }

    /// Returns whether the other tracks have the same numbers and codecs.
    pub(super) fn is_alike(&self, other: &Self) -> bool {
        let kinds =
            |tracks: &Self| -> Vec<_> { tracks.0.iter().map(|track| (track.number, kind(&track.codec))).collect() };
        kinds(self) == kinds(other)
    }

    /// Returns the codecs for a player.
    pub(super) fn codecs(&self) -> String {
        self.0.iter().map(TrackSetup::codecs).collect::<Vec<_>>().join(",")
    }

    /// Returns the size of the video.
    pub(super) fn size(&self) -> Option<(u16, u16)> {
        self.0.iter().find_map(|track| match track.codec {
            Codec::Video { width, height, .. } => Some((width, height)),
            Codec::Aac(_) | Codec::G711 { .. } => None,
        })
    }
}

const fn kind(codec: &Codec) -> &'static str {
    match codec {
        Codec::Video { codec: VideoCodec::H264, .. } => "H.264",
        Codec::Video { codec: VideoCodec::H265, .. } => "H.265",
        Codec::Aac(_) => "AAC",
        Codec::G711 { .. } => "G.711",
    }
}

impl Format {
    const fn takes_first(self, codec: &Codec) -> bool {
        match (self, codec) {
            (_, Codec::Video { codec: VideoCodec::H264, .. }) => true,
            (_, Codec::Video { codec: VideoCodec::H265, .. }) => !matches!(self, Self::HlsTs),
            (_, Codec::Aac(_)) => matches!(self, Self::HlsMp4 | Self::HlsTs),
            (_, Codec::G711 { .. }) => false,
        }
    }

    const fn takes_second(self, codec: &Codec) -> bool {
        match codec {
            Codec::Video { .. } => false,
            Codec::Aac(_) => true,
            Codec::G711 { .. } => matches!(self, Self::Dash | Self::Clip),
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::HlsMp4 => "HLS with fragmented MP4",
            Self::HlsTs => "HLS with MPEG-TS",
            Self::Dash => "DASH",
            Self::Clip => "a clip",
        }
    }
}

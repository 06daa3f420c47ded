//! Converts the bytes of a frame in the input to the payload of a Matroska block.

use kvs_mkv::codec::nal::{LengthPrefixer, NalError};
use kvs_mkv::{Chunks, Track, TrackNumber};

use super::error::Fault;
use super::nal_track::{Converted, NalTrack};

/// The payload format of a track in its container.
#[derive(Debug)]
pub(super) enum PayloadFormat {
    /// H.264 and H.265 in a container.
    Nal(Box<NalTrack>),
    /// H.264 and H.265 with start codes.
    AnnexB(Track, LengthPrefixer),
    /// Payloads that stay as they are.
    Plain(Track),
}

impl PayloadFormat {
    /// Returns the payload of one frame.
    pub(super) fn payload(&mut self, data: Chunks, keyframe: bool) -> Result<Converted, NalError> {
        let len = data.len();
        let converted = match self {
            Self::Nal(track) => track.payload(data, keyframe)?,
            Self::AnnexB(_, prefixer) => Converted { data: prefixer.convert_chunks(&data)?, is_changed: false },
            Self::Plain(_) => Converted { data, is_changed: false },
        };
        // Zeros and start codes alone are no NAL unit.
        if converted.data.is_empty() { Err(NalError::UnknownFraming { len }) } else { Ok(converted) }
    }

    /// Whether the parameter sets must still be found in the frames.
    pub(super) fn is_unsettled(&self) -> bool {
        matches!(self, Self::Nal(track) if !track.is_complete())
    }

    /// Puts the parameter sets in front of a payload, if the codec has them.
    pub(super) fn with_sets(&self, data: Chunks) -> Chunks {
        match self {
            Self::Nal(track) => track.with_sets(data),
            Self::AnnexB(..) | Self::Plain(_) => data,
        }
    }

    /// Returns the track with this number.
    pub(super) fn track(&self, number: TrackNumber) -> Result<Track, Fault> {
        let mut track = match self {
            Self::Nal(track) => track.track(number).map_err(Fault::damaged)?,
            Self::AnnexB(track, _) | Self::Plain(track) => track.clone(),
        };
        (track.number, track.uid) = (number, number.get());
        Ok(track)
    }
}

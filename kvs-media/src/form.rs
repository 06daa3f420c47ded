//! What becomes of a frame's bytes between the file and a Matroska block.

use bytes::Bytes;
use kvs_mkv::codec::nal::{self, NalError};
use kvs_mkv::{Chunks, Track, TrackNumber};

use super::MediaError;
use super::input::Input;
use super::nal_track::NalTrack;
use super::timeline::{Stream, Unit};

/// How the bytes of a track's frames become payloads.
#[derive(Debug)]
pub(super) enum Form {
    /// H.264 and H.265 out of a container.
    Nal(Box<NalTrack>),
    /// H.264 and H.265 with start codes.
    AnnexB(Track),
    /// Payloads that stay as they are.
    Plain(Track),
}

impl Form {
    /// The payload of one frame.
    pub(super) fn payload(&mut self, bytes: Bytes) -> Result<Chunks, NalError> {
        match self {
            Self::Nal(track) => track.payload(&bytes),
            Self::AnnexB(_) => nal::annex_b_to_length_prefixed(&bytes),
            Self::Plain(_) => Ok(Chunks::from(bytes)),
        }
    }

    /// Whether the track is not known before more of its frames have been looked at.
    pub(super) fn is_unsettled(&self) -> bool {
        matches!(self, Self::Nal(track) if !track.is_complete())
    }

    /// Looks for what the container does not say in as many frames as it takes.
    pub(super) fn settle(&mut self, input: &Input, units: &[Unit]) -> Result<(), MediaError> {
        for unit in units {
            if !self.is_unsettled() {
                break;
            }
            let bytes = input.read(unit.at, unit.len)?;
            self.payload(bytes).map_err(|error| input.damaged(format!("the frame at offset {}: {error}", unit.at)))?;
        }
        Ok(())
    }

    /// The track, once it is settled.
    pub(super) fn into_stream(
        self,
        input: &Input,
        number: TrackNumber,
        units: Vec<Unit>,
    ) -> Result<Stream, MediaError> {
        let track = match &self {
            Self::Nal(track) => track.track(number).map_err(|error| input.damaged(error))?,
            Self::AnnexB(track) | Self::Plain(track) => track.clone(),
        };
        Ok(Stream { track, form: self, units })
    }
}

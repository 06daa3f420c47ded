//! Converts the bytes of a frame in the file to the payload of a Matroska block.

use bytes::Bytes;
use kvs_mkv::codec::nal::{self, NalError};
use kvs_mkv::{Chunks, Track, TrackNumber};

use super::MediaError;
use super::input::Input;
use super::nal_track::NalTrack;
use super::timeline::{Stream, Unit};

/// The payload format of a track in its file.
#[derive(Debug)]
pub(super) enum PayloadFormat {
    /// H.264 and H.265 in a container.
    Nal(Box<NalTrack>),
    /// H.264 and H.265 with start codes.
    AnnexB(Track),
    /// Payloads that stay as they are.
    Plain(Track),
}

impl PayloadFormat {
    /// Returns the payload of one frame.
    pub(super) fn payload(&mut self, bytes: Bytes) -> Result<Chunks, NalError> {
        match self {
            Self::Nal(track) => track.payload(&bytes),
            Self::AnnexB(_) => nal::annex_b_to_length_prefixed(&bytes),
            Self::Plain(_) => Ok(Chunks::from(bytes)),
        }
    }

    /// Whether the parameter sets must still be found in the frames.
    pub(super) fn is_unsettled(&self) -> bool {
        matches!(self, Self::Nal(track) if !track.is_complete())
    }

    /// Reads frames until the parameter sets are complete.
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

    /// Returns the track with its frames.
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
        Ok(Stream { track, format: self, units })
    }
}

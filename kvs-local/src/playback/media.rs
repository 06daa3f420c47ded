//! A stored fragment as media for a player.

use std::time::Duration;

use kvs_media::__internal::{Run, Span, TrackSetup};
use kvs_mkv::{Frame, Track};

use super::error::{bad_frame, read_failed};
use super::tracks::{Format, Tracks};
use crate::api::ApiError;
use crate::ingest::NumberParts;
use crate::store::{FragmentRecord, Store};

/// The parsed media of a fragment.
#[derive(Debug)]
pub(super) struct FragmentMedia {
    pub(super) record: FragmentRecord,
    timecode: Duration,
    tracks: Vec<Track>,
    pub(super) frames: Vec<Frame>,
}

impl FragmentMedia {
    /// Reads a fragment. Blocks.
    pub(super) fn load(store: &Store, key: &str, parts: NumberParts) -> Result<Self, ApiError> {
        let fragment = store.load(key, &parts.number()).map_err(|error| read_failed(&error))?;
        let contents = fragment.contents().map_err(|error| {
            tracing::error!(%error, number = %fragment.info.number, "failed to parse a stored fragment");
            ApiError::internal()
        })?;
        let (tracks, frames) = (contents.tracks, contents.frames);
        Ok(Self { record: fragment.info, timecode: fragment.timecode, tracks, frames })
    }

    /// Returns the tracks that can be played.
    pub(super) fn tracks(&self, format: Format) -> Result<Tracks, ApiError> {
        Tracks::of(&self.tracks, format)
    }

    /// Returns the frames of a track as samples; the fragment starts at `start_ms` of the player's time.
    pub(super) fn run(&self, setup: &TrackSetup, start_ms: u64, length_ms: u64) -> Result<Run, ApiError> {
        let (start, length) = (Duration::from_millis(start_ms), Duration::from_millis(length_ms));
        let span = Span { timecode: self.timecode, start, length };
        Run::new(setup, self.frames.iter(), span).map_err(|error| bad_frame(self.record.number.as_str(), &error))
    }
}

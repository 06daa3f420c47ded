//! A stored fragment as media for a player.

use std::time::Duration;

use kvs_media::__internal::{Run, Span, TrackSetup};
use kvs_mkv::{Frame, Track};

use super::error::{bad_frame, read_failed};
use super::tracks::{Format, Tracks};
use crate::api::ApiError;
use crate::ingest::NumberParts;
use crate::store::{FragmentRecord, Store};

/// Returns what a fragment with these tracks and frames can be played as, or why as nothing.
pub(crate) fn playable_as(number: &str, tracks: &[Track], frames: &[Frame]) -> Result<Vec<&'static str>, ApiError> {
    let plays = |format| -> Result<(), ApiError> {
        for setup in Tracks::of(tracks, format)?.all() {
            Run::new(setup, frames.iter(), Span::default()).map_err(|error| bad_frame(number, &error))?;
        }
        Ok(())
    };
    let tried = [("HLS", Format::HlsMp4), ("DASH", Format::Dash), ("clip", Format::Clip)]
        .map(|(name, format)| (name, plays(format)));
    let names: Vec<_> = tried.iter().filter(|(_, played)| played.is_ok()).map(|(name, _)| *name).collect();
    match tried {
        [(_, Err(reason)), ..] if names.is_empty() => Err(reason),
        _ => Ok(names),
    }
}

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

#[cfg(test)]
mod tests {
    use kvs_mkv::{CodecId, TrackKind, TrackNumber};

    use super::*;

    fn track(number: TrackNumber, kind: TrackKind, codec: CodecId, private: &[u8]) -> Track {
        Track::new(number, kind, codec).with_codec_private(private.to_vec())
    }

    #[test]
    fn what_a_fragment_can_be_played_as_and_why_not() {
        const AVCC: &[u8] = b"\x01\x42\xc0\x0a\xff\xe1\0\x0d\x67\x42\xc0\x0a\xda\x0f\x0a\x69\xa8\x08\x08\x08\x10\x01\0\x04\x68\xce\x3c\x80";
        // PCM of 8 bits by the A-law at 8 kHz.
        const ALAW: &[u8] = b"\x06\0\x01\0\x40\x1f\0\0\x40\x1f\0\0\x01\0\x08\0\0\0";
        let (one, two) = (TrackNumber::ONE, TrackNumber::TWO);
        let h264 = |private: &[u8]| track(one, TrackKind::Video, CodecId::H264, private);
        let as_what = |tracks: &[Track], frame: &[u8]| {
            let frames = [Frame::new(one, Duration::ZERO, frame.to_vec())];
            playable_as("91", tracks, &frames).map_err(|error| error.message)
        };
        let slice = b"\0\0\0\x04\x65\x88\x84\x01";
        assert_eq!(as_what(&[h264(AVCC)], slice), Ok(vec!["HLS", "DASH", "clip"]));
        let with_alaw = [h264(AVCC), track(two, TrackKind::Audio, CodecId::ACM, ALAW)];
        assert_eq!(as_what(&with_alaw, slice), Ok(vec!["DASH", "clip"]));
        let aac = track(one, TrackKind::Audio, CodecId::AAC, &[0x12, 0x10]);
        assert_eq!(as_what(&[aac], b"sound"), Ok(vec!["HLS"]));
        let missing = as_what(&[h264(&[])], slice).unwrap_err();
        assert_eq!(missing, "Missing codec private data in fragment for track 1.");
        for (tracks, frame, reason) in [
            (vec![h264(b"\0\0\0\x01\x67")], &slice[..], "not valid"),
            // An avcC of the right form, with a parameter set that no decoder reads.
            (vec![h264(b"\x01\x42\0\x1e\xff\xe1\0\x02\x67\x42\x01\0\x01\x68")], slice, "not valid"),
            (vec![h264(AVCC)], b"\0\0\0\x01\x65\x88\x84\x01", "fragment 91: frame 0 of track 1"),
            (vec![track(one, TrackKind::Video, CodecId::from("V_MJPEG".to_owned()), b"x")], slice, "V_MJPEG"),
            (vec![], slice, "there is no track 1"),
        ] {
            let found = as_what(&tracks, frame).unwrap_err();
            assert!(found.contains(reason), "{reason}: {found}");
        }
    }
}

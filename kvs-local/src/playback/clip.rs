//! GetClip: the fragments of a range as one MP4 file.

use bytes::Bytes;
use kvs_media::__internal::{Run, WholeFile};
use kvs_mkv::Chunks;

use super::error::{changed_setup, changed_tracks, no_fragments, of_later_fragment};
use super::length::{distance_ms, frame_ms, own_ms};
use super::limits::{CLIP_BYTES, CLIP_FRAGMENTS, CLIP_FRAMES};
use super::media::FragmentMedia;
use super::tracks::{Format, Tracks};
use super::{Range, fragments_within, read_failed};
use crate::api::ApiError;
use crate::ingest::NumberParts;
use crate::store::{FragmentRecord, Store};

/// A file whose size is known, and the fragments it is read from.
#[derive(Debug)]
pub(crate) struct Clip {
    pub(crate) head: Bytes,
    /// Bytes of the whole file.
    pub(crate) len: u64,
    pub(crate) fragments: u64,
    parts: Vec<Part>,
    tracks: Tracks,
}

#[derive(Clone, Copy, Debug)]
struct Part {
    number: NumberParts,
    start_ms: u64,
    length_ms: u64,
    /// Bytes in the store.
    bytes: u64,
}

impl Clip {
    /// Collects the sample tables. Gaps between fragments are closed. Media is read and dropped again. Blocks.
    pub(crate) fn collect(store: &Store, key: &str, range: Range) -> Result<Self, ApiError> {
        let records = fragments_within(store, key, range, CLIP_FRAGMENTS).map_err(|error| read_failed(&error))?;
        let mut collected: Option<Collected> = None;
        let mut bytes = 0_u64;
        for (index, record) in records.iter().enumerate() {
            bytes = bytes.saturating_add(record.bytes);
            if bytes > CLIP_BYTES && index > 0 {
                break;
            }
            let Some(parts) = NumberParts::of(&record.number) else { continue };
            let media = FragmentMedia::load(store, key, parts)?;
            let next = records.get(index.saturating_add(1));
            let file = match collected.take() {
                Some(file) => file,
                None => Collected::new(&media, next)?,
            };
            let (file, is_full) = file.with(&media, parts, next)?;
            collected = Some(file);
            if is_full {
                break;
            }
        }
        let Collected { file, tracks, parts, .. } = collected.ok_or_else(|| no_fragments("clip"))?;
        let head = file.head();
        let len = file.media_len().saturating_add(head.len() as u64);
        Ok(Self { head, len, fragments: parts.len() as u64, parts, tracks })
    }

    /// Returns a reader of what follows the head.
    pub(crate) fn into_reader(self) -> ClipReader {
        ClipReader { parts: self.parts.into_iter(), tracks: self.tracks }
    }
}

struct Collected {
    file: WholeFile,
    tracks: Tracks,
    frame_ms: u64,
    parts: Vec<Part>,
    end_ms: u64,
}

impl Collected {
    fn new(first: &FragmentMedia, next: Option<&FragmentRecord>) -> Result<Self, ApiError> {
        let tracks = first.tracks(Format::Clip)?;
        let frame_ms = frame_ms(&first.frames, &first.record, next);
        let file = WholeFile::new(tracks.all().iter().cloned());
        Ok(Self { file, tracks, frame_ms, parts: Vec::new(), end_ms: 0 })
    }

    /// Adds a fragment and returns whether there is no room for more.
    fn with(
        mut self,
        media: &FragmentMedia,
        number: NumberParts,
        next: Option<&FragmentRecord>,
    ) -> Result<(Self, bool), ApiError> {
        check_same(&self.tracks, media, Format::Clip)?;
        let own = || own_ms(&media.frames, self.frame_ms);
        let length_ms = distance_ms(&media.record, next, self.frame_ms).unwrap_or_else(own);
        let part = Part { number, start_ms: self.end_ms, length_ms, bytes: media.record.bytes };
        for (index, run) in part.runs(&self.tracks, media)?.iter().enumerate() {
            self.file.push(index, run);
        }
        self.parts.push(part);
        self.end_ms = self.end_ms.saturating_add(length_ms);
        let is_full = self.file.samples() > CLIP_FRAMES;
        Ok((self, is_full))
    }
}

impl Part {
    fn runs(self, tracks: &Tracks, media: &FragmentMedia) -> Result<Vec<Run>, ApiError> {
        tracks.all().iter().map(|setup| media.run(setup, self.start_ms, self.length_ms)).collect()
    }
}

/// Refuses a fragment whose tracks are not exactly those of the first one.
pub(super) fn check_same(tracks: &Tracks, media: &FragmentMedia, format: Format) -> Result<(), ApiError> {
    let number = media.record.number.as_str();
    match media.tracks(format) {
        Ok(own) if own == *tracks => Ok(()),
        Ok(own) if own.is_alike(tracks) => Err(changed_setup(number)),
        Ok(_) => Err(changed_tracks(number)),
        Err(error) => Err(of_later_fragment(error, number)),
    }
}

/// Reads the media of a clip, fragment by fragment.
#[derive(Debug)]
pub(crate) struct ClipReader {
    parts: std::vec::IntoIter<Part>,
    tracks: Tracks,
}

impl ClipReader {
    /// Returns the bytes of the next fragment in the store, `None` at the end.
    pub(crate) fn next_bytes(&self) -> Option<u64> {
        self.parts.as_slice().first().map(|part| part.bytes)
    }

    /// Returns the payloads of the next fragment; empty at the end. Blocks.
    pub(crate) fn next(&mut self, store: &Store, key: &str) -> Result<Chunks, ApiError> {
        let Some(part) = self.parts.next() else { return Ok(Chunks::default()) };
        let media = FragmentMedia::load(store, key, part.number)?;
        let runs = part.runs(&self.tracks, &media)?;
        Ok(runs.into_iter().flat_map(|run| run.samples).flat_map(|sample| sample.data).collect())
    }
}

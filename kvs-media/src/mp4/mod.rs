//! MP4 and QuickTime files, also fragmented ones (ISO/IEC 14496-12).
//!
//! This reader compares every size and count with the file before it uses it. Crates that read MP4 trust the tables: a
//! truncated file makes some of them panic.

mod boxes;
mod codec;
mod fragments;
mod tables;
mod track;

use boxes::{Box, BoxError, HEADER_BYTES, Head, head};
use bytes::Bytes;
use fragments::Fragments;
use track::Mp4Track;

use super::input::Input;
use super::timeline::Stream;
use super::{MAX_SAMPLES, MediaError};

/// Offset, size and times of a frame, the times in ticks of its track.
#[derive(Clone, Copy, Debug)]
struct Entry {
    offset: u64,
    size: u32,
    dts: i64,
    composition: i32,
    keyframe: bool,
}

/// A fault in the structure of a file.
#[derive(Debug, thiserror::Error)]
enum Mp4Error {
    #[error(transparent)]
    Box(#[from] BoxError),
    #[error("the tables of track {track} contradict each other: {what}")]
    Tables { track: u32, what: &'static str },
    #[error("it declares more than {limit} frames")]
    TooManySamples { limit: usize },
}

/// Largest `moov` or `moof` box that is read: about ten million frames.
const MAX_INDEX_BYTES: u64 = 256 << 20;

pub(super) fn read(input: &Input) -> Result<Vec<Stream>, MediaError> {
    let found = find(input)?;
    let Some(movie) = found.movie else {
        return Err(input.truncated("it has no index ('moov' box), so it was not recorded or copied to the end"));
    };
    let payload = movie.load(input)?;
    let movie = movie.parse(&payload);
    let tracks = track::tracks(&movie).map_err(|error| input.damaged(error))?;
    streams(input, &movie, tracks, &found.fragments)
}

/// The boxes that describe the frames.
#[derive(Default)]
struct Found {
    movie: Option<Place>,
    fragments: Vec<Place>,
}

/// A box in the file.
#[derive(Clone, Copy)]
struct Place {
    at: u64,
    head: Head,
}

/// Walks the outermost boxes by their headers, without reading their contents.
fn find(input: &Input) -> Result<Found, MediaError> {
    let mut found = Found::default();
    let mut at = 0;
    while at < input.len {
        let first = input.read_up_to(at, HEADER_BYTES)?;
        match head(&first, at, input.len.saturating_sub(at)) {
            None => break,
            Some(Ok(head)) => {
                let place = Place { at, head };
                match &head.kind {
                    b"moov" => found.movie = found.movie.or(Some(place)),
                    b"moof" => found.fragments.push(place),
                    _ => {}
                }
                at = at.saturating_add(head.len);
            }
            // The offsets of the samples show later whether anything is missing.
            Some(Err(BoxError::Truncated { kind, .. })) if kind == *b"mdat" && found.movie.is_some() => break,
            Some(Err(error)) => return Err(cut_off(input, error, found.movie.is_some())),
        }
        if found.fragments.len() > MAX_SAMPLES {
            return Err(input.damaged(Mp4Error::TooManySamples { limit: MAX_SAMPLES }));
        }
    }
    Ok(found)
}

impl Place {
    fn load(self, input: &Input) -> Result<Bytes, MediaError> {
        let len = self.head.len.saturating_sub(self.head.header_len);
        if len > MAX_INDEX_BYTES {
            return Err(input.damaged(format!("its index has {len} bytes, more than {MAX_INDEX_BYTES}")));
        }
        input.read(self.at.saturating_add(self.head.header_len), len)
    }

    fn parse(self, payload: &Bytes) -> Box<'_> {
        Box { kind: self.head.kind, at: self.at, payload: payload.as_ref() }
    }
}

fn cut_off(input: &Input, error: BoxError, indexed: bool) -> MediaError {
    match error {
        BoxError::Truncated { kind, .. } if kind == *b"mdat" && !indexed => input.truncated(format!(
            "{error} and the index ('moov' box) that should follow is missing, so it was not recorded or copied to the end"
        )),
        _ => input.truncated(error),
    }
}

fn streams(
    input: &Input,
    movie: &Box<'_>,
    mut tracks: Vec<Mp4Track<'_>>,
    fragments: &[Place],
) -> Result<Vec<Stream>, MediaError> {
    let chosen = ["video", "audio"].into_iter().filter_map(|kind| {
        let index = tracks.iter().position(|track| track.kind == kind)?;
        Some(tracks.swap_remove(index))
    });
    let mut chosen: Vec<Mp4Track<'_>> = chosen.collect();
    // A frame has at least one byte, which bounds the number of frames by the size of the file.
    let limit = MAX_SAMPLES.min(usize::try_from(input.len).unwrap_or(usize::MAX));
    for track in &mut chosen {
        track.entries = tables::entries(track, limit).map_err(|error| input.damaged(error))?;
    }
    let mut reader = Fragments::new(movie, limit).map_err(|error| input.damaged(error))?;
    for fragment in fragments {
        let payload = fragment.load(input)?;
        reader.read(&fragment.parse(&payload), &mut chosen).map_err(|error| input.damaged(error))?;
    }
    chosen.into_iter().filter(|track| !track.entries.is_empty()).map(|track| track.into_stream(input)).collect()
}

//! MP4 and QuickTime files, fragmented ones too (ISO/IEC 14496-12).
//!
//! An own reader of what is needed here, with every size and count compared with the file before it is used: the crates
//! that read MP4 trust the tables and can be made to panic by a cut file.

mod boxes;
mod codec;
mod fragments;
mod tables;
mod track;

use boxes::{Box, BoxError, boxes};
use fragments::Fragments;
use track::Mp4Track;

use super::input::Input;
use super::timeline::Stream;
use super::{MAX_SAMPLES, MediaError};

/// Where a frame lies and when it is due, in ticks of its track.
#[derive(Clone, Copy, Debug)]
struct Entry {
    offset: u64,
    size: u32,
    dts: i64,
    composition: i32,
    keyframe: bool,
}

/// What can be wrong with the structure of a file.
#[derive(Debug, thiserror::Error)]
enum Mp4Error {
    #[error(transparent)]
    Box(#[from] BoxError),
    #[error("the tables of track {track} contradict each other: {what}")]
    Tables { track: u32, what: &'static str },
    #[error("it says it has more than {limit} frames")]
    TooManySamples { limit: usize },
}

pub(super) fn read(input: &Input) -> Result<Vec<Stream>, MediaError> {
    let mut movie = None;
    let mut fragments = Vec::new();
    for found in boxes(&input.data, 0) {
        match found {
            Ok(found) if found.kind == *b"moov" => movie = movie.or(Some(found)),
            Ok(found) if found.kind == *b"moof" => fragments.push(found),
            Ok(_) => {}
            // What the samples say about where they lie tells whether anything is missing.
            Err(BoxError::Truncated { kind, .. }) if kind == *b"mdat" && movie.is_some() => {}
            Err(error) => return Err(cut_off(input, error, movie.is_some())),
        }
    }
    let Some(movie) = movie else {
        return Err(input.truncated("it has no index ('moov' box), so recording or copying it did not end"));
    };
    let tracks = track::tracks(&movie).map_err(|error| input.damaged(error))?;
    streams(input, &movie, tracks, &fragments)
}

fn cut_off(input: &Input, error: BoxError, indexed: bool) -> MediaError {
    match error {
        BoxError::Truncated { kind, .. } if kind == *b"mdat" && !indexed => input.truncated(format!(
            "{error} and the index ('moov' box) that should follow is missing, so recording or copying it did not end"
        )),
        _ => input.truncated(error),
    }
}

fn streams(
    input: &Input,
    movie: &Box<'_>,
    mut tracks: Vec<Mp4Track<'_>>,
    fragments: &[Box<'_>],
) -> Result<Vec<Stream>, MediaError> {
    let chosen = ["video", "audio"].into_iter().filter_map(|kind| {
        let index = tracks.iter().position(|track| track.kind == kind)?;
        Some(tracks.swap_remove(index))
    });
    let mut chosen: Vec<Mp4Track<'_>> = chosen.collect();
    // A frame has a byte at least, so a small file cannot make us believe in millions of them.
    let limit = MAX_SAMPLES.min(input.data.len());
    for track in &mut chosen {
        track.entries = tables::entries(track, limit).map_err(|error| input.damaged(error))?;
    }
    Fragments::new(movie, limit)
        .and_then(|mut reader| fragments.iter().try_for_each(|fragment| reader.read(fragment, &mut chosen)))
        .map_err(|error| input.damaged(error))?;
    chosen.into_iter().filter(|track| !track.entries.is_empty()).map(|track| track.into_stream(input)).collect()
}

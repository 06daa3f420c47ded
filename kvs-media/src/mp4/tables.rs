//! The sample tables of a movie that is not fragmented (§8.5 to §8.7), joined into one list of frames.

use super::boxes::{Box, BoxError};
use super::track::{Mp4Track, required};
use super::{Entry, Mp4Error};

/// Returns all frames of a track by its sample tables; none if the frames are in movie fragments.
pub(super) fn entries(track: &Mp4Track<'_>, limit: usize) -> Result<Vec<Entry>, Mp4Error> {
    let sizes = sizes(&track.table)?;
    let count = sizes.count();
    if count == 0 {
        return Ok(Vec::new());
    }
    if count > limit {
        return Err(Mp4Error::TooManySamples { limit });
    }
    let mut entries = offsets(track, sizes)?;
    time(track, &mut entries)?;
    compose(track, &mut entries)?;
    mark_keyframes(track, &mut entries)?;
    Ok(entries)
}

/// The sizes of all samples: one for all, or one for each.
#[derive(Clone, Copy)]
enum Sizes<'a> {
    Same { size: u32, count: usize },
    Each(&'a [[u8; 4]]),
}

impl Sizes<'_> {
    const fn count(&self) -> usize {
        match self {
            Self::Same { count, .. } => *count,
            Self::Each(sizes) => sizes.len(),
        }
    }

    fn of(&self, index: usize) -> Option<u32> {
        match self {
            Self::Same { size, count } => (index < *count).then_some(*size),
            Self::Each(sizes) => sizes.get(index).map(|size| u32::from_be_bytes(*size)),
        }
    }
}

fn sizes<'a>(table: &Box<'a>) -> Result<Sizes<'a>, BoxError> {
    let mut fields = required(table, b"stsz")?.fields();
    fields.version_and_flags()?;
    match fields.u32()? {
        0 => fields.table().map(Sizes::Each),
        size => Ok(Sizes::Same { size, count: usize::try_from(fields.u32()?).unwrap_or(usize::MAX) }),
    }
}

/// The offset of each sample: chunks by `stco` or `co64`, samples of a chunk by `stsc`.
fn offsets(track: &Mp4Track<'_>, sizes: Sizes<'_>) -> Result<Vec<Entry>, Mp4Error> {
    let chunks = chunk_offsets(track)?;
    let mut runs = runs(track)?.into_iter().peekable();
    let mut per_chunk = 0;
    let mut entries = Vec::with_capacity(sizes.count());
    for (index, mut offset) in chunks.into_iter().enumerate() {
        while let Some((_, samples)) = runs.next_if(|(first, _)| *first <= index) {
            per_chunk = samples;
        }
        for _ in 0..per_chunk {
            let Some(size) = sizes.of(entries.len()) else { return Ok(entries) };
            entries.push(Entry { offset, size, dts: 0, composition: 0, keyframe: true });
            offset = offset.saturating_add(size.into());
        }
    }
    if entries.len() < sizes.count() {
        return Err(track.contradiction("there are more frame sizes than frames in chunks"));
    }
    Ok(entries)
}

fn chunk_offsets(track: &Mp4Track<'_>) -> Result<Vec<u64>, Mp4Error> {
    if let Some(table) = track.table.child(b"stco")? {
        let mut fields = table.fields();
        fields.version_and_flags()?;
        return Ok(fields.table::<4>()?.iter().map(|offset| u32::from_be_bytes(*offset).into()).collect());
    }
    let mut fields = required(&track.table, b"co64")?.fields();
    fields.version_and_flags()?;
    Ok(fields.table::<8>()?.iter().map(|offset| u64::from_be_bytes(*offset)).collect())
}

/// First chunk (from 0) and samples per chunk of each run of chunks.
fn runs(track: &Mp4Track<'_>) -> Result<Vec<(usize, u32)>, Mp4Error> {
    let mut fields = required(&track.table, b"stsc")?.fields();
    fields.version_and_flags()?;
    let runs: Vec<_> = fields.table::<12>()?.iter().map(run).collect();
    if runs.iter().any(|(_, _, description)| *description != 1) {
        return Err(track.contradiction("it changes its sample description, which is not supported"));
    }
    if !runs.is_sorted_by(|one, next| one.0 < next.0) {
        return Err(track.contradiction("the runs of chunks are not in order"));
    }
    Ok(runs.into_iter().map(|(first, samples, _)| (first.saturating_sub(1), samples)).collect())
}

fn run(entry: &[u8; 12]) -> (usize, u32, u32) {
    let [first, samples, description] = words(entry);
    (usize::try_from(first).unwrap_or(usize::MAX), samples, description)
}

/// The 32-bit words of a table entry.
fn words<const BYTES: usize, const WORDS: usize>(entry: &[u8; BYTES]) -> [u32; WORDS] {
    let mut words = entry.as_chunks::<4>().0.iter().map(|word| u32::from_be_bytes(*word));
    std::array::from_fn(|_| words.next().unwrap_or(0))
}

/// Sets decoding times by `stts`. Where the table covers too few samples its last step continues, as in players.
fn time(track: &Mp4Track<'_>, entries: &mut [Entry]) -> Result<(), Mp4Error> {
    let mut fields = required(&track.table, b"stts")?.fields();
    fields.version_and_flags()?;
    let mut runs = fields.table::<8>()?.iter().map(words);
    let (mut left, mut step, mut now) = (0, 0, 0i64);
    for entry in entries {
        while left == 0 {
            match runs.next() {
                Some([count, delta]) => (left, step) = (count, i64::from(delta.cast_signed())),
                None => left = u32::MAX,
            }
        }
        entry.dts = now;
        left -= 1;
        now = now.saturating_add(step.max(0));
    }
    Ok(())
}

/// Sets composition offsets by `ctts`. They are signed also in version 0, as some writers use them so.
fn compose(track: &Mp4Track<'_>, entries: &mut [Entry]) -> Result<(), Mp4Error> {
    let Some(table) = track.table.child(b"ctts")? else { return Ok(()) };
    let mut fields = table.fields();
    fields.version_and_flags()?;
    let mut runs = fields.table::<8>()?.iter().map(words);
    let (mut left, mut offset) = (0, 0);
    for entry in entries {
        while left == 0 {
            let Some([count, next]) = runs.next() else { return Ok(()) };
            (left, offset) = (count, next.cast_signed());
        }
        entry.composition = offset;
        left -= 1;
    }
    Ok(())
}

/// Marks key frames by `stss`; without that table every frame is one.
fn mark_keyframes(track: &Mp4Track<'_>, entries: &mut [Entry]) -> Result<(), Mp4Error> {
    let Some(table) = track.table.child(b"stss")? else { return Ok(()) };
    let mut fields = table.fields();
    fields.version_and_flags()?;
    let numbers = fields.table::<4>()?;
    for entry in entries.iter_mut() {
        entry.keyframe = false;
    }
    for number in numbers {
        let index = usize::try_from(u32::from_be_bytes(*number)).ok().and_then(|number| number.checked_sub(1));
        if let Some(entry) = index.and_then(|index| entries.get_mut(index)) {
            entry.keyframe = true;
        }
    }
    Ok(())
}

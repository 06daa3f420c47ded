//! The sample tables of a movie that is not fragmented (§8.5 to §8.7), joined into one list of frames.

use super::sound::G711;
use super::track::{Mp4Track, required};
use super::{Entry, Mp4Error};

/// Returns all frames of a track by its sample tables, and the decoding time behind the last; none if the frames are in movie
/// fragments.
pub(super) fn entries(track: &Mp4Track<'_>, limit: usize) -> Result<(Vec<Entry>, i64), Mp4Error> {
    let sizes = sizes(track)?;
    let count = sizes.count();
    if count == 0 {
        return Ok((Vec::new(), 0));
    }
    if let (Some(sound), Sizes::Same { size, .. }) = (g711(track), sizes)
        && size <= sound.channels.into()
    {
        return grouped(track, count, sound, limit);
    }
    if count > limit {
        return Err(Mp4Error::TooManySamples { limit });
    }
    let mut entries = offsets(track, sizes)?;
    let end = time(track, &mut entries)?;
    compose(track, &mut entries)?;
    mark_keyframes(track, &mut entries)?;
    Ok((entries, end))
}

/// The sizes of all samples: one for all, or one for each.
#[derive(Clone, Copy)]
enum Sizes<'a> {
    Same {
        size: u32,
        count: usize,
    },
    Each(&'a [[u8; 4]]),
    /// `stz2`: entries of 4, 8 or 16 bits.
    Compact {
        bits: u8,
        entries: &'a [u8],
        count: usize,
    },
}

impl Sizes<'_> {
    const fn count(&self) -> usize {
        match self {
            Self::Same { count, .. } | Self::Compact { count, .. } => *count,
            Self::Each(sizes) => sizes.len(),
        }
    }

    fn of(&self, index: usize) -> Option<u32> {
        match self {
            Self::Same { size, count } => (index < *count).then_some(*size),
            Self::Each(sizes) => sizes.get(index).map(|size| u32::from_be_bytes(*size)),
            Self::Compact { count, .. } if index >= *count => None,
            Self::Compact { bits: 4, entries, .. } => {
                let pair = *entries.get(index / 2)?;
                Some(u32::from(if index.is_multiple_of(2) { pair >> 4 } else { pair & 0xf }))
            }
            Self::Compact { bits: 8, entries, .. } => entries.get(index).map(|&size| size.into()),
            Self::Compact { entries, .. } => {
                entries.as_chunks().0.get(index).map(|size| u16::from_be_bytes(*size).into())
            }
        }
    }
}

fn sizes<'a>(track: &Mp4Track<'a>) -> Result<Sizes<'a>, Mp4Error> {
    let Some(table) = track.table.child(b"stsz")? else { return compact_sizes(track) };
    let mut fields = table.fields();
    fields.version_and_flags()?;
    match fields.u32()? {
        0 => Ok(fields.table().map(Sizes::Each)?),
        size => Ok(Sizes::Same { size, count: usize::try_from(fields.u32()?).unwrap_or(usize::MAX) }),
    }
}

/// Sizes in fewer bits (§8.7.3.3).
fn compact_sizes<'a>(track: &Mp4Track<'a>) -> Result<Sizes<'a>, Mp4Error> {
    let table = required(&track.table, b"stz2")?;
    let mut fields = table.fields();
    fields.version_and_flags()?;
    let [_, _, _, bits] = fields.u32()?.to_be_bytes();
    let count = usize::try_from(fields.u32()?).unwrap_or(usize::MAX);
    if ![4, 8, 16].contains(&bits) {
        return Err(track.contradiction("compact frame sizes have 4, 8 or 16 bits, these have another number"));
    }
    let entries = fields.rest();
    if count.saturating_mul(bits.into()).div_ceil(8) > entries.len() {
        return Err(table.short().into());
    }
    Ok(Sizes::Compact { bits, entries, count })
}

/// G.711, if the track has that.
fn g711(track: &Mp4Track<'_>) -> Option<G711> {
    // A description that cannot be read is refused when the track is chosen.
    G711::read(&track.first_description()?).ok().flatten()
}

/// The frames of a track whose samples are a byte per channel. Those of a chunk follow each other.
fn grouped(track: &Mp4Track<'_>, count: usize, sound: G711, limit: usize) -> Result<(Vec<Entry>, i64), Mp4Error> {
    let (mut clock, mut entries, mut left) = (Clock::new(track)?, Vec::new(), count);
    for Chunk { mut offset, samples, description } in chunks(track)? {
        let mut in_chunk = samples.min(u32::try_from(left).unwrap_or(u32::MAX));
        left = left.saturating_sub(usize::try_from(in_chunk).unwrap_or(usize::MAX));
        while in_chunk > 0 {
            if entries.len() >= limit {
                return Err(Mp4Error::TooManySamples { limit });
            }
            let samples = in_chunk.min(sound.frame_samples());
            let size = samples.saturating_mul(sound.channels.into());
            let dts = clock.advance(samples);
            entries.push(Entry { offset, size, dts, composition: 0, keyframe: true, description });
            offset = offset.saturating_add(size.into());
            in_chunk -= samples;
        }
    }
    if left > 0 {
        return Err(track.contradiction("there are more frame sizes than frames in chunks"));
    }
    Ok((entries, clock.now))
}

/// The offset of each sample.
fn offsets(track: &Mp4Track<'_>, sizes: Sizes<'_>) -> Result<Vec<Entry>, Mp4Error> {
    let mut entries = Vec::with_capacity(sizes.count());
    for Chunk { mut offset, samples, description } in chunks(track)? {
        for _ in 0..samples {
            let Some(size) = sizes.of(entries.len()) else { return Ok(entries) };
            entries.push(Entry { offset, size, dts: 0, composition: 0, keyframe: true, description });
            offset = offset.saturating_add(size.into());
        }
    }
    if entries.len() < sizes.count() {
        return Err(track.contradiction("there are more frame sizes than frames in chunks"));
    }
    Ok(entries)
}

/// Consecutive samples.
struct Chunk {
    offset: u64,
    samples: u32,
    description: u32,
}

/// The chunks by `stco` or `co64`, with the number of their samples by `stsc`.
fn chunks(track: &Mp4Track<'_>) -> Result<impl Iterator<Item = Chunk>, Mp4Error> {
    let mut runs = runs(track)?.into_iter().peekable();
    let (mut samples, mut description) = (0, 1);
    Ok(chunk_offsets(track)?.into_iter().enumerate().map(move |(index, offset)| {
        while let Some((_, next, described)) = runs.next_if(|(first, _, _)| *first <= index) {
            (samples, description) = (next, described);
        }
        Chunk { offset, samples, description }
    }))
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

/// First chunk (from 0), samples per chunk and number of the sample description of each run of chunks.
fn runs(track: &Mp4Track<'_>) -> Result<Vec<(usize, u32, u32)>, Mp4Error> {
    let mut fields = required(&track.table, b"stsc")?.fields();
    fields.version_and_flags()?;
    let runs: Vec<_> = fields.table::<12>()?.iter().map(run).collect();
    if !runs.is_sorted_by(|one, next| one.0 < next.0) {
        return Err(track.contradiction("the runs of chunks are not in order"));
    }
    Ok(runs)
}

fn run(entry: &[u8; 12]) -> (usize, u32, u32) {
    let [first, samples, description] = words(entry);
    (usize::try_from(first).unwrap_or(usize::MAX).saturating_sub(1), samples, description)
}

/// The 32-bit words of a table entry.
fn words<const BYTES: usize, const WORDS: usize>(entry: &[u8; BYTES]) -> [u32; WORDS] {
    let mut words = entry.as_chunks::<4>().0.iter().map(|word| u32::from_be_bytes(*word));
    std::array::from_fn(|_| words.next().unwrap_or(0))
}

/// Sets decoding times by `stts`, and returns the time behind the last sample.
fn time(track: &Mp4Track<'_>, entries: &mut [Entry]) -> Result<i64, Mp4Error> {
    let mut clock = Clock::new(track)?;
    for entry in entries {
        entry.dts = clock.advance(1);
    }
    Ok(clock.now)
}

/// Decoding times by `stts`. Where the table covers too few samples its last step continues, as in players.
struct Clock<'a> {
    runs: std::slice::Iter<'a, [u8; 8]>,
    steps: Steps,
    /// Samples that are left of the current run, and the time of each.
    left: u32,
    step: i64,
    now: i64,
}

impl<'a> Clock<'a> {
    fn new(track: &Mp4Track<'a>) -> Result<Self, Mp4Error> {
        let mut fields = required(&track.table, b"stts")?.fields();
        fields.version_and_flags()?;
        let runs = fields.table::<8>()?.iter();
        Ok(Self { runs, steps: Steps::default(), left: 0, step: 0, now: 0 })
    }

    /// Returns the time of the next sample, and goes on by so many samples.
    fn advance(&mut self, mut samples: u32) -> i64 {
        let start = self.now;
        while samples > 0 {
            while self.left == 0 {
                match self.runs.next().map(words) {
                    Some([count, delta]) => {
                        (self.left, self.step) = (count, self.steps.next(count, delta.cast_signed()));
                    }
                    None => self.left = u32::MAX,
                }
            }
            let part = samples.min(self.left);
            (samples, self.left) = (samples - part, self.left - part);
            self.now = self.now.saturating_add(self.step.saturating_mul(part.into()));
        }
        start
    }
}

/// Makes time steps positive: some writers correct a time that ran ahead with a negative step, which would turn decoding
/// times back. Such samples take one tick each, and the next runs are shortened until the times agree again, as in ffmpeg.
#[derive(Default)]
struct Steps {
    /// Time as stated, and as returned.
    stated: i64,
    returned: i64,
}

impl Steps {
    /// The step of each of `count` samples.
    fn next(&mut self, count: u32, delta: i32) -> i64 {
        let (count, delta) = (i64::from(count), i64::from(delta));
        let step = delta.max(1);
        let step = if delta == 0 { 0 } else { step };
        self.stated = self.stated.saturating_add(delta.saturating_mul(count));
        let ahead = self.returned.saturating_add(step.saturating_mul(count)).saturating_sub(self.stated);
        // At least one tick is left: no two samples have the same time.
        let shorter = if ahead > 0 { (ahead / count.max(1)).min(step.saturating_sub(1).max(0)) } else { 0 };
        let step = step.saturating_sub(shorter);
        self.returned = self.returned.saturating_add(step.saturating_mul(count));
        step
    }
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

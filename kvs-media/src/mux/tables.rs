//! The sample tables of one track of a whole file (ISO/IEC 14496-12 §8.6 and §8.7).

use super::boxes::BoxWriter;
use super::codec::TrackSetup;
use super::movie::{Edit, MOVIE_TIMESCALE, Times};
use super::run::Run;

/// What is known about the samples of one track. Memory: 16 bytes per sample.
#[derive(Clone, Debug, Default)]
pub(super) struct Tables {
    samples: Vec<Row>,
    chunks: Vec<Chunk>,
    /// Time of the first sample.
    begin: Option<u64>,
    /// Sum of the durations.
    duration: u64,
}

#[derive(Clone, Copy, Debug)]
struct Row {
    size: u32,
    duration: u32,
    offset: i32,
    sync: bool,
}

/// Consecutive samples in the file.
#[derive(Clone, Copy, Debug)]
struct Chunk {
    /// Offset from the start of the media.
    at: u64,
    samples: u32,
}

impl Tables {
    /// Adds the samples of a run, which lie at an offset from the start of the media.
    ///
    /// A file has no gaps: the sample before a gap lasts until its end, and the one before an overlap ends earlier.
    pub(super) fn push(&mut self, run: &Run, at: u64) {
        if run.samples.is_empty() {
            return;
        }
        let begin = *self.begin.get_or_insert(run.start);
        let end = begin.saturating_add(self.duration);
        if let Some(last) = self.samples.last_mut() {
            let wanted = i128::from(last.duration) + i128::from(run.start) - i128::from(end);
            let duration = u32::try_from(wanted.max(0)).unwrap_or(u32::MAX);
            self.duration = self.duration.saturating_sub(last.duration.into()).saturating_add(duration.into());
            last.duration = duration;
        }
        self.samples.extend(run.samples.iter().map(|sample| Row {
            size: u32::try_from(sample.data.len()).unwrap_or(u32::MAX),
            duration: sample.duration,
            offset: sample.offset,
            sync: sample.sync,
        }));
        let sum: u64 = run.samples.iter().map(|sample| u64::from(sample.duration)).sum();
        self.duration = self.duration.saturating_add(sum);
        self.chunks.push(Chunk { at, samples: u32::try_from(run.samples.len()).unwrap_or(u32::MAX) });
    }

    pub(super) const fn len(&self) -> usize {
        self.samples.len()
    }

    pub(super) fn times(&self, setup: &TrackSetup) -> Times {
        let ms = |ticks: u64| {
            let ms = u128::from(ticks) * u128::from(MOVIE_TIMESCALE) / u128::from(setup.timescale.max(1));
            u64::try_from(ms).unwrap_or(u64::MAX)
        };
        let delay_ms = ms(self.begin.unwrap_or(0));
        let skipped = self.skipped();
        let edit = (delay_ms > 0 || skipped > 0).then_some(Edit { delay_ms, skipped });
        Times { media: self.duration, movie: delay_ms.saturating_add(ms(self.duration)), edit }
    }

    /// Returns by how much presentation times are moved so that none is before its decoding time. The edit list takes it back.
    fn skipped(&self) -> u64 {
        let least = self.samples.iter().map(|sample| sample.offset).min().unwrap_or(0);
        u64::from(least.min(0).unsigned_abs())
    }

    /// Writes the tables; the media starts at `media` in the file.
    pub(super) fn write(&self, out: &mut BoxWriter, setup: &TrackSetup, media: u64) {
        out.full(b"stts", 0, 0, |out| runs(out, self.samples.iter().map(|sample| sample.duration)));
        if setup.is_video() {
            let shift = i64::try_from(self.skipped()).unwrap_or(0);
            let offset = |sample: &Row| u32::try_from(i64::from(sample.offset).saturating_add(shift)).unwrap_or(0);
            if self.samples.iter().any(|sample| sample.offset != 0) {
                out.full(b"ctts", 0, 0, |out| runs(out, self.samples.iter().map(offset)));
            }
            self.write_sync(out);
        }
        self.write_chunks(out, media);
        out.full(b"stsz", 0, 0, |out| {
            out.u32(0);
            out.u32(count(self.samples.len()));
            self.samples.iter().for_each(|sample| out.u32(sample.size));
        });
    }

    fn write_sync(&self, out: &mut BoxWriter) {
        let sync = self.samples.iter().zip(1_u32..).filter(|(sample, _)| sample.sync).map(|(_, number)| number);
        out.full(b"stss", 0, 0, |out| {
            out.u32(count(sync.clone().count()));
            sync.for_each(|number| out.u32(number));
        });
    }

    fn write_chunks(&self, out: &mut BoxWriter, media: u64) {
        out.full(b"stsc", 0, 0, |out| {
            let at = out.len();
            out.u32(0);
            let (mut entries, mut before) = (0_u32, None);
            for (chunk, number) in self.chunks.iter().zip(1_u32..) {
                if before != Some(chunk.samples) {
                    out.u32(number);
                    out.u32(chunk.samples);
                    out.u32(1);
                    entries = entries.saturating_add(1);
                    before = Some(chunk.samples);
                }
            }
            out.patch(at, entries);
        });
        // The size of the tables must not depend on the offsets: files of more than 4 GiB are not usual, and eight bytes are few.
        out.full(b"co64", 0, 0, |out| {
            out.u32(count(self.chunks.len()));
            self.chunks.iter().for_each(|chunk| out.u64(media.saturating_add(chunk.at)));
        });
    }
}

/// Writes a table of values with the number of times that each repeats.
fn runs(out: &mut BoxWriter, values: impl Iterator<Item = u32>) {
    let at = out.len();
    out.u32(0);
    let (mut entries, mut current) = (0_u32, None::<(u32, u32)>);
    for value in values {
        current = match current {
            Some((repeats, same)) if same == value => Some((repeats.saturating_add(1), same)),
            other => {
                if let Some((repeats, value)) = other {
                    out.u32(repeats);
                    out.u32(value);
                    entries = entries.saturating_add(1);
                }
                Some((1, value))
            }
        };
    }
    if let Some((repeats, value)) = current {
        out.u32(repeats);
        out.u32(value);
        entries = entries.saturating_add(1);
    }
    out.patch(at, entries);
}

fn count(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

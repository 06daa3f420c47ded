//! Edit lists (ISO/IEC 14496-12 §8.6.6): which part of the media of a track is shown, and when.
//!
//! A recording from a phone or an editor delays a track, cuts its start or end, or leaves out its middle. All of that is
//! followed. What a stream of coded pictures cannot express is refused: another speed, and a cut in the middle that does not
//! start at a key frame.

use super::boxes::{Box, BoxError};
use super::{Entry, Mp4Error};
use crate::MAX_SAMPLES;

/// The edits of one track in order.
#[derive(Clone, Debug, Default)]
pub(super) struct EditList {
    edits: Vec<Edit>,
    /// Ticks per second of the durations.
    movie_timescale: u32,
}

/// One edit. Its duration is in ticks of the movie; 0 as the last one means: to the end of the media.
#[derive(Clone, Copy, Debug)]
struct Edit {
    duration: u64,
    /// First media time that is shown; `None` for an empty edit, during which nothing is.
    start: Option<i64>,
    /// Speed in 1/65536.
    rate: u32,
}

/// Most edits of a track. Editing programs write a few; more would only cost time.
const MAX_EDITS: usize = 10_000;
/// Most samples that the edits of a track search together: some seconds of work.
const SEARCHED_SAMPLES: usize = 1_000_000_000;
const NORMAL_RATE: u32 = 0x0001_0000;

/// The samples that an edit shows, with what must be added to their media times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// Indexes of the samples.
    pub(super) from: usize,
    pub(super) to: usize,
    /// Start of the edit on the timeline of the movie, in ticks of the movie.
    pub(super) movie_start: i64,
    /// The media time that is shown then.
    pub(super) media_start: i64,
}

/// The result of following an edit list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Parts {
    pub(super) parts: Vec<Part>,
    /// Samples before the first shown one that are needed to decode it.
    pub(super) before: usize,
}

impl EditList {
    pub(super) fn read(edits: Option<Box<'_>>, movie_timescale: u32) -> Result<Self, Mp4Error> {
        let mut list = Self { edits: Vec::new(), movie_timescale };
        let Some(table) = edits.map(|edits| edits.child(b"elst")).transpose()?.flatten() else { return Ok(list) };
        let mut fields = table.fields();
        let (version, _) = fields.version_and_flags()?;
        let count = usize::try_from(fields.u32()?).unwrap_or(usize::MAX);
        if count > MAX_EDITS {
            return Err(Mp4Error::TooManyEdits { count, limit: MAX_EDITS });
        }
        for _ in 0..count {
            list.edits.push(Edit::read(&mut fields, version)?);
        }
        Ok(list)
    }

    pub(super) const fn movie_timescale(&self) -> u32 {
        self.movie_timescale
    }

    /// Returns the samples that are shown, given in decoding order with their composition times in ticks of the media.
    pub(super) fn follow(&self, samples: &Samples<'_>) -> Result<Parts, EditError> {
        let media_edits = self.edits.iter().filter(|edit| edit.start.is_some()).count();
        if media_edits == 0 {
            // Without a list, or with only a delay, the whole media is shown.
            let whole = Part { from: 0, to: samples.entries.len(), movie_start: self.delay(), media_start: 0 };
            return Ok(Parts { parts: vec![whole], before: 0 });
        }
        // Each edit searches all samples, and may show all of them again.
        if media_edits.saturating_mul(samples.entries.len()) > SEARCHED_SAMPLES {
            return Err(EditError::TooLong { limit: MAX_SAMPLES });
        }
        let (mut parts, mut now, mut seen, mut total) = (Parts::default(), 0i64, 0usize, 0usize);
        for (number, edit) in self.edits.iter().enumerate() {
            if let Some(media_start) = edit.start {
                if edit.rate != NORMAL_RATE {
                    return Err(EditError::Rate { edit: number + 1, rate: edit.rate });
                }
                seen += 1;
                let place = Place { first: seen == 1, last: seen == media_edits };
                let range =
                    samples.shown(media_start, self.end(edit, media_start, samples.timescale, place.last), place);
                if let Some(shown) = range {
                    if samples.is_video && !shown.is_exact(place) {
                        return Err(EditError::NotAtKeyFrame {
                            edit: number + 1,
                            media_start,
                            timescale: samples.timescale,
                        });
                    }
                    if place.first {
                        parts.before = shown.before;
                    }
                    total = total.saturating_add(shown.to.saturating_sub(shown.from));
                    if total > MAX_SAMPLES {
                        return Err(EditError::TooLong { limit: MAX_SAMPLES });
                    }
                    parts.parts.push(Part { from: shown.from, to: shown.to, movie_start: now, media_start });
                }
            }
            now = now.saturating_add_unsigned(edit.duration);
        }
        Ok(parts)
    }

    /// How the list moves all samples, if it has at most one edit that shows some. Its end is not known here.
    pub(super) fn shift(&self) -> Option<Part> {
        let mut delay = 0i64;
        for (index, edit) in self.edits.iter().enumerate() {
            match edit.start {
                None => delay = delay.saturating_add_unsigned(edit.duration),
                Some(media_start) => {
                    let is_last = index.saturating_add(1) == self.edits.len();
                    let part = Part { from: 0, to: 0, movie_start: delay, media_start };
                    return (is_last && edit.rate == NORMAL_RATE).then_some(part);
                }
            }
        }
        Some(Part { from: 0, to: 0, movie_start: delay, media_start: 0 })
    }

    /// Total of the empty edits, in ticks of the movie.
    fn delay(&self) -> i64 {
        self.edits.iter().fold(0, |delay, edit| delay.saturating_add_unsigned(edit.duration))
    }

    /// The media time at which an edit ends; `i64::MAX` if it has no end.
    fn end(&self, edit: &Edit, media_start: i64, timescale: u32, last: bool) -> i64 {
        // A fragmented file is written before its duration is known, and has 0.
        if edit.duration == 0 && last {
            return i64::MAX;
        }
        let (duration, movie) = (i128::from(edit.duration), i128::from(self.movie_timescale.max(1)));
        // Rounded up: the movie's ticks are usually coarser than those of the media.
        let ticks = duration.saturating_mul(timescale.into()).saturating_add(movie - 1).div_euclid(movie);
        i64::try_from(i128::from(media_start).saturating_add(ticks)).unwrap_or(i64::MAX)
    }
}

impl Edit {
    fn read(fields: &mut super::boxes::Fields<'_>, version: u8) -> Result<Self, BoxError> {
        let duration = fields.sized(version)?;
        let start = if version == 0 { i64::from(fields.i32()?) } else { fields.u64()?.cast_signed() };
        Ok(Self { duration, start: (start >= 0).then_some(start), rate: fields.u32()? })
    }
}

/// Why an edit list cannot be followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum EditError {
    #[error("edit {edit} plays at {:.2} times the speed, which a stream cannot express", f64::from(*rate) / 65536.0)]
    Rate { edit: usize, rate: u32 },
    #[error(
        "edit {edit} (media time {:.3} s) does not start and end at key frames, so its pictures cannot be decoded alone",
        *media_start as f64 / f64::from(*timescale)
    )]
    NotAtKeyFrame { edit: usize, media_start: i64, timescale: u32 },
    #[error("the edit list shows more than {limit} samples, or has too many edits for its samples")]
    TooLong { limit: usize },
}

/// Samples of one track in decoding order.
pub(super) struct Samples<'a> {
    pub(super) entries: &'a [Entry],
    pub(super) timescale: u32,
    pub(super) is_video: bool,
}

/// Position of an edit among those that show media.
#[derive(Clone, Copy)]
struct Place {
    first: bool,
    last: bool,
}

/// Samples of an edit: `from..to`, of which some come before its start or after its end.
struct Shown {
    from: usize,
    to: usize,
    before: usize,
    behind: usize,
}

impl Shown {
    /// Whether nothing is returned that another edit would have to hide.
    const fn is_exact(&self, place: Place) -> bool {
        (place.first || self.before == 0) && (place.last || self.behind == 0)
    }
}

impl Samples<'_> {
    fn composed(&self, index: usize) -> Option<i64> {
        self.entries.get(index).map(Entry::composed)
    }

    /// The samples that must be decoded to show the media times `start..end`.
    fn shown(&self, start: i64, end: i64, place: Place) -> Option<Shown> {
        if self.is_video { self.shown_video(start, end) } else { self.shown_audio(start, end, place) }
    }

    fn shown_video(&self, start: i64, end: i64) -> Option<Shown> {
        let inside = |entry: &Entry| (start..end).contains(&entry.composed());
        let first = self.entries.iter().position(inside)?;
        let to = self.entries.iter().rposition(inside)?.saturating_add(1);
        let until_first = self.entries.get(..=first)?;
        // Pictures of an open group are shown before its key frame: they need the key frame before.
        let earlier = until_first.iter().rposition(|entry| entry.keyframe && entry.composed() <= start);
        let from = earlier.or_else(|| until_first.iter().rposition(|entry| entry.keyframe)).unwrap_or(0);
        let kept = self.entries.get(from..to)?;
        let before = kept.iter().filter(|entry| entry.composed() < start).count();
        let behind = kept.iter().filter(|entry| entry.composed() >= end).count();
        Some(Shown { from, to, before, behind })
    }

    /// Where two edits meet, a frame belongs to the edit that contains its middle.
    fn shown_audio(&self, start: i64, end: i64, place: Place) -> Option<Shown> {
        let length = |index: usize| match (self.composed(index), self.composed(index.saturating_add(1))) {
            (Some(this), Some(next)) if next > this => next.saturating_sub(this),
            _ => 1,
        };
        let begins = |index: usize, composed: i64| {
            let share = if place.first { length(index) - 1 } else { length(index) / 2 };
            composed.saturating_add(share) >= start
        };
        let ends = |index: usize, composed: i64| {
            let share = if place.last { 0 } else { length(index) / 2 };
            composed.saturating_add(share) < end
        };
        let indexed = || self.entries.iter().map(Entry::composed).enumerate();
        let (mut from, _) = indexed().find(|(index, composed)| begins(*index, *composed))?;
        let (last, _) = indexed().rev().find(|(index, composed)| ends(*index, *composed))?;
        if last < from {
            return None;
        }
        // A frame of AAC needs the one before it; encoders put their priming there.
        let before = usize::from(place.first && from > 0);
        from = from.saturating_sub(before);
        Some(Shown { from, to: last.saturating_add(1), before, behind: 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A picture of 10 ticks.
    fn entry(index: i64, shown: i64, keyframe: bool) -> Entry {
        let composition = i32::try_from((shown - index) * 10).unwrap();
        Entry { offset: 0, size: 1, dts: index * 10, composition, keyframe, description: 1 }
    }

    /// Groups of five pictures, each I P B B P, in decoding order.
    fn video() -> Vec<Entry> {
        let order = [0, 3, 1, 2, 4];
        (0..15).map(|n| entry(n, n / 5 * 5 + order[usize::try_from(n % 5).unwrap()], n % 5 == 0)).collect()
    }

    fn audio() -> Vec<Entry> {
        (0..15).map(|n| entry(n, n, true)).collect()
    }

    /// Edits as duration and start.
    fn follow(edits: &[(u64, i64)], entries: &[Entry], is_video: bool) -> Result<Parts, EditError> {
        let edit = |&(duration, start): &(u64, i64)| Edit {
            duration,
            start: (start >= 0).then_some(start),
            rate: NORMAL_RATE,
        };
        let list = EditList { edits: edits.iter().map(edit).collect(), movie_timescale: 100 };
        list.follow(&Samples { entries, timescale: 100, is_video })
    }

    fn ranges(parts: &Parts) -> Vec<(usize, usize, i64, i64)> {
        parts.parts.iter().map(|part| (part.from, part.to, part.movie_start, part.media_start)).collect()
    }

    #[test]
    fn no_list_and_a_delay_show_everything() {
        assert_eq!(ranges(&follow(&[], &video(), true).unwrap()), [(0, 15, 0, 0)]);
        assert_eq!(ranges(&follow(&[(40, -1)], &video(), true).unwrap()), [(0, 15, 40, 0)]);
        assert_eq!(ranges(&follow(&[(40, -1), (150, 0)], &video(), true).unwrap()), [(0, 15, 40, 0)]);
        assert_eq!(ranges(&follow(&[(0, 0)], &video(), true).unwrap()), [(0, 15, 0, 0)]);
    }

    #[test]
    fn pause_and_cut_at_key_frames_are_followed() {
        let pause = follow(&[(50, 0), (20, -1), (100, 50)], &video(), true).unwrap();
        assert_eq!(ranges(&pause), [(0, 5, 0, 0), (5, 15, 70, 50)]);
        let cut = follow(&[(50, 0), (50, 100)], &video(), true).unwrap();
        assert_eq!((ranges(&cut), cut.before), (vec![(0, 5, 0, 0), (10, 15, 50, 100)], 0));
    }

    #[test]
    fn first_edit_may_start_between_key_frames() {
        let parts = follow(&[(80, 70)], &video(), true).unwrap();
        assert_eq!((ranges(&parts), parts.before), (vec![(5, 15, 0, 70)], 2));
    }

    #[test]
    fn end_keeps_pictures_that_are_decoded_first() {
        // Shown until 2: picture 3 is decoded before pictures 1 and 2.
        assert_eq!(ranges(&follow(&[(30, 0)], &video(), true).unwrap()), [(0, 4, 0, 0)]);
        assert_eq!(ranges(&follow(&[(50, 0)], &video(), true).unwrap()), [(0, 5, 0, 0)]);
    }

    #[test]
    fn cut_inside_a_group_of_pictures_and_other_rates_are_refused() {
        let error = follow(&[(50, 0), (50, 70)], &video(), true).unwrap_err();
        assert!(matches!(error, EditError::NotAtKeyFrame { edit: 2, media_start: 70, .. }), "{error}");
        assert!(follow(&[(30, 0), (50, 100)], &video(), true).is_err());
        let slow = EditList { edits: vec![Edit { duration: 50, start: Some(0), rate: 0x8000 }], movie_timescale: 100 };
        let error = slow.follow(&Samples { entries: &video(), timescale: 100, is_video: true }).unwrap_err();
        assert_eq!(error.to_string(), "edit 1 plays at 0.50 times the speed, which a stream cannot express");
    }

    #[test]
    fn number_of_edits_and_what_they_show_is_bounded() {
        let read = |count: u32| {
            let entries = vec![[0u8; 12]; usize::try_from(count).unwrap()].concat();
            let payload = [&[0; 4], &count.to_be_bytes()[..], &entries].concat();
            let len = u32::try_from(payload.len() + 8).unwrap();
            let list = [&len.to_be_bytes(), &b"elst"[..], &payload].concat();
            EditList::read(Some(Box { kind: *b"edts", at: 0, payload: &list }), 1000).map(|list| list.edits.len())
        };
        assert_eq!(read(10_000).unwrap(), 10_000);
        assert!(matches!(read(10_001), Err(Mp4Error::TooManyEdits { count: 10_001, limit: MAX_EDITS })));

        // Each edit shows all sounds again: a hundred times is as many as a track may have.
        let sounds: Vec<Entry> = (0..100_000).map(|n| entry(n, n, true)).collect();
        let again = |edits| follow(&vec![(1_000_000, 0); edits], &sounds, false).map(|parts| parts.parts.len());
        assert_eq!(again(100), Ok(100));
        assert_eq!(again(101), Err(EditError::TooLong { limit: MAX_SAMPLES }));
        // Edits that show nothing are searched all the same.
        let nothing = |edits| follow(&vec![(1, 1 << 40); edits], &sounds, false).map(|parts| parts.parts.len());
        assert_eq!(nothing(10), Ok(0));
        assert_eq!(nothing(10_001), Err(EditError::TooLong { limit: MAX_SAMPLES }));
    }

    #[test]
    fn sound_is_cut_at_frames_and_keeps_its_priming() {
        // One frame of priming.
        assert_eq!(ranges(&follow(&[(0, 10)], &audio(), false).unwrap()), [(0, 15, 0, 10)]);
        // The frame before the first is needed to decode it; those before are not.
        assert_eq!(ranges(&follow(&[(0, 34)], &audio(), false).unwrap()), [(2, 15, 0, 34)]);
        // 44 is nearer to the frame at 40, 47 to the one at 50.
        let parts = follow(&[(44, 0), (20, -1), (50, 97)], &audio(), false).unwrap();
        assert_eq!(ranges(&parts), [(0, 4, 0, 0), (10, 15, 64, 97)]);
        let parts = follow(&[(47, 0), (50, 94)], &audio(), false).unwrap();
        assert_eq!(ranges(&parts), [(0, 5, 0, 0), (9, 15, 47, 94)]);
    }
}

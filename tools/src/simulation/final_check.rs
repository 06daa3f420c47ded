//! Compares the submitted frames with the stored ones at the end of a run. Uses no code of the producer.

use std::collections::{BTreeMap, BTreeSet};

use kvs_mkv::{Tag, TrackNumber};
use kvs_producer::{LongGop, Loss, Persisted, Totals};

use super::scenario::Scenario;
use super::service::Stored;
use super::source::{self, Put};

/// What is compared.
#[derive(Debug)]
pub(crate) struct FinalState<'a> {
    pub(crate) scenario: &'a Scenario,
    pub(crate) put: &'a [Put],
    /// Which frame of the leading track was put last before each tag.
    pub(crate) tags: &'a BTreeMap<String, u64>,
    pub(crate) moved_tags: &'a BTreeSet<String>,
    pub(crate) stored: &'a [Stored],
    pub(crate) persisted: &'a [Persisted],
    pub(crate) lost: &'a [Loss],
    pub(crate) totals: Totals,
}

macro_rules! ensure {
    ($condition:expr, $($text:tt)*) => {
        if !$condition {
            return Err(format!($($text)*));
        }
    };
}

impl FinalState<'_> {
    pub(crate) fn check(&self) -> Result<(), String> {
        let fragments = self.stored.iter().map(|stored| self.frames(stored)).collect::<Result<Vec<_>, _>>()?;
        self.fragments_are_whole(&fragments)?;
        self.all_is_accounted_for(&fragments)?;
        self.sessions_begin_well(&fragments)?;
        self.tags_are_there_once(&fragments)
    }

    /// Checks only that what is stored is what was put, whole. Returns the frame numbers of each fragment.
    pub(crate) fn check_media(&self) -> Result<Vec<Vec<u64>>, String> {
        let fragments = self.stored.iter().map(|stored| self.frames(stored)).collect::<Result<Vec<_>, _>>()?;
        self.fragments_are_whole(&fragments)?;
        self.sessions_begin_well(&fragments)?;
        Ok(fragments)
    }

    /// Returns the frame numbers of a stored fragment, after a check of their bytes.
    fn frames(&self, stored: &Stored) -> Result<Vec<u64>, String> {
        let mut numbers = Vec::new();
        for frame in stored.fragment.frames() {
            let bytes = frame.data.clone().into_bytes();
            let number = source::number(&bytes).ok_or("a stored frame is shorter than any that was put")?;
            let put =
                index(number).and_then(|at| self.put.get(at)).ok_or_else(|| format!("frame {number} was never put"))?;
            ensure!(put.taken, "frame {number} was refused and stored all the same");
            ensure!(put.is_stored_as(number, &bytes), "frame {number} was stored with other bytes");
            self.decoder_is_told(stored, put, number)?;
            ensure!(frame.track == put.track, "frame {number} was stored on track {}", frame.track);
            ensure!(frame.keyframe == put.keyframe, "frame {number} changed its key frame mark");
            numbers.push(number);
        }
        ensure!(!numbers.is_empty(), "a fragment without frames was stored");
        Ok(numbers)
    }

    /// Checks that the header of the session has the parameter set of each frame.
    fn decoder_is_told(&self, stored: &Stored, put: &Put, number: u64) -> Result<(), String> {
        let Some(set) = put.parameter_set() else { return Ok(()) };
        let track = stored.fragment.tracks.iter().find(|track| track.number == put.track);
        let declared = track.is_some_and(|track| track.codec_private.windows(set.len()).any(|window| window == set));
        ensure!(declared, "frame {number} was stored under a header with other parameter sets");
        Ok(())
    }

    /// Checks that copies of a fragment are equal and that no frame is in two fragments.
    fn fragments_are_whole(&self, fragments: &[Vec<u64>]) -> Result<(), String> {
        let mut home: Vec<Option<u64>> = vec![None; self.put.len()];
        let mut copies: BTreeMap<u64, &Vec<u64>> = BTreeMap::new();
        for numbers in fragments {
            let Some(&first) = numbers.first() else { continue };
            if let Some(copy) = copies.insert(first, numbers) {
                ensure!(
                    copy == numbers,
                    "fragment of frame {first} stored with {} and with {} frames",
                    copy.len(),
                    numbers.len()
                );
            }
            for &number in numbers {
                let other = index(number).and_then(|at| home.get_mut(at)?.replace(first)).unwrap_or(first);
                ensure!(other == first, "frame {number} is in the fragments of {other} and of {first}");
            }
        }
        Ok(())
    }

    /// Submitted = persisted + reported lost.
    fn all_is_accounted_for(&self, fragments: &[Vec<u64>]) -> Result<(), String> {
        let by_number: BTreeMap<&str, &Vec<u64>> =
            self.stored.iter().map(|stored| stored.fragment.number.as_str()).zip(fragments).collect();
        let mut confirmed = vec![false; self.put.len()];
        for report in self.persisted {
            let Some(number) = &report.number else { return Err("a persisted fragment has no number".to_owned()) };
            let Some(frames) = by_number.get(number.as_str()) else {
                return Err(format!("{:?} was reported persisted as {number} but is not stored", report.fragment));
            };
            ensure!(
                frames.len() as u64 == report.span.frames,
                "{:?}: {} frames said, {} stored",
                report.fragment,
                report.span.frames,
                frames.len()
            );
            for &frame in *frames {
                let again = index(frame).and_then(|at| confirmed.get_mut(at)).map(|seen| std::mem::replace(seen, true));
                ensure!(again == Some(false), "frame {frame} is said to be persisted twice");
            }
        }
        let lost: u64 = self.lost.iter().map(|loss| loss.span.frames).sum();
        let lost_bytes: u64 = self.lost.iter().map(|loss| loss.span.bytes).sum();
        let count = |puts: &mut dyn Iterator<Item = &Put>| {
            puts.fold((0, 0), |(frames, bytes), put| (frames + 1, bytes + put.length as u64))
        };
        let (taken, all) = count(&mut self.put.iter().filter(|put| put.taken));
        let marked = self.put.iter().zip(&confirmed);
        let (persisted, kept) = count(&mut marked.filter(|(_, confirmed)| **confirmed).map(|(put, _)| put));
        ensure!(taken == persisted + lost, "{taken} frames taken, {persisted} persisted, {lost} reported lost");
        ensure!(all == kept + lost_bytes, "{all} bytes taken, {kept} persisted, {lost_bytes} reported lost");
        ensure!(
            self.totals.submitted.frames == taken && self.totals.persisted.frames == persisted,
            "totals differ: {:?}",
            self.totals
        );
        Ok(())
    }

    /// The first fragment of each session begins with a key frame of the leading track, unless the session is without it:
    /// sound is sent alone while there are no pictures.
    fn sessions_begin_well(&self, fragments: &[Vec<u64>]) -> Result<(), String> {
        let mut seen = BTreeSet::new();
        for (stored, numbers) in self.stored.iter().zip(fragments) {
            let first = numbers.first().and_then(|&first| self.put.get(index(first)?));
            let key = first.is_some_and(|first| first.keyframe);
            let split = self.scenario.long_gop == LongGop::Split;
            let alone = stored.fragment.tracks.iter().all(|track| track.number != TrackNumber::ONE);
            ensure!(
                !seen.insert(stored.session) || key || split || alone,
                "{:?} begins without a key frame",
                stored.session
            );
        }
        Ok(())
    }

    /// Each tag is once on its fragment, in every copy of it, and nowhere else.
    fn tags_are_there_once(&self, fragments: &[Vec<u64>]) -> Result<(), String> {
        let mut homes: BTreeMap<&str, u64> = BTreeMap::new();
        let stored: BTreeSet<u64> = fragments.iter().flatten().copied().collect();
        let stayed = self.tags.iter().filter(|(name, _)| !self.moved_tags.contains(*name));
        let tag_of: BTreeMap<u64, &str> = stayed.map(|(name, frame)| (*frame, name.as_str())).collect();
        for (fragment, numbers) in self.stored.iter().zip(fragments) {
            let Some(&first) = numbers.first() else { continue };
            let has: Vec<&Tag> = fragment.fragment.tags.iter().flatten().collect();
            for tag in &has {
                let times = has.iter().filter(|other| other.name == tag.name).count();
                ensure!(times == 1, "tag {} is {times} times on one fragment", tag.name);
                let home = *homes.entry(&tag.name).or_insert(first);
                ensure!(home == first, "tag {} is on the fragments of frames {home} and {first}", tag.name);
                if let Some(frame) = self.tags.get(&tag.name) {
                    let moved = self.moved_tags.contains(&tag.name) || !stored.contains(frame);
                    let meant = moved || numbers.contains(frame);
                    ensure!(meant, "tag {} of frame {frame} is on the fragment of {first}", tag.name);
                }
            }
            for (frame, name) in numbers.iter().filter_map(|frame| Some((frame, tag_of.get(frame)?))) {
                let there = has.iter().any(|tag| tag.name == *name);
                ensure!(there, "tag {name} of frame {frame} is not on its fragment");
            }
        }
        Ok(())
    }
}

fn index(number: u64) -> Option<usize> {
    usize::try_from(number).ok()
}

//! What must be true of a producer with a spool, over all its runs. Uses no code of the producer.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use kvs_producer::{Event, Loss, LossReason, Span, Totals};
use kvs_types::__internal::epoch_millis;

use super::final_check::FinalState;
use super::source::Put;

/// What was reported so far.
#[derive(Debug, Default)]
pub(crate) struct SpoolJudge {
    /// Number of frames of each fragment that was reported as spooled, by its time in ms.
    spooled: BTreeMap<u64, u64>,
    lost: Vec<Loss>,
    /// The first frame of each run, and whether the run ended in order.
    runs: Vec<(usize, bool)>,
    /// The service has sent an error ack, so it may do so until a fragment is given up.
    has_refused: bool,
    /// Until then the disk was not sound, or what it did not take was still in memory.
    bad_until: Option<Instant>,
}

macro_rules! ensure {
    ($condition:expr, $($text:tt)*) => {
        if !$condition {
            return Err(format!($($text)*));
        }
    };
}

impl SpoolJudge {
    /// A run begins with this frame.
    pub(crate) fn begins(&mut self, frame: usize) {
        self.runs.push((frame, false));
    }

    /// The service sends this ack.
    pub(crate) fn ack(&mut self, line: &[u8]) {
        self.has_refused |= memchr::memmem::find(line, b"\"ErrorId\"").is_some();
    }

    /// The disk is not sound, or very slow.
    pub(crate) fn disk_is_bad(&mut self, until: Instant) {
        self.bad_until = self.bad_until.max(Some(until + RECOVERY));
    }

    pub(crate) fn event(&mut self, event: &Event, is_small: bool, now: Instant) -> Result<(), String> {
        match event {
            Event::Spooled { span, .. } => {
                self.spooled.insert(epoch_millis(span.start), span.frames);
            }
            Event::Lost(loss) => {
                self.lost.push(loss.clone());
                return self.is_justified(loss, is_small, now);
            }
            _ => {}
        }
        Ok(())
    }

    /// A disk that is sound and large enough loses nothing that memory cannot hold.
    fn is_justified(&self, loss: &Loss, is_small: bool, now: Instant) -> Result<(), String> {
        let is_bad = self.bad_until.is_some_and(|until| now <= until);
        match loss.reason {
            LossReason::BufferFull | LossReason::TooOld | LossReason::Unconfirmed | LossReason::Stopped => {
                ensure!(is_bad || is_small, "{loss:?} although the disk was sound");
            }
            LossReason::SpoolFull => ensure!(is_bad || is_small, "{loss:?} although the spool was not full"),
            LossReason::SpoolDamaged => return Err(format!("{loss:?}, and no byte was damaged")),
            LossReason::Rejected(_) => ensure!(self.has_refused, "{loss:?} without an error ack"),
            _ => {}
        }
        Ok(())
    }

    /// The run ended in order.
    pub(crate) fn ends(&mut self, totals: &Totals) -> Result<(), String> {
        if let Some(run) = self.runs.last_mut() {
            run.1 = true;
        }
        let (came, went) = (
            totals.submitted.frames + totals.recovered.frames,
            totals.persisted.frames + totals.lost.frames + totals.spooled.frames,
        );
        ensure!(came == went, "{totals:?} of a run: {came} frames came, {went} went");
        Ok(())
    }

    /// Nothing that was spooled is missing, and nothing half-written was sent.
    pub(crate) fn check(&self, all: &FinalState<'_>) -> Result<(), String> {
        let fragments = all.check_media()?;
        let mut counts: BTreeMap<u64, usize> = BTreeMap::new();
        for (stored, numbers) in all.stored.iter().zip(&fragments) {
            counts.insert(epoch_millis(stored.fragment.producer_timestamp), numbers.len());
        }
        for (start, frames) in &self.spooled {
            let stored = counts.get(start).copied();
            let is_whole = stored.is_some_and(|stored| stored as u64 == *frames);
            ensure!(
                is_whole || self.lost.iter().any(|loss| contains(&loss.span, *start)),
                "the fragment of {frames} frames at {start} ms was spooled, and {stored:?} frames are stored"
            );
        }
        self.orderly_runs_lost_only_what_they_reported(all.put, &fragments)
    }

    fn orderly_runs_lost_only_what_they_reported(&self, put: &[Put], fragments: &[Vec<u64>]) -> Result<(), String> {
        let mut is_stored = vec![false; put.len()];
        for number in fragments.iter().flatten() {
            if let Some(stored) = usize::try_from(*number).ok().and_then(|number| is_stored.get_mut(number)) {
                *stored = true;
            }
        }
        let ends = self.runs.iter().skip(1).map(|(first, _)| *first).chain([put.len()]);
        let orderly = self.runs.iter().zip(ends).filter(|((_, is_orderly), _)| *is_orderly);
        let numbers = orderly.flat_map(|((first, _), end)| *first..end);
        let is_missing = |at: &usize| put.get(*at).is_some_and(|put| put.taken) && is_stored.get(*at) == Some(&false);
        let missing = numbers.filter(is_missing).count() as u64;
        let lost: u64 = self.lost.iter().map(|loss| loss.span.frames).sum();
        ensure!(missing <= lost, "{missing} frames of runs that ended in order are missing, {lost} were reported lost");
        Ok(())
    }
}

fn contains(span: &Span, at: u64) -> bool {
    (epoch_millis(span.start)..=epoch_millis(span.end)).contains(&at)
}

/// What the disk did not take leaves memory within this time after it is sound again.
const RECOVERY: Duration = Duration::from_secs(40);

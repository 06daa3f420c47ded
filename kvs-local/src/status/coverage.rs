//! The times that a stream has media of: runs of contiguous fragments.

use kvs_types::__internal::epoch_millis;
use kvs_types::TimestampOrigin;

use super::limits::{CONTIGUOUS_WITHIN_MS, RUNS};
use crate::store::FragmentRecord;

/// A run of contiguous fragments: start and end in ms since the epoch.
pub(super) type Run = (u64, u64);

/// Returns the runs of these fragments on one clock, in the order of time: the newest [`RUNS`].
pub(super) fn runs(fragments: &[FragmentRecord], origin: TimestampOrigin) -> Vec<Run> {
    let mut spans: Vec<Run> = fragments.iter().map(|fragment| span(fragment, origin)).collect();
    spans.sort_unstable();
    let mut runs: Vec<Run> = Vec::new();
    for (start, end) in spans {
        match runs.last_mut() {
            Some((_, last)) if start <= last.saturating_add(CONTIGUOUS_WITHIN_MS) => *last = end.max(*last),
            _ => runs.push((start, end)),
        }
    }
    runs.split_off(runs.len().saturating_sub(RUNS))
}

fn span(fragment: &FragmentRecord, origin: TimestampOrigin) -> Run {
    let start = epoch_millis(match origin {
        TimestampOrigin::Producer => fragment.producer_timestamp,
        TimestampOrigin::Server => fragment.server_timestamp,
    });
    let length = u64::try_from(fragment.duration.as_millis()).unwrap_or(u64::MAX);
    (start, start.saturating_add(length))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn fragment(producer: u64, server: u64, length: u64) -> FragmentRecord {
        let at = |ms| UNIX_EPOCH + Duration::from_millis(ms);
        FragmentRecord {
            number: "1".parse().unwrap(),
            producer_timestamp: at(producer),
            server_timestamp: at(server),
            duration: Duration::from_millis(length),
            bytes: 1,
        }
    }

    #[test]
    fn contiguous_fragments_are_one_run_on_each_clock() {
        // The second one was sent late, the third one after a gap.
        let fragments = [fragment(0, 10_000, 1960), fragment(2000, 90_000, 1960), fragment(9000, 92_000, 1000)];
        assert_eq!(runs(&fragments, TimestampOrigin::Producer), [(0, 3960), (9000, 10_000)]);
        assert_eq!(runs(&fragments, TimestampOrigin::Server), [(10_000, 11_960), (90_000, 93_000)]);
    }

    #[test]
    fn overlapping_and_unordered_fragments_are_joined() {
        let fragments = [fragment(5000, 0, 100), fragment(0, 0, 10_000)];
        assert_eq!(runs(&fragments, TimestampOrigin::Producer), [(0, 10_000)]);
        let many: Vec<_> = (0..2 * RUNS as u64).map(|at| fragment(at * 10_000, 0, 0)).collect();
        let kept = runs(&many, TimestampOrigin::Producer);
        assert_eq!((kept.len(), kept[RUNS - 1].0), (RUNS, (2 * RUNS as u64 - 1) * 10_000));
    }
}

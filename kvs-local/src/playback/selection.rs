//! The fragments of a time range, as the documentation of HLS and DASH sessions selects them.

use std::time::{Duration, SystemTime};

use kvs_types::__internal::from_epoch_millis;
use kvs_types::TimestampOrigin;

use super::limits::RETRANSMISSION;
use crate::store::{FragmentRecord, Selection, Store, StoreError};

/// A range of fragment starts, both ends included, on one clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) origin: TimestampOrigin,
    pub(crate) from: SystemTime,
    pub(crate) to: SystemTime,
}

impl Range {
    /// A range without end.
    pub(crate) fn since(origin: TimestampOrigin, from: SystemTime) -> Self {
        Self { origin, from, to: from_epoch_millis(FOREVER_MS) }
    }

    pub(crate) const fn selection(self) -> Selection {
        let Self { origin, from, to } = self;
        Selection::StartsWithin { origin, from, to }
    }
}

/// The year 9999.
const FOREVER_MS: u64 = 253_402_300_799_000;

/// Returns the first `most` fragments of a range, without duplicates.
pub(crate) fn fragments_within(
    store: &Store,
    key: &str,
    range: Range,
    most: usize,
) -> Result<Vec<FragmentRecord>, StoreError> {
    // Replaced fragments are listed too, so more may be needed than are taken.
    let all = store.page(key, &range.selection(), None, most.saturating_mul(2).saturating_add(1))?;
    Ok(collection(all, range.origin, most))
}

/// Walks fragments in the order of their numbers.
///
/// By producer time: a fragment that was sent again (equal start, soon after) replaces the first one, as the largest number wins.
/// Where the times go back otherwise, a second collection of the same range begins, and only the oldest is played. The service does not
/// document where a collection ends.
fn collection(records: Vec<FragmentRecord>, origin: TimestampOrigin, most: usize) -> Vec<FragmentRecord> {
    let mut kept: Vec<FragmentRecord> = Vec::new();
    for record in records {
        match step(&kept, &record, origin) {
            Step::Append if kept.len() == most => break,
            Step::Append => kept.push(record),
            Step::Replace(at) => {
                if let Some(place) = kept.get_mut(at) {
                    *place = record;
                }
            }
            Step::End => break,
        }
    }
    kept
}

enum Step {
    Append,
    Replace(usize),
    End,
}

fn step(kept: &[FragmentRecord], record: &FragmentRecord, origin: TimestampOrigin) -> Step {
    let Some(last) = kept.last().filter(|_| origin == TimestampOrigin::Producer) else { return Step::Append };
    let start = record.producer_timestamp;
    if start > last.producer_timestamp {
        return Step::Append;
    }
    if let Some(same) = kept.iter().rposition(|one| one.producer_timestamp == start) {
        let first = kept.get(same).map_or(record.server_timestamp, |first| first.server_timestamp);
        let later = record.server_timestamp.duration_since(first).unwrap_or_default();
        return if later <= RETRANSMISSION { Step::Replace(same) } else { Step::End };
    }
    let back = last.producer_timestamp.duration_since(start).unwrap_or_default();
    if goes_back(back, record.duration) { Step::End } else { Step::Append }
}

/// Whether a fragment starts so long before the last one that it is of another collection: by more than its own length.
pub(super) fn goes_back(back: Duration, length: Duration) -> bool {
    back > length
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::NumberParts;

    fn record(sequence: u64, producer: u64, server: u64) -> FragmentRecord {
        FragmentRecord {
            number: NumberParts::new(sequence, server, 0).number(),
            producer_timestamp: from_epoch_millis(producer),
            server_timestamp: from_epoch_millis(server),
            duration: Duration::from_millis(1960),
            bytes: 1,
        }
    }

    fn starts(records: Vec<FragmentRecord>, origin: TimestampOrigin, most: usize) -> Vec<(u64, u64)> {
        let parts = |record: &FragmentRecord| NumberParts::of(&record.number).unwrap();
        let start = |record: &FragmentRecord| record.producer_timestamp.duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let kept = collection(records, origin, most);
        kept.iter().map(|one| (parts(one).sequence, u64::try_from(start(one).as_millis()).unwrap())).collect()
    }

    #[test]
    fn resent_fragments_replace_and_second_uploads_end_the_collection() {
        let producer = TimestampOrigin::Producer;
        let resent = vec![record(1, 0, 0), record(2, 2000, 2000), record(1001, 2000, 9000), record(1002, 4000, 9001)];
        assert_eq!(starts(resent.clone(), producer, 9), [(1, 0), (1001, 2000), (1002, 4000)]);
        assert_eq!(starts(resent.clone(), producer, 2), [(1, 0), (1001, 2000)], "a replacement takes no room");
        assert_eq!(starts(resent, TimestampOrigin::Server, 9).len(), 4);
        let day = 86_400_000;
        let again = vec![record(1, 0, 0), record(2, 2000, 1), record(1001, 0, day), record(1002, 2000, day)];
        assert_eq!(starts(again, producer, 9), [(1, 0), (2, 2000)]);
        let overlapping = vec![record(1, 0, 0), record(2, 2000, 1), record(3, 1500, 2), record(4, 3500, 3)];
        assert_eq!(starts(overlapping, producer, 9).len(), 4, "overlapping fragments are all listed");
    }
}

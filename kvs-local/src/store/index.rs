//! The index of a stream's fragments, in memory.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, SystemTime};

use kvs_types::__internal::epoch_millis;
use kvs_types::{FragmentNumber, TimestampOrigin};

use super::record::time_of;
use crate::ingest::NumberParts;

/// One fragment: 48 bytes, so that a hundred gigabytes of video at 1 Mbit/s need 20 MB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) parts: NumberParts,
    pub(super) producer_ms: u64,
    pub(super) duration_ms: u32,
    pub(super) media: u32,
    pub(super) segment: u32,
    pub(super) offset: u32,
}

/// What is known about a stored fragment without reading it.
///
/// [`kvs_types::FragmentInfo`] is what ListFragments returned to a client, where every member may be absent. The store knows
/// all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FragmentRecord {
    /// The fragment number.
    pub number: FragmentNumber,
    /// Producer timestamp of its start.
    pub producer_timestamp: SystemTime,
    /// Server timestamp: when the service started to receive it.
    pub server_timestamp: SystemTime,
    /// Time from its start to its last frame.
    pub duration: Duration,
    /// Size of header, cluster and tags in bytes.
    pub bytes: u64,
}

/// A selection of a stream's fragments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Selection {
    /// All fragments.
    All,
    /// Fragments that start within a range, both ends included, as in `ListFragments`.
    StartsWithin {
        /// The timestamp to compare.
        origin: TimestampOrigin,
        /// Earliest start.
        from: SystemTime,
        /// Latest start.
        to: SystemTime,
    },
    /// Fragments that cover any instant of a range, both ends included. A fragment covers its start but not its end.
    Overlaps {
        /// The timestamp to compare.
        origin: TimestampOrigin,
        /// First instant.
        from: SystemTime,
        /// Last instant.
        to: SystemTime,
    },
}

impl Selection {
    pub(super) fn takes(&self, entry: &Entry) -> bool {
        match *self {
            Self::All => true,
            Self::StartsWithin { origin, from, to } => {
                let start = entry.start(origin);
                from <= start && start <= to
            }
            Self::Overlaps { origin, from, to } => {
                entry.start(origin) <= to && (entry.end(origin) > from || entry.start(origin) == from)
            }
        }
    }
}

impl Entry {
    pub(super) fn start(&self, origin: TimestampOrigin) -> SystemTime {
        time_of(match origin {
            TimestampOrigin::Producer => self.producer_ms,
            TimestampOrigin::Server => self.parts.server_ms,
        })
    }

    pub(super) fn end(&self, origin: TimestampOrigin) -> SystemTime {
        let start = self.start(origin);
        start.checked_add(Duration::from_millis(self.duration_ms.into())).unwrap_or(start)
    }

    pub(super) fn info(&self) -> FragmentRecord {
        FragmentRecord {
            number: self.parts.number(),
            producer_timestamp: self.start(TimestampOrigin::Producer),
            server_timestamp: self.start(TimestampOrigin::Server),
            duration: Duration::from_millis(self.duration_ms.into()),
            bytes: self.media.into(),
        }
    }
}

/// The entries of one stream in the order of their numbers.
#[derive(Debug, Default)]
pub(super) struct Index {
    entries: VecDeque<Entry>,
    /// Number of entries in each segment.
    segments: BTreeMap<u32, u32>,
    bytes: u64,
}

impl Index {
    /// Adds an entry; returns `false` if its number is already present.
    pub(super) fn insert(&mut self, entry: Entry) -> bool {
        let at = self.entries.partition_point(|other| other.parts < entry.parts);
        if self.entries.get(at).is_some_and(|other| other.parts == entry.parts) {
            return false;
        }
        self.entries.insert(at, entry);
        *self.segments.entry(entry.segment).or_default() += 1;
        self.bytes = self.bytes.saturating_add(entry.media.into());
        true
    }

    pub(super) fn find(&self, parts: NumberParts) -> Option<Entry> {
        let at = self.entries.partition_point(|entry| entry.parts < parts);
        self.entries.get(at).filter(|entry| entry.parts == parts).copied()
    }

    /// Returns the entries with numbers above `after`, or all.
    pub(super) fn after(&self, number: Option<&FragmentNumber>) -> impl DoubleEndedIterator<Item = &Entry> {
        let at = number.map_or(0, |number| match NumberParts::of(number) {
            Some(parts) => self.entries.partition_point(|entry| entry.parts <= parts),
            // Numbers in another format are compared by value.
            None => self.entries.partition_point(|entry| entry.parts.number() <= *number),
        });
        self.entries.range(at..)
    }

    /// Returns the first entry that covers a time, or else the next one to start.
    pub(super) fn at_or_after(&self, origin: TimestampOrigin, time: SystemTime) -> Option<&Entry> {
        let covers = Selection::Overlaps { origin, from: time, to: time };
        let later =
            || self.entries.iter().filter(|entry| entry.start(origin) > time).min_by_key(|entry| entry.start(origin));
        let ends = || self.entries.iter().find(|entry| entry.end(origin) == time);
        self.entries.iter().find(|entry| covers.takes(entry)).or_else(ends).or_else(later)
    }

    pub(super) fn last(&self) -> Option<&Entry> {
        self.entries.back()
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns the last number to remove so that nothing before `since` and at most `bytes` remain.
    ///
    /// Fragments are removed in the order of their numbers, so one with a timestamp in the future keeps those after it.
    pub(super) fn expired_until(&self, since: SystemTime, bytes: u64) -> Option<NumberParts> {
        let since = epoch_millis(since);
        let mut left = self.bytes;
        let goes = |entry: &&Entry| {
            let expired = entry.parts.server_ms < since || left > bytes;
            left = left.saturating_sub(entry.media.into());
            expired
        };
        self.entries.iter().take_while(goes).last().map(|entry| entry.parts)
    }

    /// Returns the segments without fragments above this number.
    pub(super) fn segments_until(&self, last: NumberParts) -> Vec<u32> {
        let mut going: BTreeMap<u32, u32> = BTreeMap::new();
        for entry in self.entries.iter().take_while(|entry| entry.parts <= last) {
            *going.entry(entry.segment).or_default() += 1;
        }
        going
            .into_iter()
            .filter(|(segment, count)| self.segments.get(segment) == Some(count))
            .map(|(segment, _)| segment)
            .collect()
    }

    /// Removes all entries up to a number and returns the segments that are empty now.
    pub(super) fn drop_until(&mut self, last: NumberParts) -> Vec<u32> {
        let mut empty = Vec::new();
        while let Some(entry) = self.entries.pop_front_if(|entry| entry.parts <= last) {
            self.bytes = self.bytes.saturating_sub(entry.media.into());
            if let Some(count) = self.segments.get_mut(&entry.segment) {
                *count -= 1;
                if *count == 0 {
                    self.segments.remove(&entry.segment);
                    empty.push(entry.segment);
                }
            }
        }
        empty
    }
}

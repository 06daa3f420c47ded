//! Where the fragments of a stream lie, in memory.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, SystemTime};

use kvs_types::FragmentNumber;

use super::record::{millis_of, time_of};
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

/// What is known of a stored fragment without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FragmentInfo {
    /// Its number.
    pub number: FragmentNumber,
    /// When the producer says it began.
    pub producer_timestamp: SystemTime,
    /// When the service began to receive it.
    pub server_timestamp: SystemTime,
    /// From its start to the end of its last frame.
    pub duration: Duration,
    /// Bytes of its header, cluster and tags.
    pub bytes: u64,
}

/// Which of a fragment's two timestamps counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "a fragment has two timestamps")]
pub enum TimestampKind {
    /// What the producer says.
    Producer,
    /// When the service began to receive it.
    Server,
}

/// Which fragments of a stream are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Selection {
    /// All of them.
    All,
    /// Those that begin within a range, both ends included: what `ListFragments` lists.
    StartsWithin {
        /// By which timestamp.
        kind: TimestampKind,
        /// Earliest start.
        from: SystemTime,
        /// Latest start.
        to: SystemTime,
    },
    /// Those that cover any instant of a range, both ends included; a fragment covers its start and not its end.
    Overlaps {
        /// By which timestamp.
        kind: TimestampKind,
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
            Self::StartsWithin { kind, from, to } => {
                let start = entry.start(kind);
                from <= start && start <= to
            }
            Self::Overlaps { kind, from, to } => {
                entry.start(kind) <= to && (entry.end(kind) > from || entry.start(kind) == from)
            }
        }
    }
}

impl Entry {
    pub(super) fn start(&self, kind: TimestampKind) -> SystemTime {
        time_of(match kind {
            TimestampKind::Producer => self.producer_ms,
            TimestampKind::Server => self.parts.server_ms,
        })
    }

    pub(super) fn end(&self, kind: TimestampKind) -> SystemTime {
        let start = self.start(kind);
        start.checked_add(Duration::from_millis(self.duration_ms.into())).unwrap_or(start)
    }

    pub(super) fn info(&self) -> FragmentInfo {
        FragmentInfo {
            number: self.parts.number(),
            producer_timestamp: self.start(TimestampKind::Producer),
            server_timestamp: self.start(TimestampKind::Server),
            duration: Duration::from_millis(self.duration_ms.into()),
            bytes: self.media.into(),
        }
    }
}

/// The entries of one stream in the order of their numbers.
#[derive(Debug, Default)]
pub(super) struct Index {
    entries: VecDeque<Entry>,
    /// How many entries lie in each segment.
    segments: BTreeMap<u32, u32>,
    bytes: u64,
}

impl Index {
    /// Adds an entry; false if its number is there already.
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

    /// Entries with numbers above one, or all.
    pub(super) fn after(&self, number: Option<&FragmentNumber>) -> impl DoubleEndedIterator<Item = &Entry> {
        let at = number.map_or(0, |number| match NumberParts::of(number) {
            Some(parts) => self.entries.partition_point(|entry| entry.parts <= parts),
            // Numbers of another make are compared as what they are.
            None => self.entries.partition_point(|entry| entry.parts.number() <= *number),
        });
        self.entries.range(at..)
    }

    /// The first entry that covers a time, or else the one that begins soonest after it.
    pub(super) fn at_or_after(&self, kind: TimestampKind, time: SystemTime) -> Option<&Entry> {
        let covers = Selection::Overlaps { kind, from: time, to: time };
        let later =
            || self.entries.iter().filter(|entry| entry.start(kind) > time).min_by_key(|entry| entry.start(kind));
        self.entries.iter().find(|entry| covers.takes(entry)).or_else(later)
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

    /// The last number that goes if all before `since` go, and then as many as it takes to have at most `bytes` left.
    ///
    /// Fragments go in the order of their numbers, so one that a wrong clock dated to the future holds back those behind it.
    pub(super) fn expired_until(&self, since: SystemTime, bytes: u64) -> Option<NumberParts> {
        let since = millis_of(since);
        let mut left = self.bytes;
        let goes = |entry: &&Entry| {
            let expired = entry.parts.server_ms < since || left > bytes;
            left = left.saturating_sub(entry.media.into());
            expired
        };
        self.entries.iter().take_while(goes).last().map(|entry| entry.parts)
    }

    /// Segments that hold nothing behind this number.
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

    /// Drops all entries up to a number, and says which segments hold none any more.
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

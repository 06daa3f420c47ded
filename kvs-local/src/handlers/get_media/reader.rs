//! GetMedia and GetMediaForFragmentList: fragments as their readers get them.

use std::time::{Instant, SystemTime};

use kvs_mkv::Chunks;
use kvs_types::{FragmentNumber, tag_names};

use super::selector::StartSelector;
use super::service_tags;
use crate::ingest::Now;
use crate::limits::{FRAGMENT_LIST, LIVE_EDGE_WAIT};
use crate::store::{FragmentInfo, Selection, Store, StoreError, StoredFragment};

/// One GetMedia body: where it is, and what comes next.
///
/// Each fragment is a document of its own: the session's header as it came in, the service's tags, the cluster and its tags as
/// they came in, the service's tags again.
///
/// [`read`](Self::read) touches the disk, so call it where that is allowed. At the live edge it says until when to wait for a
/// new fragment; whoever stores fragments wakes the reader, and it reads again.
///
/// Memory: one fragment at a time.
#[derive(Debug)]
pub(crate) struct MediaReader {
    position: Position,
}

/// ```text
///   Seeking ──first fragment──> Following ──damage──> Ended
///      └──nothing for 3 s──────────┴──nothing for 3 s──^
/// ```
#[derive(Debug)]
enum Position {
    /// Nothing found yet.
    Seeking {
        start: StartSelector,
        since: Option<Instant>,
    },
    /// After this fragment, waiting since then.
    Following {
        last: FragmentNumber,
        since: Option<Instant>,
    },
    Ended,
}

/// What a reader gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Read {
    /// Bytes of the body.
    Media {
        /// The fragment they hold.
        number: FragmentNumber,
        /// The bytes; media in them is not copied from what the store loaded.
        bytes: Chunks,
    },
    /// Nothing more is there yet. Read again when a fragment was stored, and at the latest then.
    Wait {
        /// When the body ends if nothing comes.
        until: Instant,
    },
    /// The body ends.
    End,
}

impl MediaReader {
    /// A reader that begins there.
    pub(crate) const fn new(start: StartSelector) -> Self {
        Self { position: Position::Seeking { start, since: None } }
    }

    /// What comes next.
    ///
    /// # Errors
    /// The file system refuses. A damaged fragment is no error here: it becomes error tags in the body, which ends then.
    pub(crate) fn read(&mut self, store: &Store, stream: &str, now: Now) -> Result<Read, StoreError> {
        while let Some(info) = self.next_info(store, stream)? {
            match store.load(stream, &info.number) {
                Ok(fragment) => {
                    self.position = Position::Following { last: info.number.clone(), since: None };
                    return Ok(Read::Media { number: info.number, bytes: live_document(&fragment, now.wall) });
                }
                // Trimmed since it was listed: the next one, then.
                Err(StoreError::NotFound { .. }) => {
                    self.position = Position::Following { last: info.number, since: None };
                }
                Err(StoreError::Damaged { number }) => {
                    self.position = Position::Ended;
                    let bytes = error_document(INTERNAL_ERROR, &number);
                    return Ok(Read::Media { number, bytes });
                }
                Err(error) => return Err(error),
            }
        }
        Ok(self.rest(now.at))
    }

    fn next_info(&self, store: &Store, stream: &str) -> Result<Option<FragmentInfo>, StoreError> {
        match &self.position {
            Position::Seeking { start, .. } => start.first(store, stream),
            Position::Following { last, .. } => {
                Ok(store.page(stream, &Selection::All, Some(last), 1)?.into_iter().next())
            }
            Position::Ended => Ok(None),
        }
    }

    /// At the live edge: waits, but not for ever.
    fn rest(&mut self, at: Instant) -> Read {
        let since = match &mut self.position {
            Position::Seeking { start, since } => {
                // Nothing is there now: all that comes is later.
                if *start == StartSelector::Now {
                    *start = StartSelector::Earliest;
                }
                *since.get_or_insert(at)
            }
            Position::Following { since, .. } => *since.get_or_insert(at),
            Position::Ended => return Read::End,
        };
        match since.checked_add(LIVE_EDGE_WAIT) {
            Some(until) if at < until => Read::Wait { until },
            _ => {
                self.position = Position::Ended;
                Read::End
            }
        }
    }
}

/// One GetMediaForFragmentList body.
///
/// Fragments come in the order they were asked for. One that is not stored becomes a document with error tags, and the
/// next one follows.
#[derive(Debug)]
pub(crate) struct ListedMedia {
    numbers: std::vec::IntoIter<FragmentNumber>,
}

/// A list of fragments that the call does not take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Fragments has 1 to {FRAGMENT_LIST} entries, not {count}")]
pub(crate) struct InvalidFragmentList {
    /// How many there were.
    pub(crate) count: usize,
}

impl ListedMedia {
    /// A body with these fragments.
    ///
    /// # Errors
    /// There are none, or more than [`FRAGMENT_LIST`].
    pub(crate) fn new(numbers: Vec<FragmentNumber>) -> Result<Self, InvalidFragmentList> {
        match numbers.len() {
            1..=FRAGMENT_LIST => Ok(Self { numbers: numbers.into_iter() }),
            count => Err(InvalidFragmentList { count }),
        }
    }

    /// The next piece of the body, `None` at its end.
    ///
    /// # Errors
    /// The file system refuses.
    pub(crate) fn read(&mut self, store: &Store, stream: &str) -> Result<Option<Chunks>, StoreError> {
        let Some(number) = self.numbers.next() else { return Ok(None) };
        match store.load(stream, &number) {
            Ok(fragment) => Ok(Some(document(&fragment))),
            Err(StoreError::NotFound { number }) => Ok(Some(error_document(FRAGMENT_NOT_FOUND, &number))),
            Err(StoreError::Damaged { number }) => Ok(Some(error_document(INTERNAL_ERROR, &number))),
            Err(error) => Err(error),
        }
    }
}

/// A fragment with the service's tags in front.
fn document(fragment: &StoredFragment) -> Chunks {
    let mut bytes = service_tags::open_ended(&fragment.header);
    bytes.push(service_tags::tags(&[
        (tag_names::FRAGMENT_NUMBER, fragment.info.number.as_str()),
        (tag_names::SERVER_TIMESTAMP, &service_tags::seconds(fragment.info.server_timestamp)),
        (tag_names::PRODUCER_TIMESTAMP, &service_tags::seconds(fragment.info.producer_timestamp)),
    ]));
    bytes.push(fragment.cluster.clone());
    bytes.push(fragment.trailing.clone());
    bytes
}

/// The same with the tags of GetMedia behind.
fn live_document(fragment: &StoredFragment, now: SystemTime) -> Chunks {
    let end = fragment.info.server_timestamp.checked_add(fragment.info.duration);
    let behind = end.and_then(|end| now.duration_since(end).ok()).unwrap_or_default();
    let mut bytes = document(fragment);
    bytes.push(service_tags::tags(&[
        (tag_names::MILLIS_BEHIND_NOW, &behind.as_millis().to_string()),
        (tag_names::CONTINUATION_TOKEN, fragment.info.number.as_str()),
    ]));
    bytes
}

/// Name and number of an error inside a body.
type BodyError = (&'static str, &'static str);
/// As captured from the service for a fragment it does not have.
const FRAGMENT_NOT_FOUND: BodyError = ("FRAGMENT_NOT_FOUND", "3000");
const INTERNAL_ERROR: BodyError = ("INTERNAL_ERROR", "5000");

fn error_document((code, id): BodyError, number: &FragmentNumber) -> Chunks {
    let pairs =
        [(tag_names::ERROR_CODE, code), (tag_names::ERROR_ID, id), (tag_names::FRAGMENT_NUMBER, number.as_str())];
    Chunks::from(service_tags::error_document(&pairs))
}

//! The position of a GetMedia connection in its stream.

use std::time::Instant;

use kvs_mkv::Chunks;
use kvs_types::{FragmentNumber, StartSelector};

use super::selector;
use crate::handlers::media_response::document::{INTERNAL_ERROR, START_NOT_FOUND, error_document, live_document};
use crate::ingest::Now;
use crate::limits::LIVE_EDGE_WAIT;
use crate::store::{FragmentRecord, Selection, Store, StoreError};

/// Produces the body of a GetMedia response, fragment by fragment.
///
/// Each fragment is a complete document: the header of its session as received, the service's tags, the cluster and its tags as
/// received, more tags of the service.
///
/// [`read`](Self::read) blocks on the disk. At the live edge it returns how long to wait for a new fragment; the caller reads
/// again when one is stored.
///
/// Memory: one fragment at a time.
#[derive(Debug)]
pub(crate) struct MediaReader {
    position: Position,
}

/// ```text
///   Seeking ──first fragment──> Following ──damage──> Ended
///      │                           └──nothing for 3 s──^
///      └──nothing for 3 s, unknown fragment number─────┘
/// ```
#[derive(Debug)]
enum Position {
    /// No fragment found yet.
    Seeking {
        start: StartSelector,
        since: Option<Instant>,
    },
    /// Behind the fragment `last`; waiting since `since`.
    Following {
        last: FragmentNumber,
        since: Option<Instant>,
    },
    Ended,
}

/// The next step of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Read {
    /// A part of the body.
    Media {
        /// The fragment in it.
        number: FragmentNumber,
        /// The document.
        bytes: Chunks,
    },
    /// The live edge. Read again when a fragment is stored, or at `until`.
    Wait {
        /// When the body ends if no fragment arrives.
        until: Instant,
    },
    /// The body ends.
    End,
}

impl MediaReader {
    /// Creates a reader that starts at `start`.
    pub(crate) const fn new(start: StartSelector) -> Self {
        Self { position: Position::Seeking { start, since: None } }
    }

    /// Returns the next step.
    ///
    /// # Errors
    /// The store failed. A damaged fragment is not an error: it becomes error tags, and the body ends.
    pub(crate) fn read(&mut self, store: &Store, stream: &str, now: Now) -> Result<Read, StoreError> {
        if let Position::Seeking { start: StartSelector::AfterFragment(number), .. } = &self.position {
            let number = number.clone();
            if !store.contains(stream, &number)? {
                // As documented for error id 4000. A reader whose fragment was trimmed by retention gets it too.
                self.position = Position::Ended;
                let bytes = error_document(START_NOT_FOUND, &number);
                return Ok(Read::Media { number, bytes });
            }
            self.position = Position::Following { last: number, since: None };
        }
        while let Some(info) = self.next_info(store, stream)? {
            match store.load(stream, &info.number) {
                Ok(fragment) => {
                    self.position = Position::Following { last: info.number.clone(), since: None };
                    return Ok(Read::Media { number: info.number, bytes: live_document(&fragment, now.wall) });
                }
                // Trimmed since it was listed: continue with the next one.
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
        Ok(self.wait_or_end(now.at))
    }

    fn next_info(&self, store: &Store, stream: &str) -> Result<Option<FragmentRecord>, StoreError> {
        match &self.position {
            Position::Seeking { start, .. } => selector::first(start, store, stream),
            Position::Following { last, .. } => {
                Ok(store.page(stream, &Selection::All, Some(last), 1)?.into_iter().next())
            }
            Position::Ended => Ok(None),
        }
    }

    /// Waits at the live edge, or ends after [`LIVE_EDGE_WAIT`].
    fn wait_or_end(&mut self, at: Instant) -> Read {
        let since = match &mut self.position {
            Position::Seeking { start, since } => {
                // Nothing is stored, so NOW means the first fragment that arrives.
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

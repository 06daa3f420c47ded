//! The fragments of one request: each is read once where memory allows it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::error::Undecodable;
use super::index::PictureIndex;
use super::limits::{CONTIGUOUS_WITHIN, GAP_AT_A_CUT, KEPT_BYTES};
use super::media::{Axis, Footage, FootageSource, FragmentSpan};

/// Fragments in the order of ingestion, with what was read of them so far.
pub(super) struct Shelf<'a> {
    spans: &'a [FragmentSpan],
    source: &'a dyn FootageSource,
    read: BTreeMap<usize, Result<Shelved, Undecodable>>,
    room: usize,
}

/// A fragment that was read.
#[derive(Clone)]
pub(super) struct Shelved {
    pub(super) index: Arc<PictureIndex>,
    /// The timecode that the fragment's own start has.
    pub(super) start: Duration,
    footage: Option<Arc<Footage>>,
}

impl<'a> Shelf<'a> {
    pub(super) const fn new(spans: &'a [FragmentSpan], source: &'a dyn FootageSource) -> Self {
        Self { spans, source, read: BTreeMap::new(), room: KEPT_BYTES }
    }

    pub(super) fn span(&self, fragment: usize) -> Option<&'a FragmentSpan> {
        self.spans.get(fragment)
    }

    /// The fragment that covers an instant. Where several do, since a fast upload packs long fragments close on the
    /// server's clock, the latest. Where none does but the instant lies in the short gap to a fragment that goes on from
    /// one, as where a GOP was cut among its B-frames, that one.
    pub(super) fn covering(&self, instant: Duration, axis: Axis) -> Option<usize> {
        let spans = || self.spans.iter().enumerate();
        let last = |(fragment, span): &(usize, &FragmentSpan)| (span.start(axis), *fragment);
        let covering = spans().filter(|(_, span)| span.covers(instant, axis)).max_by_key(last);
        let in_gap_behind = |(fragment, span): &(usize, &FragmentSpan)| {
            let end = span.start(axis).saturating_add(span.duration);
            let next = self.span(fragment + 1).filter(|_| self.is_followed(*fragment));
            let gap = end..next.map_or(end, |next| next.start(axis));
            gap.contains(&instant) && gap.end - gap.start <= GAP_AT_A_CUT
        };
        let (fragment, _) = covering.or_else(|| spans().filter(in_gap_behind).max_by_key(last))?;
        Some(fragment)
    }

    /// Whether the next fragment goes on where this one ends.
    pub(super) fn is_followed(&self, fragment: usize) -> bool {
        let (Some(this), Some(next)) = (self.span(fragment), self.span(fragment + 1)) else { return false };
        let end = this.producer_timestamp.saturating_add(this.duration);
        end.abs_diff(next.producer_timestamp) <= CONTIGUOUS_WITHIN
    }

    /// The pictures of a fragment, reading it if need be.
    pub(super) fn shelved(&mut self, fragment: usize) -> Result<&Shelved, Undecodable> {
        if !self.read.contains_key(&fragment) {
            let shelved = self.take_down(fragment);
            self.read.insert(fragment, shelved);
        }
        self.known(fragment)
    }

    /// The pictures of a fragment that was read while planning.
    pub(super) fn known(&self, fragment: usize) -> Result<&Shelved, Undecodable> {
        match self.read.get(&fragment) {
            Some(Ok(shelved)) => Ok(shelved),
            Some(Err(reason)) => Err(reason.clone()),
            None => Err(Undecodable::Storage { reason: format!("fragment {fragment} was not planned for") }),
        }
    }

    /// The media of a fragment: kept, or read again.
    pub(super) fn footage(&self, fragment: usize) -> Result<Arc<Footage>, Undecodable> {
        match &self.known(fragment)?.footage {
            Some(footage) => Ok(Arc::clone(footage)),
            None => self.read(fragment).map(Arc::new),
        }
    }

    fn take_down(&mut self, fragment: usize) -> Result<Shelved, Undecodable> {
        let footage = self.read(fragment)?;
        let index = Arc::new(PictureIndex::of(&footage)?);
        let (start, bytes) = (footage.start, footage.bytes());
        let footage = self.room.checked_sub(bytes).map(|room| {
            self.room = room;
            Arc::new(footage)
        });
        Ok(Shelved { index, start, footage })
    }

    fn read(&self, fragment: usize) -> Result<Footage, Undecodable> {
        let span = self.span(fragment).ok_or(Undecodable::NoPicture)?;
        self.source.footage(&span.number).map_err(|error| Undecodable::Storage { reason: error.to_string() })
    }
}

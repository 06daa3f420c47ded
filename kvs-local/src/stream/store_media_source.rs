//! The stored fragments of a stream as input of image extraction.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kvs_types::__internal::from_epoch_millis;
use kvs_types::{FragmentNumber, TimestampOrigin};

use crate::images::limits::LOOK_BACK_FRAGMENTS;
use crate::images::{FragmentMedia, FragmentSpan, MediaSource};
use crate::ingest::NumberParts;
use crate::store::{FragmentRecord, Selection, Store, StoreError};

/// The stored media of one stream.
#[derive(Clone, Debug)]
pub(crate) struct StoreMediaSource {
    pub(crate) store: Arc<Store>,
    /// The name of the stream in the store.
    pub(crate) key: String,
    /// Fragments received before this time are past their retention and are not returned.
    pub(crate) since: SystemTime,
}

impl StoreMediaSource {
    /// Returns the fragments that start at `earliest_start` or later and cover any instant from `first` to `last`, with the
    /// neighbors that decoding may need.
    pub(crate) fn spans(
        &self,
        origin: TimestampOrigin,
        earliest_start: Duration,
        (first, last): (Duration, Duration),
    ) -> Result<Vec<FragmentSpan>, StoreError> {
        let covers = |span: &FragmentSpan| {
            let start = span.start(origin);
            earliest_start <= start && start <= last && first <= start.saturating_add(span.duration)
        };
        let spans = self.near(origin, first, last)?;
        let Some(from) = spans.iter().position(covers) else { return Ok(Vec::new()) };
        let to = spans.iter().rposition(covers).unwrap_or(from);
        Ok(with_neighbors(spans, from, to))
    }

    /// Returns a fragment and the earlier ones that decoding may need, and the index of the fragment among them.
    pub(crate) fn up_to(&self, number: &FragmentNumber) -> Result<Option<(Vec<FragmentSpan>, usize)>, StoreError> {
        let Some(parts) = NumberParts::of(number) else { return Ok(None) };
        let received = from_epoch_millis(parts.server_ms);
        let mut spans = self.received(received, received)?;
        let Some(index) = spans.iter().rposition(|span| span.number == *number) else { return Ok(None) };
        spans.truncate(index.saturating_add(1));
        let spans = with_neighbors(spans, index, index);
        let index = spans.len().saturating_sub(1);
        Ok(Some((spans, index)))
    }

    /// Returns the fragments that may cover any instant from `first` to `last`, and those received shortly before and
    /// after. The other fragments of a stream with years of retention are not read.
    fn near(&self, origin: TimestampOrigin, first: Duration, last: Duration) -> Result<Vec<FragmentSpan>, StoreError> {
        // A fragment covers its last frame, but `Selection::Overlaps` does not include the end.
        let early = first.saturating_sub(Duration::from_millis(1));
        let overlapping = Selection::Overlaps { origin, from: at_epoch(early), to: at_epoch(last) };
        let covering = self.store.list(&self.key, &overlapping)?;
        let starting = Selection::StartsWithin { origin, from: at_epoch(early), to: at_epoch(last) };
        let starting = self.store.list(&self.key, &starting)?;
        let received = || covering.iter().chain(&starting).map(|info| info.server_timestamp);
        match (received().min(), received().max()) {
            (Some(first), Some(last)) => self.received(first, last),
            _ => Ok(Vec::new()),
        }
    }

    /// Returns the fragments received between two times, extended by [`BEFORE`] and [`AFTER`].
    fn received(&self, first: SystemTime, last: SystemTime) -> Result<Vec<FragmentSpan>, StoreError> {
        let from = first.checked_sub(BEFORE).unwrap_or(UNIX_EPOCH).max(self.since);
        let to = last.checked_add(AFTER).unwrap_or(last);
        let selection = Selection::StartsWithin { origin: TimestampOrigin::Server, from, to };
        Ok(self.store.list(&self.key, &selection)?.iter().map(span).collect())
    }
}

/// Longest total duration of the fragments that decoding may go back over: 20 s per fragment.
const BEFORE: Duration = Duration::from_secs(20 * LOOK_BACK_FRAGMENTS as u64);
/// Longest time until the next fragment: its own duration of up to 20 s, and as much again for a slow upload.
const AFTER: Duration = Duration::from_secs(40);

fn at_epoch(since: Duration) -> SystemTime {
    UNIX_EPOCH.checked_add(since).unwrap_or(UNIX_EPOCH)
}

/// Returns the spans from one index to another, with [`LOOK_BACK_FRAGMENTS`] before them and one after.
fn with_neighbors(mut spans: Vec<FragmentSpan>, from: usize, to: usize) -> Vec<FragmentSpan> {
    spans.truncate(to.saturating_add(2));
    spans.drain(..from.saturating_sub(LOOK_BACK_FRAGMENTS));
    spans
}

impl MediaSource for StoreMediaSource {
    fn media(&self, number: &FragmentNumber) -> Result<FragmentMedia, Box<dyn Error + Send + Sync>> {
        let fragment = self.store.load(&self.key, number)?;
        let contents = fragment.contents()?;
        Ok(FragmentMedia { tracks: contents.tracks.into(), start: fragment.timecode, frames: contents.frames })
    }
}

fn span(info: &FragmentRecord) -> FragmentSpan {
    FragmentSpan {
        number: info.number.clone(),
        producer_timestamp: since_epoch(info.producer_timestamp),
        server_timestamp: since_epoch(info.server_timestamp),
        duration: info.duration,
    }
}

fn since_epoch(at: SystemTime) -> Duration {
    at.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO)
}

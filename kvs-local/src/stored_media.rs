//! Stored fragments as the picture code wants them.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kvs_types::FragmentNumber;

use crate::clock::from_epoch_ms;
use crate::images::limits::LOOK_BACK_FRAGMENTS;
use crate::images::{Axis, FragmentMedia, FragmentSpan, MediaSource};
use crate::ingest::NumberParts;
use crate::store::{FragmentInfo, Selection, StoreError, TimestampKind};
use crate::stream::hub::Media;

/// The stored media of one stream.
#[derive(Clone, Debug)]
pub(crate) struct StoreMediaSource {
    pub(crate) media: Arc<Media>,
    /// The stream's media key.
    pub(crate) key: String,
    /// What retention covers no more is not there.
    pub(crate) since: SystemTime,
}

impl StoreMediaSource {
    /// The fragments that cover anything from the first to the last instant, with those around them that decoding may need.
    pub(crate) fn spans(&self, axis: Axis, first: Duration, last: Duration) -> Result<Vec<FragmentSpan>, StoreError> {
        let covers = |span: &FragmentSpan| {
            let start = span.start(axis);
            start <= last && first < start.saturating_add(span.duration.max(Duration::from_millis(1)))
        };
        let spans = self.near(axis, first, last)?;
        let Some(from) = spans.iter().position(covers) else { return Ok(Vec::new()) };
        let to = spans.iter().rposition(covers).unwrap_or(from);
        Ok(around(spans, from, to))
    }

    /// A fragment with those before it that decoding it may need, and which of them it is.
    pub(crate) fn up_to(&self, number: &FragmentNumber) -> Result<Option<(Vec<FragmentSpan>, usize)>, StoreError> {
        let Some(parts) = NumberParts::of(number) else { return Ok(None) };
        let at = from_epoch_ms(parts.server_ms);
        let mut spans = self.received(at, at)?;
        let Some(place) = spans.iter().rposition(|span| span.number == *number) else { return Ok(None) };
        spans.truncate(place.saturating_add(1));
        let spans = around(spans, place, place);
        let place = spans.len().saturating_sub(1);
        Ok(Some((spans, place)))
    }

    /// The fragments that may cover anything from the first to the last instant, with those received shortly before and
    /// after: what a stream kept for years holds besides is not looked at.
    fn near(&self, axis: Axis, first: Duration, last: Duration) -> Result<Vec<FragmentSpan>, StoreError> {
        let kind = match axis {
            Axis::Producer => TimestampKind::Producer,
            Axis::Server => TimestampKind::Server,
        };
        // A fragment of no duration covers its start, which the store does not count.
        let early = first.saturating_sub(Duration::from_millis(1));
        let overlapping = Selection::Overlaps { kind, from: at_epoch(early), to: at_epoch(last) };
        let covering = self.media.store().list(&self.key, &overlapping)?;
        let starting = Selection::StartsWithin { kind, from: at_epoch(early), to: at_epoch(last) };
        let starting = self.media.store().list(&self.key, &starting)?;
        let received = || covering.iter().chain(&starting).map(|info| info.server_timestamp);
        match (received().min(), received().max()) {
            (Some(first), Some(last)) => self.received(first, last),
            _ => Ok(Vec::new()),
        }
    }

    /// The fragments received between these times, and a while before and after.
    fn received(&self, first: SystemTime, last: SystemTime) -> Result<Vec<FragmentSpan>, StoreError> {
        let from = first.checked_sub(BEFORE).unwrap_or(UNIX_EPOCH).max(self.since);
        let to = last.checked_add(AFTER).unwrap_or(last);
        let selection = Selection::StartsWithin { kind: TimestampKind::Server, from, to };
        Ok(self.media.store().list(&self.key, &selection)?.iter().map(span).collect())
    }
}

/// How long the fragments that decoding may look back over last at most.
const BEFORE: Duration = Duration::from_secs(20 * LOOK_BACK_FRAGMENTS as u64);
/// The next fragment comes within its own length, or is not contiguous.
const AFTER: Duration = Duration::from_secs(40);

fn at_epoch(since: Duration) -> SystemTime {
    UNIX_EPOCH.checked_add(since).unwrap_or(UNIX_EPOCH)
}

/// Those from one place to another with a few before and one behind.
fn around(mut spans: Vec<FragmentSpan>, from: usize, to: usize) -> Vec<FragmentSpan> {
    spans.truncate(to.saturating_add(2));
    spans.drain(..from.saturating_sub(LOOK_BACK_FRAGMENTS));
    spans
}

impl MediaSource for StoreMediaSource {
    fn media(&self, number: &FragmentNumber) -> Result<FragmentMedia, Box<dyn Error + Send + Sync>> {
        let fragment = self.media.store().load(&self.key, number)?;
        let contents = fragment.contents()?;
        Ok(FragmentMedia { tracks: contents.tracks.into(), start: fragment.timecode, frames: contents.frames })
    }
}

/// Where a fragment lies in time.
fn span(info: &FragmentInfo) -> FragmentSpan {
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

//! Stored fragments as the picture code wants them.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kvs_mkv::FragmentNumber;

use crate::media::Media;
use crate::pictures::limits::LOOK_BACK_FRAGMENTS;
use crate::pictures::{Axis, Footage, FootageSource, FragmentSpan};
use crate::store::{FragmentInfo, Selection, StoreError};

/// The stored media of one stream.
#[derive(Clone, Debug)]
pub(crate) struct StoredFootage {
    pub(crate) media: Arc<Media>,
    /// The stream's media key.
    pub(crate) key: String,
    /// What retention covers no more is not there.
    pub(crate) since: SystemTime,
}

impl StoredFootage {
    /// The fragments that cover anything from the first to the last instant, with those around them that decoding may need.
    pub(crate) fn spans(&self, axis: Axis, first: Duration, last: Duration) -> Result<Vec<FragmentSpan>, StoreError> {
        let covers = |span: &FragmentSpan| {
            let start = span.start(axis);
            start <= last && first < start.saturating_add(span.duration.max(Duration::from_millis(1)))
        };
        let spans = self.all()?;
        let Some(from) = spans.iter().position(covers) else { return Ok(Vec::new()) };
        let to = spans.iter().rposition(covers).unwrap_or(from);
        Ok(around(spans, from, to))
    }

    /// A fragment with those before it that decoding it may need, and which of them it is.
    pub(crate) fn up_to(&self, number: &FragmentNumber) -> Result<Option<(Vec<FragmentSpan>, usize)>, StoreError> {
        let mut spans = self.all()?;
        let Some(place) = spans.iter().rposition(|span| span.number == *number) else { return Ok(None) };
        spans.truncate(place.saturating_add(1));
        let spans = around(spans, place, place);
        let place = spans.len().saturating_sub(1);
        Ok(Some((spans, place)))
    }

    fn all(&self) -> Result<Vec<FragmentSpan>, StoreError> {
        let all = self.media.store().list(&self.key, &Selection::All)?;
        Ok(all.iter().filter(|info| info.server_timestamp >= self.since).map(span).collect())
    }
}

/// Those from one place to another with a few before and one behind.
fn around(mut spans: Vec<FragmentSpan>, from: usize, to: usize) -> Vec<FragmentSpan> {
    spans.truncate(to.saturating_add(2));
    spans.drain(..from.saturating_sub(LOOK_BACK_FRAGMENTS));
    spans
}

impl FootageSource for StoredFootage {
    fn footage(&self, number: &FragmentNumber) -> Result<Footage, Box<dyn Error + Send + Sync>> {
        let fragment = self.media.store().load(&self.key, number)?;
        let contents = fragment.contents()?;
        Ok(Footage { tracks: contents.tracks.into(), start: fragment.timecode, frames: contents.frames })
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

//! Stored fragments as the picture code wants them.

use std::error::Error;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kvs_mkv::FragmentNumber;

use crate::pictures::limits::LOOK_BACK_FRAGMENTS;
use crate::pictures::{Axis, Footage, FootageSource, FragmentSpan};
use crate::store::{FragmentInfo, Selection, Store, StoreError};

/// The stored media of one stream.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StoredFootage<'a> {
    pub(crate) store: &'a Store,
    /// The stream's media key.
    pub(crate) key: &'a str,
    /// What retention covers no more is not there.
    pub(crate) since: SystemTime,
}

impl StoredFootage<'_> {
    /// The fragments that cover anything from the first to the last instant, with those around them that decoding may need.
    pub(crate) fn spans(&self, axis: Axis, first: Duration, last: Duration) -> Result<Vec<FragmentSpan>, StoreError> {
        let all = self.store.list(self.key, &Selection::All)?;
        let spans: Vec<FragmentSpan> =
            all.iter().filter(|info| info.server_timestamp >= self.since).map(span).collect();
        let covers = |span: &FragmentSpan| {
            let start = span.start(axis);
            start <= last && first < start.saturating_add(span.duration.max(Duration::from_millis(1)))
        };
        let Some(from) = spans.iter().position(covers) else { return Ok(Vec::new()) };
        let to = spans.iter().rposition(covers).unwrap_or(from);
        let wanted = from.saturating_sub(LOOK_BACK_FRAGMENTS)..=to.saturating_add(1).min(spans.len().saturating_sub(1));
        Ok(spans.get(wanted).map(<[FragmentSpan]>::to_vec).unwrap_or_default())
    }
}

impl FootageSource for StoredFootage<'_> {
    fn footage(&self, number: &FragmentNumber) -> Result<Footage, Box<dyn Error + Send + Sync>> {
        let fragment = self.store.load(self.key, number)?;
        let contents = fragment.contents()?;
        Ok(Footage { tracks: contents.tracks.into(), start: fragment.timecode, frames: contents.frames })
    }
}

/// Where a fragment lies in time.
pub(crate) fn span(info: &FragmentInfo) -> FragmentSpan {
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

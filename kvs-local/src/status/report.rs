//! The report that the page shows, as JSON.

use std::sync::Arc;
use std::time::SystemTime;

use kvs_types::__internal::epoch_millis;
use kvs_types::TimestampOrigin;
use serde_json::{Value, json};

use super::activity::Activity;
use super::coverage;
use super::fragments::Descriptions;
use super::limits::{COVERED_FRAGMENTS, FRAGMENTS, STREAMS};
use crate::api::{ApiError, StreamRef};
use crate::error_chain::error_chain;
use crate::store::FragmentRecord;
use crate::stream::StreamHub;
use crate::stream::registry::{Registry, StreamRecord};

/// Newest fragments from which the bit rate of a stream is measured.
const RATE_FRAGMENTS: usize = 10;

/// What reports are made from. All calls block.
#[derive(Debug)]
pub(super) struct Reporter {
    pub(super) registry: Arc<Registry>,
    pub(super) hub: Arc<StreamHub>,
    pub(super) activity: Arc<Activity>,
    pub(super) descriptions: Descriptions,
}

impl Reporter {
    /// Returns the streams whose names start with `prefix`, and details of one stream if it exists.
    pub(super) fn report(&self, prefix: &str, stream: Option<&str>, now: SystemTime) -> Result<Value, ApiError> {
        let (streams, more) = self.registry.list(prefix, None, STREAMS, now);
        let errors = self.activity.error_counts();
        let listed = streams.iter().map(|stream| {
            let count = errors.get(&stream.name).copied().unwrap_or(0);
            self.summary(stream, count, now)
        });
        let listed: Vec<Value> = listed.collect::<Result<_, _>>()?;
        // It may have been deleted since the page was opened.
        let found = stream.and_then(|name| self.registry.find(&StreamRef::by_name(name), now).ok());
        let details = found.map(|stream| self.details(&stream, now)).transpose()?;
        Ok(json!({
            "version": env!("CARGO_PKG_VERSION"),
            "region": self.registry.identity().region,
            "now": epoch_millis(now),
            "streams": listed,
            "moreStreams": more,
            "stream": details,
            "errorAcks": self.activity.error_acks(stream),
            "deliveries": self.activity.deliveries(stream),
        }))
    }

    fn summary(&self, stream: &StreamRecord, errors: u64, now: SystemTime) -> Result<Value, ApiError> {
        let newest = self.newest(stream, RATE_FRAGMENTS)?;
        let last = newest.first();
        Ok(json!({
            "name": stream.name,
            "status": stream.status(now).as_str(),
            "live": self.hub.is_put_to(&stream.media_key()),
            "lastFragment": last.map(|fragment| epoch_millis(fragment.server_timestamp)),
            "bitsPerSecond": bit_rate(&newest),
            "errors": errors,
        }))
    }

    fn details(&self, stream: &StreamRecord, now: SystemTime) -> Result<Value, ApiError> {
        let key = stream.media_key();
        let covered = self.newest(stream, COVERED_FRAGMENTS)?;
        let shown = covered.get(..FRAGMENTS).unwrap_or(&covered);
        let mut connections = self.activity.producers(&stream.name);
        let (followers, listers) = self.hub.readers(&key);
        for (operation, count) in [("GetMedia", followers), ("GetMediaForFragmentList", listers)] {
            connections.extend((0..count).map(|_| json!({ "operation": operation })));
        }
        let images = stream.images.in_effect(now);
        let notifications = stream.notifications.in_effect(now);
        Ok(json!({
            "name": stream.name,
            "arn": stream.arn,
            "status": stream.status(now).as_str(),
            "created": stream.created_ms,
            "retentionHours": stream.retention_hours,
            "mediaType": stream.media_type,
            "tags": stream.tags,
            "images": images.map(|images| images.status.as_str()),
            "notifications": notifications.map(|notifications| notifications.status.as_str()),
            "connections": connections,
            "fragments": self.descriptions.describe(self.hub.store(), &key, shown),
            "coverage": {
                "fragments": covered.len(),
                "complete": covered.len() < COVERED_FRAGMENTS,
                "producer": coverage::runs(&covered, TimestampOrigin::Producer),
                "server": coverage::runs(&covered, TimestampOrigin::Server),
            },
        }))
    }

    /// Returns the newest fragments of a stream, the newest first.
    fn newest(&self, stream: &StreamRecord, count: usize) -> Result<Vec<FragmentRecord>, ApiError> {
        let listed = self.hub.store().newest(&stream.media_key(), count);
        let mut newest = listed.map_err(|error| {
            tracing::error!(error = error_chain(&error), stream = stream.name, "failed to list fragments");
            ApiError::internal()
        })?;
        newest.reverse();
        Ok(newest)
    }
}

/// Returns the bits per second of these fragments; `None` if they take no time.
fn bit_rate(fragments: &[FragmentRecord]) -> Option<u64> {
    let bytes: u64 = fragments.iter().map(|fragment| fragment.bytes).sum();
    let millis: u128 = fragments.iter().map(|fragment| fragment.duration.as_millis()).sum();
    let millis = u64::try_from(millis).ok()?;
    bytes.checked_mul(8000)?.checked_div(millis)
}

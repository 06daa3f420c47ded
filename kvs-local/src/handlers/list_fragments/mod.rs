//! ListFragments: the fragments of a stream, page by page.

mod page;

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use kvs_types::__internal::{epoch_millis, from_epoch_millis};
use kvs_types::TimestampOrigin;
use serde::Deserialize;
use serde_json::{Value, json};

use super::readable::ReadableStreams;
use crate::api::wire::{self, Response};
use crate::api::{ApiError, StreamRef, parse, required};
use crate::clock::{from_json_seconds, json_seconds};
use crate::error_chain::error_chain;
use crate::faults::InjectedFaults;
use crate::quotas::Quota;
use crate::store::FragmentRecord;

#[cfg(test)]
pub(super) use page::InvalidListing;
pub(super) use page::{Listing, Visibility};

/// Handles ListFragments.
#[derive(Debug)]
pub(super) struct ListFragments {
    streams: ReadableStreams,
    quota: Arc<Quota>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Request {
    #[serde(flatten)]
    stream: StreamRef,
    max_results: Option<i64>,
    next_token: Option<String>,
    fragment_selector: Option<FragmentSelector>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct FragmentSelector {
    fragment_selector_type: Option<TimestampOrigin>,
    timestamp_range: Option<TimestampRange>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TimestampRange {
    start_timestamp: Option<f64>,
    end_timestamp: Option<f64>,
}

/// Checks a request body.
pub(super) fn validate(body: &[u8]) -> Result<(), ApiError> {
    parse::<Request>(body)?.listing("door").map(drop)
}

impl ListFragments {
    pub(super) const fn new(streams: ReadableStreams, quota: Arc<Quota>) -> Self {
        Self { streams, quota }
    }

    pub(super) async fn handle(&self, body: &Bytes, faults: &InjectedFaults) -> Result<Response, ApiError> {
        let request: Request = parse(body)?;
        let stream = self.streams.find(&request.stream).await?;
        let key = stream.media_key();
        let listing = request.listing(&key)?;
        self.quota.take_metadata_points(&stream.name, listing.size() as u64, self.streams.clock().now().at)?;
        let hub = Arc::clone(self.streams.hub());
        let until = faults.listed_until(self.streams.clock().wall());
        let visibility = Visibility { unordered_pages: faults.unordered(), until };
        let page = tokio::task::spawn_blocking(move || listing.page(hub.store(), &key, visibility));
        let page = page.await.map_err(|_| ApiError::internal())?.map_err(|error| {
            tracing::error!(error = error_chain(&error), stream = stream.name, "failed to list fragments");
            ApiError::internal()
        })?;
        // A stream without retention has no archived fragments, although its latest media can be followed.
        let archived = if stream.retention_hours == 0 { &[] } else { page.fragments.as_slice() };
        let fragments: Vec<Value> = archived.iter().map(entry).collect();
        Ok(wire::ok(Some(json!({ "Fragments": fragments, "NextToken": page.next_token })), faults.json_style()))
    }
}

impl Request {
    fn listing(&self, key: &str) -> Result<Listing, ApiError> {
        let selector = self.fragment_selector.as_ref().map(FragmentSelector::parse).transpose()?;
        Listing::parse(key, selector, self.max_results, self.next_token.as_deref())
            .map_err(|error| ApiError::invalid(error.to_string()))
    }
}

impl FragmentSelector {
    fn parse(&self) -> Result<(TimestampOrigin, SystemTime, SystemTime), ApiError> {
        let origin = required("fragmentSelector.fragmentSelectorType", self.fragment_selector_type)?;
        let range = required("fragmentSelector.timestampRange", self.timestamp_range.as_ref())?;
        let from = required("fragmentSelector.timestampRange.startTimestamp", range.start_timestamp)?;
        let to = required("fragmentSelector.timestampRange.endTimestamp", range.end_timestamp)?;
        let time = |member, seconds| from_json_seconds(member, seconds).map(from_epoch_millis);
        Ok((origin, time("StartTimestamp", from)?, time("EndTimestamp", to)?))
    }
}

/// Returns the entry of a fragment. [`kvs_types::FragmentInfo`] would write whole seconds as integers; the service writes
/// `1700000000.0`.
fn entry(fragment: &FragmentRecord) -> Value {
    json!({
        "FragmentNumber": fragment.number.as_str(),
        "FragmentSizeInBytes": fragment.bytes,
        "ProducerTimestamp": json_seconds(epoch_millis(fragment.producer_timestamp)),
        "ServerTimestamp": json_seconds(epoch_millis(fragment.server_timestamp)),
        "FragmentLengthInMilliseconds": u64::try_from(fragment.duration.as_millis()).unwrap_or(u64::MAX),
    })
}

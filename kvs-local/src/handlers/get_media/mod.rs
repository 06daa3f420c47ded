//! GetMedia, GetMediaForFragmentList and ListFragments: stored media, as it came in.

mod reader;
mod selector;
mod service_tags;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use http::HeaderValue;
use http_body_util::BodyExt;
use http_body_util::channel::{Channel, Sender};
use kvs_mkv::Chunks;
use kvs_types::FragmentNumber;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::watch;

use self::reader::{ListedMedia, MediaReader, Read};
use self::selector::StartSelector;
use super::dispatcher::{Answerer, internal};
use super::list_fragments::Listing;
use super::put_media::session::now;
use crate::api::wire::{self, Answer, Style};
use crate::api::{ApiError, ReadOperation, StreamRef, parse, required};
use crate::clock::{epoch_ms, from_epoch_ms, from_json_seconds, json_seconds};
use crate::http::listener::stopped;
use crate::ingest::Profile;
use crate::limits;
use crate::quotas::{Flow, Meter};
use crate::store::{FragmentInfo, TimestampKind};
use crate::stream::lease::{ReadLease, Reader};
use crate::stream::registry::{ImageSelector, StreamRecord};

/// What real replies carry; the model's pattern forbids the slash.
const MEDIA: HeaderValue = HeaderValue::from_static("video/webm");

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GetMedia {
    #[serde(flatten)]
    stream: StreamRef,
    start_selector: Option<Selector>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Selector {
    start_selector_type: Option<String>,
    after_fragment_number: Option<String>,
    start_timestamp: Option<f64>,
    continuation_token: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GetMediaForFragmentList {
    #[serde(flatten)]
    stream: StreamRef,
    fragments: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListFragments {
    #[serde(flatten)]
    stream: StreamRef,
    max_results: Option<i64>,
    next_token: Option<String>,
    fragment_selector: Option<FragmentSelector>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct FragmentSelector {
    fragment_selector_type: Option<ImageSelector>,
    timestamp_range: Option<TimestampRange>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TimestampRange {
    start_timestamp: Option<f64>,
    end_timestamp: Option<f64>,
}

/// Reads the body of a request as its answer does, for fuzzing.
pub(crate) fn understand(operation: ReadOperation, body: &[u8], profile: Profile) -> Result<(), ApiError> {
    match operation {
        ReadOperation::GetMedia => {
            let request: GetMedia = parse(body)?;
            required("startSelector", request.start_selector)?.read().map(drop)
        }
        ReadOperation::GetMediaForFragmentList => parse::<GetMediaForFragmentList>(body)?.listed().map(drop),
        ReadOperation::ListFragments => parse::<ListFragments>(body)?.listing("door").map(drop),
        ReadOperation::GetImages => super::get_images::understand(body, profile),
    }
}

impl Answerer {
    /// Follows the live edge until nothing comes for a while.
    pub(in crate::handlers) async fn get_media(self: &Arc<Self>, body: &Bytes) -> Result<Answer, ApiError> {
        let request: GetMedia = parse(body)?;
        let start = required("startSelector", request.start_selector)?.read()?;
        let stream = self.readable(&request.stream).await?;
        let lease = self.media.acquire_read(&stream.media_key(), Reader::GetMedia)?;
        let arrivals = self.media.arrivals(&stream.media_key());
        let (sender, media) = Channel::<Bytes, io::Error>::new(limits::WAITING_PIECES);
        let follower = Follower {
            answerer: Arc::clone(self),
            stream,
            reader: MediaReader::new(start),
            arrivals,
            outflow: Outflow::default(),
            lease,
        };
        // Read before the answer goes out: where "now" is must not depend on when the body's task gets its turn.
        let (follower, first) = follower.read().await.map_err(|error| {
            tracing::error!(%error, "media could not be read");
            internal()
        })?;
        drop(tokio::spawn(follower.run(first, sender)));
        Ok(wire::streamed(MEDIA, media.boxed_unsync()))
    }

    /// Gives the fragments that were asked for, in that order.
    pub(in crate::handlers) async fn get_media_for_fragment_list(
        self: &Arc<Self>,
        body: &Bytes,
    ) -> Result<Answer, ApiError> {
        let request: GetMediaForFragmentList = parse(body)?;
        let points = request.fragments.as_ref().map_or(0, |fragments| fragments.len() as u64);
        let listed = request.listed()?;
        let stream = self.readable(&request.stream).await?;
        self.ledger.media(&stream.name, points, now(&self.clock).at)?;
        let lease = self.media.acquire_read(&stream.media_key(), Reader::GetMediaForFragmentList)?;
        let (sender, media) = Channel::<Bytes, io::Error>::new(limits::WAITING_PIECES);
        drop(tokio::spawn(Arc::clone(self).send_listed(stream.media_key(), listed, lease, sender)));
        Ok(wire::streamed(MEDIA, media.boxed_unsync()))
    }

    async fn send_listed(
        self: Arc<Self>,
        key: String,
        mut listed: ListedMedia,
        lease: ReadLease,
        mut sender: Sender<Bytes, io::Error>,
    ) {
        let _lease = lease;
        let mut outflow = Outflow::default();
        loop {
            let (answerer, wanted) = (Arc::clone(&self), key.clone());
            let read = tokio::task::spawn_blocking(move || {
                let read = listed.read(answerer.media.store(), &wanted);
                (listed, read)
            });
            match read.await {
                Ok((rest, Ok(Some(media)))) => {
                    let bytes = media.len() as u64;
                    if !send(&mut sender, media).await {
                        return;
                    }
                    outflow.pace(&self, bytes, 0).await;
                    listed = rest;
                }
                Ok((_, Ok(None))) => return,
                Ok((_, Err(error))) => return broken(sender, &error),
                Err(error) => return broken(sender, &error),
            }
        }
    }

    /// Which fragments there are.
    pub(in crate::handlers) async fn list_fragments(
        self: &Arc<Self>,
        body: &Bytes,
        style: Style,
    ) -> Result<Answer, ApiError> {
        let request: ListFragments = parse(body)?;
        let stream = self.readable(&request.stream).await?;
        let key = stream.media_key();
        let listing = request.listing(&key)?;
        self.ledger.metadata(&stream.name, listing.size() as u64, now(&self.clock).at)?;
        let answerer = Arc::clone(self);
        let page = tokio::task::spawn_blocking(move || listing.page(answerer.media.store(), &key));
        let page = page.await.map_err(|_| internal())?.map_err(|error| {
            tracing::error!(%error, "fragments could not be listed");
            internal()
        })?;
        // A stream without retention has nothing archived, although its latest media can be followed.
        let archived = if stream.retention_hours == 0 { &[] } else { page.fragments.as_slice() };
        let fragments: Vec<Value> = archived.iter().map(entry).collect();
        Ok(wire::ok(Some(json!({ "Fragments": fragments, "NextToken": page.next_token })), style))
    }

    /// The stream to be read; what its retention does not cover any more is gone from here on.
    async fn readable(&self, wanted: &StreamRef) -> Result<StreamRecord, ApiError> {
        let now = self.clock.wall();
        let stream = self.registry.find(wanted, now)?;
        if !stream.takes_media(now) {
            return Err(ApiError::no_stream());
        }
        let (media, trimmed) = (Arc::clone(&self.media), stream.clone());
        tokio::task::spawn_blocking(move || media.trim(&trimmed, now)).await.map_err(|_| internal())?;
        Ok(stream)
    }
}

impl GetMediaForFragmentList {
    fn listed(&self) -> Result<ListedMedia, ApiError> {
        let fragments = required("fragments", self.fragments.as_ref())?;
        let numbers: Result<Vec<FragmentNumber>, _> = fragments.iter().map(|number| number.parse()).collect();
        let numbers = numbers.map_err(|error| ApiError::invalid(format!("Fragments: {error}")))?;
        ListedMedia::new(numbers).map_err(|error| ApiError::invalid(error.to_string()))
    }
}

impl ListFragments {
    fn listing(&self, key: &str) -> Result<Listing, ApiError> {
        let selector = self.fragment_selector.as_ref().map(FragmentSelector::read).transpose()?;
        let token = self.next_token.as_deref().filter(|token| !token.is_empty());
        Listing::parse(key, selector, self.max_results, token).map_err(|error| ApiError::invalid(error.to_string()))
    }
}

fn entry(fragment: &FragmentInfo) -> Value {
    json!({
        "FragmentNumber": fragment.number.as_str(),
        "FragmentSizeInBytes": fragment.bytes,
        "ProducerTimestamp": json_seconds(epoch_ms(fragment.producer_timestamp)),
        "ServerTimestamp": json_seconds(epoch_ms(fragment.server_timestamp)),
        "FragmentLengthInMilliseconds": u64::try_from(fragment.duration.as_millis()).unwrap_or(u64::MAX),
    })
}

impl Selector {
    fn read(&self) -> Result<StartSelector, ApiError> {
        let kind = required("startSelector.startSelectorType", self.start_selector_type.as_deref())?;
        let start = self.start_timestamp.map(|start| time("StartTimestamp", start)).transpose()?;
        let after = self.after_fragment_number.as_deref();
        StartSelector::parse(kind, after, start, self.continuation_token.as_deref())
            .map_err(|error| ApiError::invalid(error.to_string()))
    }
}

impl FragmentSelector {
    fn read(&self) -> Result<(TimestampKind, SystemTime, SystemTime), ApiError> {
        let kind = match required("fragmentSelector.fragmentSelectorType", self.fragment_selector_type)? {
            ImageSelector::ServerTimestamp => TimestampKind::Server,
            ImageSelector::ProducerTimestamp => TimestampKind::Producer,
        };
        let range = required("fragmentSelector.timestampRange", self.timestamp_range.as_ref())?;
        let from = required("fragmentSelector.timestampRange.startTimestamp", range.start_timestamp)?;
        let to = required("fragmentSelector.timestampRange.endTimestamp", range.end_timestamp)?;
        Ok((kind, time("StartTimestamp", from)?, time("EndTimestamp", to)?))
    }
}

fn time(member: &str, seconds: f64) -> Result<SystemTime, ApiError> {
    from_json_seconds(member, seconds).map(from_epoch_ms)
}

/// A client that follows a stream.
struct Follower {
    answerer: Arc<Answerer>,
    stream: StreamRecord,
    reader: MediaReader,
    arrivals: watch::Receiver<u64>,
    outflow: Outflow,
    /// Held until the end.
    lease: ReadLease,
}

impl Follower {
    /// Sends media until none comes for a while, the stream is deleted, or nobody reads.
    async fn run(mut self, mut read: Read, mut sender: Sender<Bytes, io::Error>) {
        loop {
            let goes_on = match read {
                Read::Media { bytes, .. } => {
                    let size = bytes.len() as u64;
                    let sent = send(&mut sender, bytes).await;
                    self.outflow.pace(&self.answerer, size, 1).await;
                    sent
                }
                Read::Wait { until } => self.wait(until.into()).await,
                _ => false,
            };
            if !goes_on {
                break;
            }
            (self, read) = match self.read().await {
                Ok(next) => next,
                Err(error) => return broken(sender, &*error),
            };
        }
        tracing::debug!(stream = self.stream.name, "a reader's connection is over");
        drop(self.lease);
    }

    async fn read(mut self) -> Result<(Self, Read), Box<dyn std::error::Error + Send + Sync>> {
        // What is stored from here on counts as news, so nothing falls between reading and waiting.
        self.arrivals.mark_unchanged();
        let read = tokio::task::spawn_blocking(move || {
            let now = now(&self.answerer.clock);
            let key = self.stream.media_key();
            let read = self.reader.read(self.answerer.media.store(), &key, now)?;
            Ok((self, read))
        });
        read.await?
    }

    /// Whether to read again: something was stored, or the time has come. Not if the stream or the service is gone.
    async fn wait(&mut self, until: tokio::time::Instant) -> bool {
        tokio::select! {
            changed = self.arrivals.changed() => changed.is_ok(),
            () = tokio::time::sleep_until(until) => true,
            () = stopped(self.answerer.stop.clone()) => false,
        }
    }
}

/// How fast a connection is sent to, where the service's rates hold.
#[derive(Debug, Default)]
struct Outflow {
    bytes: Meter,
    fragments: Meter,
}

impl Outflow {
    /// Waits as long as what was sent wants it.
    async fn pace(&mut self, answerer: &Answerer, bytes: u64, fragments: u64) {
        let at = now(&answerer.clock).at;
        let pause = answerer.ledger.pace(&mut self.bytes, Flow::Out, bytes, at);
        let pause = pause.max(answerer.ledger.pace(&mut self.fragments, Flow::FragmentsOut, fragments, at));
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
    }
}

/// Sends all pieces; `false` when nobody reads any more.
async fn send(sender: &mut Sender<Bytes, io::Error>, media: Chunks) -> bool {
    for piece in media {
        if sender.send_data(piece).await.is_err() {
            return false;
        }
    }
    true
}

/// Ends the connection before the body's end, so that the client sees that media is missing.
fn broken(sender: Sender<Bytes, io::Error>, error: &dyn std::error::Error) {
    tracing::error!(%error, "media could not be read");
    sender.abort(io::Error::other("media could not be read"));
}

//! GetMediaForFragmentList: the requested fragments, in the requested order.

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use kvs_mkv::Chunks;
use kvs_types::__internal::epoch_millis;
use kvs_types::FragmentNumber;
use serde::Deserialize;

use super::media_response::document::{FRAGMENT_NOT_FOUND, INTERNAL_ERROR, document, error_document};
use super::media_response::{MediaSender, media_response};
use super::readable::ReadableStreams;
use crate::api::wire::Response;
use crate::api::{ApiError, StreamRef, parse, required};
use crate::faults::InjectedFaults;
use crate::ingest::NumberParts;
use crate::limits;
use crate::quotas::Quota;
use crate::store::{Store, StoreError};
use crate::stream::registry::StreamRecord;
use crate::stream::{ReadKind, ReadLease, StreamHub};

/// Handles GetMediaForFragmentList.
#[derive(Debug)]
pub(super) struct GetMediaForFragmentList {
    streams: ReadableStreams,
    quota: Arc<Quota>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Request {
    #[serde(flatten)]
    stream: StreamRef,
    fragments: Option<Vec<String>>,
}

/// Checks a request body.
pub(super) fn validate(body: &[u8]) -> Result<(), ApiError> {
    parse::<Request>(body)?.fragment_list().map(drop)
}

impl GetMediaForFragmentList {
    pub(super) const fn new(streams: ReadableStreams, quota: Arc<Quota>) -> Self {
        Self { streams, quota }
    }

    pub(super) async fn handle(&self, body: &Bytes, faults: &InjectedFaults) -> Result<Response, ApiError> {
        let request: Request = parse(body)?;
        let fragments = request.fragment_list()?;
        let stream = self.streams.find(&request.stream).await?;
        let clock = self.streams.clock();
        fragments.check_origin(&stream, clock.wall())?;
        let fragments = fragments.found_until(faults.listed_until(clock.wall()));
        self.quota.take_media_points(&stream.name, fragments.len() as u64, clock.now().at)?;
        let hub = Arc::clone(self.streams.hub());
        let lease = hub.acquire_read(&stream.media_key(), ReadKind::List)?;
        let (sender, response) = media_response(Arc::clone(&self.quota), clock.clone());
        drop(tokio::spawn(send_all(hub, stream.media_key(), fragments, lease, sender)));
        Ok(response)
    }
}

impl Request {
    fn fragment_list(&self) -> Result<FragmentList, ApiError> {
        let fragments = required("fragments", self.fragments.as_ref())?;
        let numbers: Result<Vec<FragmentNumber>, _> = fragments.iter().map(|number| number.parse()).collect();
        let numbers = numbers.map_err(|error| ApiError::invalid(format!("Fragments: {error}")))?;
        FragmentList::new(numbers)
    }
}

async fn send_all(
    hub: Arc<StreamHub>,
    key: String,
    mut fragments: FragmentList,
    lease: ReadLease,
    mut sender: MediaSender,
) {
    loop {
        let (reading, wanted) = (Arc::clone(&hub), key.clone());
        let read = tokio::task::spawn_blocking(move || {
            let read = fragments.read(reading.store(), &wanted);
            (fragments, read)
        });
        match read.await {
            Ok((rest, Ok(Some(media)))) => {
                let bytes = media.len() as u64;
                if !sender.send(media).await {
                    break;
                }
                sender.pace(bytes, 0).await;
                fragments = rest;
            }
            Ok((_, Ok(None))) => break,
            Ok((_, Err(error))) => return sender.abort(&error),
            Err(error) => return sender.abort(&error),
        }
    }
    // Before the response ends: a client that asks again at once must find the lease free.
    drop((lease, hub));
}

/// Numbers that an error repeats.
const SHOWN_NUMBERS: usize = 10;

/// The fragments of a request that are still to be sent.
///
/// A fragment that is not stored becomes a document with error tags; the next one follows.
#[derive(Debug)]
pub(super) struct FragmentList {
    numbers: std::vec::IntoIter<FragmentNumber>,
    /// Fragments with a later server timestamp are not found yet.
    found_until: Option<SystemTime>,
}

impl FragmentList {
    /// A list of 1 to [`limits::FRAGMENT_LIST`] fragments.
    pub(super) fn new(numbers: Vec<FragmentNumber>) -> Result<Self, ApiError> {
        match numbers.len() {
            1..=limits::FRAGMENT_LIST => Ok(Self { numbers: numbers.into_iter(), found_until: None }),
            count => {
                Err(ApiError::invalid(format!("Fragments has 1 to {} entries, not {count}", limits::FRAGMENT_LIST)))
            }
        }
    }

    /// Hides fragments with a later server timestamp.
    fn found_until(self, found_until: Option<SystemTime>) -> Self {
        Self { found_until, ..self }
    }

    /// Refuses numbers that cannot be of this stream: in another format, from before it was created, or from the future. The
    /// service does so with this message.
    fn check_origin(&self, stream: &StreamRecord, now: SystemTime) -> Result<(), ApiError> {
        let latest = epoch_millis(now).saturating_add(limits::FRAGMENT_NUMBER_AHEAD_MS);
        let foreign = |number: &&FragmentNumber| {
            NumberParts::of(number).is_none_or(|parts| !(stream.created_ms..=latest).contains(&parts.server_ms))
        };
        let foreign: Vec<&str> = self.numbers.as_slice().iter().filter(foreign).map(FragmentNumber::as_str).collect();
        if foreign.is_empty() {
            return Ok(());
        }
        let shown = foreign.get(..SHOWN_NUMBERS).unwrap_or(&foreign).join(", ");
        Err(ApiError::invalid(format!("Fragment numbers are invalid : {shown}")))
    }

    fn len(&self) -> usize {
        self.numbers.len()
    }

    /// Returns the next part of the body, `None` at its end. Blocks.
    pub(super) fn read(&mut self, store: &Store, stream: &str) -> Result<Option<Chunks>, StoreError> {
        let Some(number) = self.numbers.next() else { return Ok(None) };
        let server_ms = NumberParts::of(&number).map_or(0, |parts| parts.server_ms);
        if self.found_until.is_some_and(|until| server_ms > epoch_millis(until)) {
            return Ok(Some(error_document(FRAGMENT_NOT_FOUND, &number)));
        }
        match store.load(stream, &number) {
            Ok(fragment) => Ok(Some(document(&fragment))),
            Err(StoreError::NotFound { number }) => Ok(Some(error_document(FRAGMENT_NOT_FOUND, &number))),
            Err(StoreError::Damaged { number }) => Ok(Some(error_document(INTERNAL_ERROR, &number))),
            Err(error) => Err(error),
        }
    }
}

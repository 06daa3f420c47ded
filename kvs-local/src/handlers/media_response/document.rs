//! A stored fragment as a Matroska document with the tags of the service.

use std::time::SystemTime;

use kvs_mkv::Chunks;
use kvs_types::{FragmentNumber, tag_names};

use super::service_tags;
use crate::store::StoredFragment;

/// Returns a fragment with the service's tags before its cluster. Media is sliced from what the store loaded.
pub(in crate::handlers) fn document(fragment: &StoredFragment) -> Chunks {
    let mut bytes = service_tags::open_ended(&fragment.header);
    bytes.push(service_tags::tags(&[
        (tag_names::FRAGMENT_NUMBER, fragment.info.number.as_str()),
        (tag_names::SERVER_TIMESTAMP, &service_tags::seconds(fragment.info.server_timestamp)),
        (tag_names::PRODUCER_TIMESTAMP, &service_tags::seconds(fragment.info.producer_timestamp)),
    ]));
    bytes.push(fragment.cluster.clone());
    bytes.push(fragment.trailing.clone());
    bytes
}

/// Returns [`document`] followed by the tags that only GetMedia sends.
pub(in crate::handlers) fn live_document(fragment: &StoredFragment, now: SystemTime) -> Chunks {
    let end = fragment.info.server_timestamp.checked_add(fragment.info.duration);
    let behind = end.and_then(|end| now.duration_since(end).ok()).unwrap_or_default();
    let mut bytes = document(fragment);
    bytes.push(service_tags::tags(&[
        (tag_names::MILLIS_BEHIND_NOW, &behind.as_millis().to_string()),
        (tag_names::CONTINUATION_TOKEN, fragment.info.number.as_str()),
    ]));
    bytes
}

/// Code and id of an error inside a body.
pub(in crate::handlers) type BodyError = (&'static str, &'static str);
/// As captured from the service for a fragment that does not exist.
pub(in crate::handlers) const FRAGMENT_NOT_FOUND: BodyError = ("FRAGMENT_NOT_FOUND", "3000");
/// GetMedia after a fragment that does not exist. The id is documented; the code is that of id 3000.
pub(in crate::handlers) const START_NOT_FOUND: BodyError = ("FRAGMENT_NOT_FOUND", "4000");
pub(in crate::handlers) const INTERNAL_ERROR: BodyError = ("INTERNAL_ERROR", "5000");

/// Returns a document that contains only an error.
pub(in crate::handlers) fn error_document((code, id): BodyError, number: &FragmentNumber) -> Chunks {
    let pairs =
        [(tag_names::ERROR_CODE, code), (tag_names::ERROR_ID, id), (tag_names::FRAGMENT_NUMBER, number.as_str())];
    Chunks::from(service_tags::error_document(&pairs))
}

//! Streams: their records, their media and the connections that use them.

mod hub;
mod lease;
pub(crate) mod registry;
pub(crate) mod retention;
mod store_media_source;

pub(crate) use hub::StreamHub;
pub(crate) use lease::{LeaseEnd, PutLease, ReadKind, ReadLease};
pub(crate) use store_media_source::StoreMediaSource;

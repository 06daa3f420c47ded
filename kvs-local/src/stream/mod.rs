//! Streams: their configuration, their media and their open connections.

pub(crate) mod hub;
pub(crate) mod lease;
pub(crate) mod registry;
pub(crate) mod store_media_source;

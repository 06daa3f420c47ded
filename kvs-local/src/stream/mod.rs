//! Streams: their records, their media and who is using it now.

pub(crate) mod hub;
pub(crate) mod registry;

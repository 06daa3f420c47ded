//! What the producer reports to its user: events, statistics, and the explanation of service errors.

pub(crate) mod diagnosis;
pub(crate) mod event;
pub(crate) mod sink;
pub(crate) mod stats;

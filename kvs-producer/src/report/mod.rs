//! What the producer reports to its user: events, statistics, and explanations of the service's errors.

pub(crate) mod diagnosis;
pub(crate) mod event;
pub(crate) mod no_progress;
pub(crate) mod outcome;
pub(crate) mod reason;
pub(crate) mod sink;
pub(crate) mod span;
pub(crate) mod spool;
pub(crate) mod stats;

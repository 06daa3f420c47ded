//! The configuration of a producer.

mod error;
mod policy;
mod producer_config;

pub use error::ConfigError;
pub use policy::{BitstreamMode, LongGop, MissingTrack, Overflow, SpoolOrder, StreamLookup, TimeJump, Timestamps};
pub use producer_config::ProducerConfig;

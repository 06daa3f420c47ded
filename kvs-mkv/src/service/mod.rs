//! What Kinesis Video Streams accepts, as data that the producer, the checks before sending and the local service share.
//!
//! The container in this crate knows no service; this module is the vocabulary they have in common: limits with their
//! sources, the reserved tag names, the error ids of acks, and the rules by which a fragment earns one.

pub mod limits;
pub mod tag_names;

mod error_id;
mod rules;

pub use error_id::ErrorId;
pub use rules::{FragmentCheck, Rule, Violation};

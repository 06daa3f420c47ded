//! The rules by which Kinesis Video Streams accepts a fragment, as data.
//!
//! The producer, the checks before sending and the local service share them. The limits, reserved tag names and error ids
//! behind the rules are in the crate `kvs-types`.

mod rules;

pub use kvs_types::ErrorId;
pub use rules::{FragmentCheck, Rule, Violation};

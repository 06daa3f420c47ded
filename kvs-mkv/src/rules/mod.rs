//! The rules by which Kinesis Video Streams accepts a fragment, as data.
//!
//! [`FragmentCheck`] applies them. The producer runs it before it sends, and the local service runs it on what arrives, so
//! that both agree. The limits, reserved tag names and error ids behind the rules are in the crate `kvs-types`.

mod check;
mod rule;

pub use check::FragmentCheck;
pub use rule::{Rule, Violation};

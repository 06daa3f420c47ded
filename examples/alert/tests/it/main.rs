//! The alert, end to end with kvs-local: a recording with a face tells, one without does not.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../../../tests/support/runtime_api.rs"]
mod runtime_api;

mod camera;
mod faces;
mod lambda;
mod sources;

//! The integration tests in one program: linking each file alone costs more than compiling it.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../service/mod.rs"]
mod service;
#[path = "../support/mod.rs"]
mod support;

mod cancellation;
mod core;
mod feeds;
mod progress;
mod regressions;
mod socket;
mod spool;

//! The integration tests in one program: linking each file alone costs more than compiling it.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../support/mod.rs"]
mod support;

mod boto3;
mod configuration_files;
mod hostile_answers;
mod hostile_pages;
mod hostile_peers;
mod pages;
mod proxy;
mod put_media;
mod tls;
mod wire_traps;

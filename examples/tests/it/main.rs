//! The integration tests in one program: linking each file alone costs more than compiling it.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../support/mod.rs"]
mod support;

mod day_of_images;
mod end_to_end;
mod examples;
mod feeds;
mod lambda;
mod one_fps_images;
mod ported;
mod with_kvs_local;

//! What a camera gives, by scripted servers and by GStreamer's.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../gstreamer/mod.rs"]
mod gstreamer;
#[path = "../scripted/mod.rs"]
mod scripted;

mod camera;
mod endings;
mod foreign;
mod support;

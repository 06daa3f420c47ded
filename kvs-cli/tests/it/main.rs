//! The integration tests in one program: linking each file alone costs more than compiling it.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../../../kvs-media/tests/it/judge.rs"]
mod judge;

#[path = "../../../kvs-rtsp/tests/gstreamer/mod.rs"]
mod gstreamer;
#[path = "../../../kvs-rtsp/tests/scripted/mod.rs"]
mod scripted;

mod camera_findings;
mod camera_sessions;
mod cameras;
mod clip;
mod escapes;
mod gateway;
mod global;
mod guide;
mod images;
mod interrupt;
mod listen;
mod mkv;
mod pipes;
mod players;
mod policy;
mod put;
mod remux;
mod spool;

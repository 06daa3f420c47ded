//! The integration tests in one program: linking each file alone costs more than compiling it.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod cases;
mod damage;
mod judge;
mod recordings;
mod speed;
#[cfg(feature = "timelapse")]
mod timelapse;

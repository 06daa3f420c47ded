//! The integration tests in one program: linking each file alone costs more than compiling it.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod envelopes;
mod forms;
mod hostile;

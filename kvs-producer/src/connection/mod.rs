//! The state machine between the buffer and the service: control requests, sessions, acknowledgements, waits.

mod acks;
mod backoff;
mod ended_session;
mod ending;
mod flight;
mod intent;
mod link;
mod machine;
mod progress;
mod send_window;
mod session;
mod setup;
mod timeouts;
mod timers;

pub(crate) use intent::Intent;
pub(crate) use machine::Connection;

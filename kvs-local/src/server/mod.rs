//! HTTP: connections in, requests routed and checked, answers out.

mod answerer;
mod connection;
mod listener;
mod route;
mod sigv4;
mod wire;

pub(crate) use answerer::Answerer;
pub(crate) use listener::Listener;
pub(crate) use sigv4::{AccessKey, Gate, Keyring};

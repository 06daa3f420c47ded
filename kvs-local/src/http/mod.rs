//! HTTP: connections, TLS and signatures.

mod connection;
pub(crate) mod listener;
pub(crate) mod sigv4;
mod tls;

pub(crate) use listener::Listener;
pub(crate) use sigv4::{AccessKey, Gate, Keyring, Payload};
pub(crate) use tls::Tls;

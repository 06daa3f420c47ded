//! HTTP: connections in, requests routed and checked, answers out.

mod aftermath;
mod answerer;
mod connection;
mod get_images;
mod listener;
mod put_media;
mod read_media;
mod route;
mod sigv4;
mod wire;

pub(crate) use answerer::Answerer;
pub(crate) use listener::Listener;
pub(crate) use sigv4::{AccessKey, Gate, Keyring};

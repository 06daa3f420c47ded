//! HTTP: connections in, requests routed and checked, answers out.

mod aftermath;
mod answerer;
mod befallen;
mod connection;
mod get_images;
mod listener;
mod put_media;
mod read_media;
mod route;
mod session;
mod sigv4;
mod tls;
mod wire;

pub(crate) use answerer::Answerer;
pub(crate) use listener::Listener;
pub(crate) use put_media::understand as understand_put_media;
pub(crate) use read_media::understand as understand_read;
pub(crate) use route::Route;
pub(crate) use sigv4::{AccessKey, Gate, Keyring, Payload};
pub(crate) use tls::Tls;

//! HTTP: connections, TLS, signatures and bodies. What a request asks for is decided by the [`Service`] above.

pub(crate) mod body;
mod connection;
mod door;
mod listener;
mod sigv4;
mod tls;
mod write_timeout;

pub(crate) use body::{BodyRoom, UnverifiedBody};
pub(crate) use connection::ConnectionInfo;
pub(crate) use door::{Admitted, CorsOrigin, Door, InvalidUrl, PublicUrl, mark_varying};
pub(crate) use listener::{Listener, Service};
pub(crate) use sigv4::{AccessKey, AccessKeys, Authenticator, Payload};
pub(crate) use tls::Tls;

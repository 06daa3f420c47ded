//! Endpoints, connections, TLS, proxies and the HTTP transport.

pub(crate) mod dial;
pub(crate) mod endpoint;
pub(crate) mod http_send;
pub(crate) mod hyper_send;
pub(crate) mod region;
pub(crate) mod timeouts;
pub(crate) mod tls;

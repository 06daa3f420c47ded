//! Endpoints, connections, TLS, proxies and the HTTP transport. Knows nothing of the service's operations.

pub(crate) mod dial;
pub(crate) mod endpoint;
pub(crate) mod error;
pub(crate) mod http_send;
pub(crate) mod hyper_send;
pub(crate) mod region;
pub(crate) mod timeouts;
pub(crate) mod tls;
mod tls_provider;

//! How a client reached the service.

use std::net::SocketAddr;

use http::{HeaderMap, header};

/// Scheme and local address of a connection: they decide which endpoint URL the service reports.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConnectionInfo {
    pub(crate) scheme: &'static str,
    pub(crate) local: SocketAddr,
}

impl ConnectionInfo {
    /// Returns the base URL of this service as the client reaches it: the host of its `Host` header, with the port.
    pub(crate) fn endpoint_url(self, headers: &HeaderMap) -> String {
        let Self { scheme, local } = self;
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let authority = host.and_then(|host| host.parse::<http::uri::Authority>().ok());
        match authority {
            Some(authority) if authority.port_u16().is_some() => format!("{scheme}://{authority}"),
            // The C producer sends a Host header without the port.
            Some(authority) => format!("{scheme}://{}:{}", authority.host(), local.port()),
            None => format!("{scheme}://{local}"),
        }
    }
}

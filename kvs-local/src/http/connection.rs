//! How a client reached the service.

use std::net::SocketAddr;

use crate::api::Plane;

/// Scheme and local address of a connection: they decide which endpoint URL the service reports.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConnectionInfo {
    pub(crate) scheme: &'static str,
    pub(crate) local: SocketAddr,
    /// The endpoint that the client connected to.
    pub(crate) plane: Plane,
}

//! Connections: name resolution, TCP, a proxy if one is configured, and TLS.

mod proxy;
mod tunnel;

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower_service::Service;

pub use proxy::{InvalidProxy, Proxy};
pub use tunnel::ProxyError;

use super::error::{Phase, TransportError};

/// A connection to the endpoint, encrypted or not.
pub(crate) type Connection = MaybeHttpsStream<Tunnel>;
/// The layer below: TCP to the endpoint, or a tunnel through a proxy.
type Tunnel = MaybeHttpsStream<TokioIo<TcpStream>>;

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type BoxFuture<T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;

/// Opens connections, each within the connect timeout. Cloning is cheap.
#[derive(Clone)]
pub(crate) struct Dialer {
    secure: HttpsConnector<TunnelConnector>,
    limit: Duration,
}

/// Connects to a host, through a proxy if one applies.
#[derive(Clone)]
struct TunnelConnector {
    tcp: HttpConnector,
    to_proxy: HttpsConnector<HttpConnector>,
    proxies: Arc<Matcher>,
}

impl Dialer {
    pub(crate) fn new(tls: rustls::ClientConfig, proxy: &Proxy, limit: Duration) -> Self {
        let mut tcp = HttpConnector::new();
        // Nagle's algorithm would hold back small frames until earlier data is acknowledged.
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(limit));
        tcp.enforce_http(false);
        let to_proxy = with_tls(tls.clone(), tcp.clone());
        let tunnels = TunnelConnector { tcp, to_proxy, proxies: Arc::new(proxy.matcher()) };
        Self { secure: with_tls(tls, tunnels), limit }
    }

    /// Connects to the host of `target`; its path is ignored.
    pub(crate) async fn dial(&self, target: Uri) -> Result<Connection, TransportError> {
        let (mut secure, limit) = (self.secure.clone(), self.limit);
        let endpoint = target.authority().map_or_else(String::new, ToString::to_string);
        let connecting = async move {
            poll_fn(|cx| secure.poll_ready(cx)).await?;
            secure.call(target).await
        };
        match tokio::time::timeout(limit, connecting).await {
            Ok(connected) => connected.map_err(|source| TransportError::Connect { endpoint, source }),
            Err(_) => Err(TransportError::Timeout { phase: Phase::Connect, limit }),
        }
    }
}

fn with_tls<C>(tls: rustls::ClientConfig, inner: C) -> HttpsConnector<C> {
    HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(inner)
}

impl Service<Uri> for Dialer {
    type Response = Connection;
    type Error = DialError;
    type Future = BoxFuture<Connection, DialError>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), DialError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, target: Uri) -> Self::Future {
        let dialer = self.clone();
        Box::pin(async move { dialer.dial(target).await.map_err(|error| DialError(Mutex::new(Some(error)))) })
    }
}

/// Carries an error through hyper's pool, which returns the error of its connector only by reference.
#[derive(Debug, thiserror::Error)]
#[error("connection not established")]
pub(crate) struct DialError(Mutex<Option<TransportError>>);

impl DialError {
    pub(crate) fn take(&self) -> Option<TransportError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Service<Uri> for TunnelConnector {
    type Response = Tunnel;
    type Error = BoxError;
    type Future = BoxFuture<Tunnel, BoxError>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.tcp.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, target: Uri) -> Self::Future {
        let Some(proxy) = self.proxies.intercept(&target) else {
            let connecting = self.tcp.call(target);
            return Box::pin(async move { Ok(Tunnel::Http(connecting.await?)) });
        };
        let connecting = self.to_proxy.call(proxy.uri().clone());
        Box::pin(async move {
            let stream = connecting.await.map_err(|error| ProxyError::unreachable(proxy.uri(), error))?;
            Ok(tunnel::open(stream, &proxy, &target).await?)
        })
    }
}

impl fmt::Debug for Dialer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialer").field("limit", &self.limit).finish_non_exhaustive()
    }
}

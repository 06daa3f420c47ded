//! From an address to a connection: name, TCP, a proxy where one is to be used, TLS.

mod proxy;
mod tunnel;

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
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

use crate::protocol::error::{Phase, TransportError};

/// A connection to where a request goes, encrypted or not.
pub(crate) type Dialed = MaybeHttpsStream<Reached>;
/// What lies below: TCP straight to the target, or the connection to a proxy that leads there.
type Reached = MaybeHttpsStream<TokioIo<TcpStream>>;

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type Pending<T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;

/// Makes connections, each within its time. Cloning is cheap.
#[derive(Clone)]
pub(crate) struct Dialer {
    secure: HttpsConnector<Reach>,
    limit: Duration,
}

/// Reaches a target, through a proxy where one is to be used.
#[derive(Clone)]
struct Reach {
    tcp: HttpConnector,
    to_proxy: HttpsConnector<HttpConnector>,
    proxies: Arc<Matcher>,
}

impl Dialer {
    pub(crate) fn new(tls: rustls::ClientConfig, proxy: &Proxy, limit: Duration) -> Self {
        let mut tcp = HttpConnector::new();
        // Acknowledgements and small frames must not wait for each other.
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(limit));
        tcp.enforce_http(false);
        let to_proxy = over(tls.clone(), tcp.clone());
        let reach = Reach { tcp, to_proxy, proxies: Arc::new(proxy.matcher()) };
        Self { secure: over(tls, reach), limit }
    }

    /// Connects to the host of `target`, whatever its path.
    pub(crate) async fn dial(&self, target: Uri) -> Result<Dialed, TransportError> {
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

fn over<C>(tls: rustls::ClientConfig, inner: C) -> HttpsConnector<C> {
    HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(inner)
}

impl Service<Uri> for Dialer {
    type Response = Dialed;
    type Error = TransportError;
    type Future = Pending<Dialed, TransportError>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, target: Uri) -> Self::Future {
        let dialer = self.clone();
        Box::pin(async move { dialer.dial(target).await })
    }
}

impl Service<Uri> for Reach {
    type Response = Reached;
    type Error = BoxError;
    type Future = Pending<Reached, BoxError>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.tcp.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, target: Uri) -> Self::Future {
        let Some(way) = self.proxies.intercept(&target) else {
            let connecting = self.tcp.call(target);
            return Box::pin(async move { Ok(Reached::Http(connecting.await?)) });
        };
        let connecting = self.to_proxy.call(way.uri().clone());
        Box::pin(async move {
            let stream = connecting.await.map_err(|error| ProxyError::unreachable(way.uri(), error.as_ref()))?;
            Ok(tunnel::open(stream, &way, &target).await?)
        })
    }
}

impl fmt::Debug for Dialer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialer").field("limit", &self.limit).finish_non_exhaustive()
    }
}

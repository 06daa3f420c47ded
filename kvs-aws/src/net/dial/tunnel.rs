//! `CONNECT`: turns a connection to a proxy into a tunnel to the endpoint.
//!
//! <https://www.rfc-editor.org/rfc/rfc9110#section-9.3.6>

use bytes::Bytes;
use http::header::{HOST, PROXY_AUTHORIZATION};
use http::{Request, Response, StatusCode, Uri};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::upgrade::Parts;
use hyper_util::client::proxy::matcher::Intercept;

use super::{BoxError, Tunnel};
use crate::client_limits;

/// A proxy did not connect to the endpoint. It is among the sources of
/// [`TransportError::Connect`](crate::TransportError).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyError {
    /// The proxy cannot be reached. Check its URL and the network.
    #[error("cannot connect to proxy {proxy}")]
    Unreachable {
        /// The proxy's URL without user and password.
        proxy: String,
        /// The cause: name resolution, TCP or TLS.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The proxy requires authentication. Set user and password in its URL.
    #[error("proxy {proxy} requires a user and password, or rejects the ones in its URL (HTTP 407)")]
    Unauthorized {
        /// The proxy's URL without user and password.
        proxy: String,
    },
    /// The proxy does not connect to the endpoint. Its administrator must allow the endpoint, or it is not reachable.
    #[error("proxy {proxy} did not connect to {target} (HTTP {status})")]
    Refused {
        /// The proxy's URL without user and password.
        proxy: String,
        /// Host and port of the endpoint.
        target: String,
        /// The HTTP status of the proxy's response.
        status: u16,
    },
    /// The proxy's response is not valid HTTP or incomplete.
    #[error("proxy {proxy} sent an invalid response to CONNECT")]
    InvalidResponse {
        /// The proxy's URL without user and password.
        proxy: String,
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl ProxyError {
    pub(super) fn unreachable(proxy: &Uri, source: BoxError) -> Self {
        Self::Unreachable { proxy: without_path(proxy), source }
    }
}

/// Asks the proxy at the other end of `stream` to connect to `target`. The returned stream leads to `target`.
pub(super) async fn open(stream: Tunnel, proxy: &Intercept, target: &Uri) -> Result<Tunnel, ProxyError> {
    let invalid = |source: BoxError| ProxyError::InvalidResponse { proxy: without_path(proxy.uri()), source };
    let broken = |error: hyper::Error| invalid(error.into());
    let mut http = http1::Builder::new();
    http.max_buf_size(client_limits::PROXY_HEAD_BYTES);
    let (mut requests, connection) = http.handshake(stream).await.map_err(broken)?;
    let exchange = async {
        let response = requests.send_request(request(proxy, target)).await.map_err(broken)?;
        check(&response, proxy, target)?;
        hyper::upgrade::on(response).await.map_err(broken)
    };
    // The exchange decides the result. The connection only has to be polled until then.
    let driving = async {
        let _ = connection.with_upgrades().await;
        std::future::pending().await
    };
    let upgraded = tokio::select! {
        result = exchange => result?,
        never = driving => never,
    };
    let Parts { io, read_buf, .. } = upgraded.downcast::<Tunnel>().expect("hyper returns the stream that it was given");
    match read_buf.len() {
        0 => Ok(io),
        // In TLS and HTTP the client sends first, so early bytes cannot be from the endpoint.
        early => Err(invalid(format!("{early} unexpected bytes after the response head").into())),
    }
}

fn request(proxy: &Intercept, target: &Uri) -> Request<Empty<Bytes>> {
    let to = with_port(target);
    let mut request = Request::connect(to.as_str()).header(HOST, &to);
    if let Some(user_and_password) = proxy.basic_auth() {
        request = request.header(PROXY_AUTHORIZATION, user_and_password);
    }
    request.body(Empty::new()).expect("host and port of a URI form a valid request target")
}

fn check(response: &Response<Incoming>, proxy: &Intercept, target: &Uri) -> Result<(), ProxyError> {
    let proxy = without_path(proxy.uri());
    match response.status() {
        status if status.is_success() => Ok(()),
        StatusCode::PROXY_AUTHENTICATION_REQUIRED => Err(ProxyError::Unauthorized { proxy }),
        status => Err(ProxyError::Refused { proxy, target: with_port(target), status: status.as_u16() }),
    }
}

fn with_port(target: &Uri) -> String {
    let port = target.port_u16().unwrap_or(if target.scheme_str() == Some("http") { 80 } else { 443 });
    format!("{}:{port}", target.host().unwrap_or_default())
}

fn without_path(proxy: &Uri) -> String {
    proxy.to_string().trim_end_matches('/').to_owned()
}

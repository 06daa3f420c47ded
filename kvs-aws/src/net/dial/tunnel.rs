//! `CONNECT`: a proxy's connection becomes the target's.
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

use super::Reached;
use crate::limits;
use crate::protocol::error::root_cause;

/// A proxy did not lead to the target. Found among the sources of [`TransportError::Connect`](crate::TransportError).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyError {
    /// No connection to the proxy itself.
    #[error("cannot reach the proxy {proxy}: {cause}")]
    Unreachable {
        /// The proxy, without user and password.
        proxy: String,
        /// Why: name resolution, refusal, TLS.
        cause: String,
    },
    /// It wants to know who comes.
    #[error("the proxy {proxy} asks for a user and password, or does not take those given (HTTP 407)")]
    Unauthorized {
        /// The proxy, without user and password.
        proxy: String,
    },
    /// It does not connect to the target, or cannot.
    #[error("the proxy {proxy} does not connect to {target} (HTTP {status})")]
    Refused {
        /// The proxy, without user and password.
        proxy: String,
        /// Where the connection should have led.
        target: String,
        /// What it answered.
        status: StatusCode,
    },
    /// It does not speak as a proxy speaks, or breaks off.
    #[error("the proxy {proxy} gives no usable answer: {problem}")]
    Answer {
        /// The proxy, without user and password.
        proxy: String,
        /// What is wrong with it.
        problem: String,
    },
}

impl ProxyError {
    pub(super) fn unreachable(proxy: &Uri, error: &(dyn std::error::Error + 'static)) -> Self {
        Self::Unreachable { proxy: shown(proxy), cause: root_cause(error) }
    }
}

/// Has the proxy behind `stream` connect to `target`: what is sent after that goes there.
pub(super) async fn open(stream: Reached, way: &Intercept, target: &Uri) -> Result<Reached, ProxyError> {
    let unusable = |problem: String| ProxyError::Answer { proxy: shown(way.uri()), problem };
    let broken = |error: hyper::Error| unusable(root_cause(&error));
    let mut http = http1::Builder::new();
    http.max_buf_size(limits::PROXY_HEAD_BYTES);
    let (mut requests, connection) = http.handshake(stream).await.map_err(broken)?;
    let exchange = async {
        let response = requests.send_request(request(way, target)).await.map_err(broken)?;
        judge(&response, way, target)?;
        hyper::upgrade::on(response).await.map_err(broken)
    };
    // The exchange is what ends; the connection is only to be kept going meanwhile.
    let driving = async {
        let _ = connection.with_upgrades().await;
        std::future::pending().await
    };
    let upgraded = tokio::select! {
        answer = exchange => answer?,
        never = driving => never,
    };
    let Parts { io, read_buf, .. } = upgraded.downcast::<Reached>().expect("the stream that the handshake took");
    match read_buf.len() {
        0 => Ok(io),
        // The client speaks first, in TLS as in HTTP.
        early => Err(unusable(format!("{early} bytes after its head"))),
    }
}

fn request(way: &Intercept, target: &Uri) -> Request<Empty<Bytes>> {
    let to = with_port(target);
    let mut request = Request::connect(to.as_str()).header(HOST, &to);
    if let Some(user_and_password) = way.basic_auth() {
        request = request.header(PROXY_AUTHORIZATION, user_and_password);
    }
    request.body(Empty::new()).expect("host and port of an address are an address")
}

fn judge(response: &Response<Incoming>, way: &Intercept, target: &Uri) -> Result<(), ProxyError> {
    let proxy = shown(way.uri());
    match response.status() {
        status if status.is_success() => Ok(()),
        StatusCode::PROXY_AUTHENTICATION_REQUIRED => Err(ProxyError::Unauthorized { proxy }),
        status => Err(ProxyError::Refused { proxy, target: with_port(target), status }),
    }
}

fn with_port(target: &Uri) -> String {
    let port = target.port_u16().unwrap_or(if target.scheme_str() == Some("http") { 80 } else { 443 });
    format!("{}:{port}", target.host().unwrap_or_default())
}

/// A proxy's address has no path worth showing.
fn shown(proxy: &Uri) -> String {
    proxy.to_string().trim_end_matches('/').to_owned()
}

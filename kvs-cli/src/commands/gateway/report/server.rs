//! The HTTP server of `/metrics` and `/health`.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::{Overview, health, metrics};
use crate::commands::accept::{self, Limits};

/// Monitors ask one at a time.
const LIMITS: Limits = Limits { connections: 16, time: Duration::from_secs(30) };

/// A running server; dropping it stops it.
#[derive(Debug)]
pub(in crate::commands::gateway) struct Server {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Server {
    pub(in crate::commands::gateway) async fn start(address: SocketAddr, overview: Arc<Overview>) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let answer = move |request| std::future::ready(answer(&request, &overview));
        Ok(Self { address, task: tokio::spawn(accept::serve(listener, LIMITS, answer)) })
    }

    pub(in crate::commands::gateway) const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn answer(request: &Request<Incoming>, overview: &Overview) -> Response<Full<Bytes>> {
    if !is_local(request.headers().get(HOST)) {
        return page(StatusCode::FORBIDDEN, TEXT, "only for this machine\n".to_owned());
    }
    if request.method() != Method::GET {
        return page(StatusCode::METHOD_NOT_ALLOWED, TEXT, "only GET\n".to_owned());
    }
    match request.uri().path() {
        "/metrics" => page(StatusCode::OK, METRICS, metrics::text(&overview.status())),
        "/health" => page(StatusCode::OK, JSON, health::document(&overview.status()).to_string() + "\n"),
        _ => page(StatusCode::NOT_FOUND, TEXT, "only /metrics and /health exist\n".to_owned()),
    }
}

/// Whether a request names this machine. A web page whose name resolves to loopback must not read the names of cameras.
fn is_local(host: Option<&HeaderValue>) -> bool {
    let Some(host) = host else { return true };
    let Ok(host) = host.to_str() else { return false };
    let is_loopback = |text: &str| text.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    host.parse::<SocketAddr>().is_ok_and(|address| address.ip().is_loopback())
        || is_loopback(host.trim_matches(['[', ']']))
        || host.split(':').next() == Some("localhost")
}

const TEXT: &str = "text/plain; charset=utf-8";
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";
const JSON: &str = "application/json";

fn page(status: StatusCode, kind: &'static str, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_answered() {
        for (host, expected) in [
            ("127.0.0.1:9440", true),
            ("127.0.0.1", true),
            ("[::1]:9440", true),
            ("[::1]", true),
            ("localhost:9440", true),
            ("localhost", true),
            ("evil.example:9440", false),
            ("localhost.evil.example", false),
            ("10.0.0.1:9440", false),
        ] {
            assert_eq!(is_local(Some(&HeaderValue::from_static(host))), expected, "{host}");
        }
    }
}

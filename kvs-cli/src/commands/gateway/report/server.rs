//! The HTTP server of `/metrics` and `/health`.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::{Overview, health, metrics};

/// Most connections at a time; further ones wait in the queue of the listener.
const CONNECTIONS: usize = 16;
/// How long a connection may take.
const CONNECTION_TIME: Duration = Duration::from_secs(30);
/// How long the head of a request may take.
const HEAD_TIME: Duration = Duration::from_secs(5);
/// Pause after a connection could not be accepted, for example for lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

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
        Ok(Self { address, task: tokio::spawn(serve(listener, overview)) })
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

async fn serve(listener: TcpListener, overview: Arc<Overview>) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        // Never closed.
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
        let Ok((socket, _)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let overview = Arc::clone(&overview);
        tokio::spawn(async move {
            let answer = service_fn(|request| std::future::ready(Ok::<_, hyper::Error>(answer(&request, &overview))));
            let mut http = hyper::server::conn::http1::Builder::new();
            // One request per connection: an idle one takes no slot.
            http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME).keep_alive(false);
            let connection = http.serve_connection(TokioIo::new(socket), answer);
            let _ = tokio::time::timeout(CONNECTION_TIME, connection).await;
            drop(slot);
        });
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

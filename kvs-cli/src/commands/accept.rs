//! The accept loop of the HTTP servers of this program: so many connections at a time, each for so long.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// What connections may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Most connections at a time; further ones wait in the queue of the listener.
    pub(crate) connections: usize,
    /// How long a connection may take.
    pub(crate) time: Duration,
}

/// How long the head of a request may take.
const HEAD_TIME: Duration = Duration::from_secs(5);
/// Pause after a connection could not be accepted, for example for lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Answers one request on each connection, until it is dropped.
pub(crate) async fn serve<A, F>(listener: TcpListener, limits: Limits, answer: A)
where
    A: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<Full<Bytes>>> + Send + 'static,
{
    let slots = Arc::new(Semaphore::new(limits.connections));
    loop {
        // Never closed.
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
        let Ok((socket, _)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let answer = answer.clone();
        tokio::spawn(async move {
            let service = service_fn(|request| {
                let answered = answer(request);
                async move { Ok::<_, hyper::Error>(answered.await) }
            });
            let mut http = hyper::server::conn::http1::Builder::new();
            // One request per connection: an idle one takes no slot.
            http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME).keep_alive(false);
            let connection = http.serve_connection(TokioIo::new(socket), service);
            match tokio::time::timeout(limits.time, connection).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::debug!(%error, "connection failed"),
                Err(_) => tracing::debug!("connection closed after {:?}", limits.time),
            }
            drop(slot);
        });
    }
}

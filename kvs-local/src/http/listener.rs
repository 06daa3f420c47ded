//! Accepts connections, within bounds, until the service stops.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::connection::Guarded;
use crate::handlers::{Answerer, Arrival};
use crate::limits;

/// Tells everything that is running that the service stops. Dropping the sender says so too.
pub(crate) type Stop = watch::Receiver<bool>;

/// Waits until the service stops.
pub(crate) async fn stopped(mut stop: Stop) {
    // An error means that the sender is gone, which says the same.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// The open port.
pub(crate) struct Listener {
    tcp: TcpListener,
    local: SocketAddr,
    tls: Option<TlsAcceptor>,
}

impl Listener {
    /// Serves `tcp`, over TLS if there is an acceptor.
    pub(crate) fn new(tcp: TcpListener, tls: Option<TlsAcceptor>) -> std::io::Result<Self> {
        let local = tcp.local_addr()?;
        Ok(Self { tcp, local, tls })
    }

    /// Accepts until the service stops, then lets open requests end for a while.
    pub(crate) async fn run(self, answerer: Arc<Answerer>, stop: Stop) {
        let room = Arc::new(Semaphore::new(limits::CONNECTIONS));
        let mut open = JoinSet::new();
        let stopping = stopped(stop.clone());
        tokio::pin!(stopping);
        loop {
            let accepted = tokio::select! {
                () = &mut stopping => break,
                Some(_) = open.join_next() => continue,
                accepted = self.accept(&room) => accepted,
            };
            let Some((tcp, permit)) = accepted else { continue };
            let served = self.serve(tcp, Arc::clone(&answerer), stop.clone());
            open.spawn(async move {
                served.await;
                drop(permit);
            });
        }
        drop(self.tcp);
        let ended = async { while open.join_next().await.is_some() {} };
        if tokio::time::timeout(limits::SHUTDOWN_GRACE, ended).await.is_err() {
            tracing::warn!("connections were still busy when the service stopped");
        }
    }

    async fn accept(&self, room: &Arc<Semaphore>) -> Option<(TcpStream, OwnedSemaphorePermit)> {
        let permit = Arc::clone(room).acquire_owned().await.ok()?;
        match self.tcp.accept().await {
            Ok((tcp, _)) => Some((tcp, permit)),
            Err(error) => {
                // Most often the process is out of file descriptors: at once again would be a busy loop.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                None
            }
        }
    }

    fn serve(&self, tcp: TcpStream, answerer: Arc<Answerer>, stop: Stop) -> impl Future<Output = ()> + Send + 'static {
        let tls = self.tls.clone();
        let local = self.local;
        async move {
            let local = tcp.local_addr().unwrap_or(local);
            if let Err(error) = tcp.set_nodelay(true) {
                tracing::debug!(%error, "a connection keeps its delay");
            }
            let tcp = Guarded::new(tcp, limits::WRITE_STALL);
            let Some(tls) = tls else {
                return converse(tcp, answerer, Arrival { scheme: "http", local }, stop).await;
            };
            match tokio::time::timeout(limits::HANDSHAKE_TIME, tls.accept(tcp)).await {
                Ok(Ok(stream)) => converse(stream, answerer, Arrival { scheme: "https", local }, stop).await,
                Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
                Err(_) => tracing::debug!("a TLS handshake took too long"),
            }
        }
    }
}

/// Serves one connection's requests.
async fn converse<S>(stream: S, answerer: Arc<Answerer>, arrival: Arrival, stop: Stop)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request| Arc::clone(&answerer).answer(request, arrival));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits::HEAD_TIME)
        .max_buf_size(limits::HEAD_BYTES)
        .max_headers(limits::HEADERS)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopped(stop) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// How long to wait after a connection could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

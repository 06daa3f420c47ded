//! Accepts connections, up to a limit, until the service stops.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::ConnectionInfo;
use super::write_timeout::WriteTimeout;
use crate::api::Plane;
use crate::api::wire::Response;
use crate::limits;
use crate::shutdown::Shutdown;

/// Answers the requests of all connections.
pub(crate) trait Service: Send + Sync + 'static {
    /// Returns the response to a request; errors are responses too.
    fn respond(&self, request: Request<Incoming>, info: ConnectionInfo) -> impl Future<Output = Response> + Send;
}

/// The listening socket.
pub(crate) struct Listener {
    tcp: TcpListener,
    local: SocketAddr,
    tls: Option<TlsAcceptor>,
    plane: Plane,
}

impl Listener {
    /// Serves `tcp` as the endpoint `plane`, over TLS if there is an acceptor.
    pub(crate) fn new(tcp: TcpListener, tls: Option<TlsAcceptor>, plane: Plane) -> std::io::Result<Self> {
        let local = tcp.local_addr()?;
        Ok(Self { tcp, local, tls, plane })
    }

    /// Accepts connections until the service stops, then waits up to [`limits::SHUTDOWN_GRACE`] for open requests.
    pub(crate) async fn run(self, service: Arc<impl Service>, shutdown: Shutdown) {
        let slots = Arc::new(Semaphore::new(limits::CONNECTIONS));
        let mut open = JoinSet::new();
        let stopping = shutdown.requested();
        tokio::pin!(stopping);
        loop {
            let accepted = tokio::select! {
                () = &mut stopping => break,
                Some(_) = open.join_next() => continue,
                accepted = self.accept(&slots) => accepted,
            };
            let Some((tcp, permit)) = accepted else { continue };
            let served = self.serve(tcp, Arc::clone(&service), shutdown.clone());
            open.spawn(async move {
                served.await;
                drop(permit);
            });
        }
        drop(self.tcp);
        let ended = async { while open.join_next().await.is_some() {} };
        if tokio::time::timeout(limits::SHUTDOWN_GRACE, ended).await.is_err() {
            tracing::warn!(grace = ?limits::SHUTDOWN_GRACE, "connections were still open at shutdown and are closed");
        }
    }

    async fn accept(&self, slots: &Arc<Semaphore>) -> Option<(TcpStream, OwnedSemaphorePermit)> {
        let permit = Arc::clone(slots).acquire_owned().await.ok()?;
        match self.tcp.accept().await {
            Ok((tcp, _)) => Some((tcp, permit)),
            Err(error) => {
                // Usually the process is out of file descriptors; retrying at once would be a busy loop.
                tracing::warn!(%error, "failed to accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                None
            }
        }
    }

    fn serve(
        &self,
        tcp: TcpStream,
        service: Arc<impl Service>,
        shutdown: Shutdown,
    ) -> impl Future<Output = ()> + Send + 'static {
        let tls = self.tls.clone();
        let (local, plane) = (self.local, self.plane);
        async move {
            let local = tcp.local_addr().unwrap_or(local);
            let peer = tcp.peer_addr().map(|peer| peer.to_string()).unwrap_or_default();
            // Acks are small writes that clients wait for; Nagle's algorithm would delay them.
            if let Err(error) = tcp.set_nodelay(true) {
                tracing::debug!(%error, "failed to set TCP_NODELAY");
            }
            let tcp = WriteTimeout::new(tcp, limits::WRITE_STALL);
            let Some(tls) = tls else {
                return serve_requests(tcp, service, ConnectionInfo { scheme: "http", local, plane }, shutdown).await;
            };
            match tokio::time::timeout(limits::HANDSHAKE_TIME, tls.accept(tcp)).await {
                Ok(Ok(stream)) => {
                    serve_requests(stream, service, ConnectionInfo { scheme: "https", local, plane }, shutdown).await;
                }
                Ok(Err(error)) => {
                    tracing::warn!(%peer, %error, "TLS handshake failed; clients must trust ca.pem of the data folder")
                }
                Err(_) => tracing::warn!(%peer, limit = ?limits::HANDSHAKE_TIME, "TLS handshake timed out"),
            }
        }
    }
}

/// Serves one connection's requests.
async fn serve_requests<S>(stream: S, service: Arc<impl Service>, info: ConnectionInfo, shutdown: Shutdown)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request| {
        let service = Arc::clone(&service);
        async move { Ok::<_, Infallible>(service.respond(request, info).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits::HEAD_TIME)
        .max_buf_size(limits::HEAD_BYTES)
        .max_headers(limits::HEADERS)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = shutdown.requested() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "connection ended early");
    }
}

/// Pause after a connection could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

//! An HTTP endpoint for SNS: confirms its subscription, verifies every message and passes it on.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use kvs_notify::{Content, SnsMessage, Verifier};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;

use super::fetch::Fetcher;
use super::inbox::Inbox;

/// The name in the certificates that sign SNS messages, those of kvs-local included.
pub(super) const CERTIFICATE_NAME: &str = "sns.amazonaws.com";
/// Notifications that wait to be read; further posts wait for room.
const QUEUE: usize = 64;
/// Pause after a connection could not be accepted, for example for lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Most connections at a time; further ones wait in the queue of the listener. SNS delivers some tens of messages at once.
const CONNECTIONS: usize = 256;
/// How long the head of a request may take.
const HEAD_TIME: Duration = Duration::from_secs(5);
/// How long a connection may take: longer than SNS waits for an answer.
const CONNECTION_TIME: Duration = Duration::from_secs(60);

/// A verified notification.
#[derive(Clone, Debug)]
pub(super) struct Delivery {
    /// The message.
    pub message: SnsMessage,
    /// Its content.
    pub content: Content,
}

/// An address that accepts connections and answers once [`serve`](Self::serve) is called.
#[derive(Debug)]
pub(super) struct SnsAddress {
    listener: TcpListener,
    address: SocketAddr,
}

/// A running endpoint; dropping it stops it.
#[derive(Debug)]
pub(super) struct SnsEndpoint {
    deliveries: mpsc::Receiver<Delivery>,
    server: JoinHandle<()>,
}

impl SnsAddress {
    /// Listens on this address; port 0 takes a free port.
    pub(super) async fn listen(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    /// The URL to subscribe to the topic.
    #[must_use]
    pub(super) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Takes the messages that `verifier` accepts; with `save` each is first written as `DIR/MESSAGE_ID.json`.
    pub(super) fn serve(self, verifier: Verifier, save: Option<PathBuf>) -> Result<SnsEndpoint, rustls::Error> {
        let (sender, deliveries) = mpsc::channel(QUEUE);
        let inbox = Arc::new(Inbox::new(verifier, Fetcher::new()?, save, sender));
        let server = tokio::spawn(serve(self.listener, inbox));
        Ok(SnsEndpoint { deliveries, server })
    }
}

impl SnsEndpoint {
    /// Returns the next notification. Confirmations are handled and not returned.
    pub(super) async fn next(&mut self) -> Option<Delivery> {
        self.deliveries.recv().await
    }
}

impl Drop for SnsEndpoint {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(listener: TcpListener, inbox: Arc<Inbox>) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        // Never closed.
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
        let Ok((socket, _)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let inbox = Arc::clone(&inbox);
        let answer = service_fn(move |request| {
            let inbox = Arc::clone(&inbox);
            async move { Ok::<_, hyper::Error>(inbox.answer(request).await) }
        });
        tokio::spawn(async move {
            let mut http = hyper::server::conn::http1::Builder::new();
            // One request per connection: an idle one takes no slot.
            http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME).keep_alive(false);
            let connection = http.serve_connection(TokioIo::new(socket), answer);
            match tokio::time::timeout(CONNECTION_TIME, connection).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::debug!(%error, "connection failed"),
                Err(_) => tracing::debug!("connection closed after {CONNECTION_TIME:?}"),
            }
            drop(slot);
        });
    }
}

//! An HTTP endpoint for SNS: agrees to the subscription, verifies every message, hands on what it says.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use kvs_notify::{Content, SnsMessage, Verifier};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::fetch::Fetcher;
use super::inbox::Inbox;

/// The name that certificates for SNS messages carry, those of kvs-local included.
pub(super) const CERTIFICATE_NAME: &str = "sns.amazonaws.com";
/// Notifications that wait to be taken; further posts wait for room.
const QUEUE: usize = 64;
/// How long to wait when the system has no room for another connection.
const NO_ROOM: Duration = Duration::from_millis(100);

/// A verified notification.
#[derive(Clone, Debug)]
pub(super) struct Delivery {
    /// The message as it came.
    pub message: SnsMessage,
    /// What it says.
    pub content: Content,
}

/// An address that is listened on: posts wait until [`serve`](Self::serve) says whom to believe.
#[derive(Debug)]
pub(super) struct SnsAddress {
    listener: TcpListener,
    address: SocketAddr,
}

/// A running endpoint; dropping it ends it.
#[derive(Debug)]
pub(super) struct SnsEndpoint {
    deliveries: mpsc::Receiver<Delivery>,
    server: JoinHandle<()>,
}

impl SnsAddress {
    /// Listens; port 0 takes a free one.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub(super) async fn listen(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    /// What to subscribe to the topic.
    #[must_use]
    pub(super) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Takes posts that `verifier` believes; with `save` each is first written as `DIR/MESSAGE_ID.json`.
    ///
    /// # Errors
    /// When certificates cannot be fetched for want of TLS.
    pub(super) fn serve(self, verifier: Verifier, save: Option<PathBuf>) -> Result<SnsEndpoint, rustls::Error> {
        let (sender, deliveries) = mpsc::channel(QUEUE);
        let inbox = Arc::new(Inbox::new(verifier, Fetcher::new()?, save, sender));
        let server = tokio::spawn(serve(self.listener, inbox));
        Ok(SnsEndpoint { deliveries, server })
    }
}

impl SnsEndpoint {
    /// The next notification; confirmations are seen to and do not appear.
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
    loop {
        let Ok((socket, _)) = listener.accept().await else {
            tokio::time::sleep(NO_ROOM).await;
            continue;
        };
        let inbox = Arc::clone(&inbox);
        let answer = service_fn(move |request| {
            let inbox = Arc::clone(&inbox);
            async move { Ok::<_, hyper::Error>(inbox.answer(request).await) }
        });
        tokio::spawn(async move {
            let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), answer);
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended early");
            }
        });
    }
}

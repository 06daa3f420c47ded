//! An HTTP endpoint for SNS: confirms its subscription, verifies every message and passes it on.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use kvs_notify::{Content, SnsMessage, Verifier};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::fetch::Fetcher;
use super::inbox::Inbox;
use crate::commands::accept::{self, Limits};

/// The name in the certificates that sign SNS messages, those of kvs-local included.
pub(super) const CERTIFICATE_NAME: &str = "sns.amazonaws.com";
/// Notifications that wait to be read; further posts wait for room.
const QUEUE: usize = 64;
/// SNS delivers some tens of messages at once, and waits less than this for an answer.
const LIMITS: Limits = Limits { connections: 256, time: Duration::from_secs(60) };

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
        let answer = move |request| {
            let inbox = Arc::clone(&inbox);
            async move { inbox.answer(request).await }
        };
        let server = tokio::spawn(accept::serve(self.listener, LIMITS, answer));
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

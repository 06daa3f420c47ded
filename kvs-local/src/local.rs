//! The running service.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::api::StreamRef;
use crate::clock::Clock;
use crate::data_dir::DataDir;
use crate::deliver::{Delivery, DeliveryEvents, SignerError};
use crate::faults::Faults;
use crate::handlers::PutMedia;
use crate::http::AccessKey;
use crate::limits;
use crate::shutdown::ShutdownSender;
use crate::store::{FragmentRecord, StoreError};
use crate::stream::StreamHub;
use crate::stream::registry::Registry;

/// Kinesis Video Streams, running in this process.
///
/// It runs on the tokio runtime it was started on. [`shutdown`](Self::shutdown) stops it and waits for open connections;
/// dropping it stops it without waiting.
#[derive(Debug)]
pub struct LocalKvs(Parts);

/// What a running service consists of. Fields are dropped in this order: the data folder last.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) address: SocketAddr,
    pub(crate) endpoint_url: String,
    pub(crate) ca_certificate: Option<String>,
    pub(crate) region: String,
    pub(crate) key: AccessKey,
    pub(crate) registry: Arc<Registry>,
    pub(crate) hub: Arc<StreamHub>,
    pub(crate) clock: Clock,
    pub(crate) delivery: Arc<Delivery>,
    pub(crate) faults: Arc<Faults>,
    pub(crate) put_media: Arc<PutMedia>,
    pub(crate) stop: ShutdownSender,
    pub(crate) tasks: Vec<JoinHandle<()>>,
    pub(crate) folder: DataDir,
}

impl LocalKvs {
    pub(crate) const fn new(parts: Parts) -> Self {
        Self(parts)
    }

    /// Returns the base URL of all operations, for the `endpoint_url` setting of clients.
    pub fn endpoint_url(&self) -> &str {
        &self.0.endpoint_url
    }

    /// Returns the CA certificate that clients must trust, as PEM, if the service uses TLS.
    pub fn ca_certificate(&self) -> Option<&str> {
        self.0.ca_certificate.as_deref()
    }

    /// Returns the faults to inject; they can be changed at any time.
    pub fn faults(&self) -> &Faults {
        &self.0.faults
    }

    /// Returns the address that the service listens on.
    pub const fn address(&self) -> SocketAddr {
        self.0.address
    }

    /// Returns the region that clients sign for.
    pub fn region(&self) -> &str {
        &self.0.region
    }

    /// Returns an access key that clients can use: the first configured one.
    pub fn access_key(&self) -> &str {
        &self.0.key.id
    }

    /// Returns the secret of [`access_key`](Self::access_key).
    pub fn secret_key(&self) -> &str {
        &self.0.key.secret
    }

    /// Returns the folder with streams, media, images (`s3/`) and notifications (`sns/`).
    pub fn data_dir(&self) -> &Path {
        self.0.folder.path()
    }

    /// Returns the stored fragments of a stream in the order of their numbers; none for an unknown stream.
    ///
    /// # Errors
    ///
    /// The file system failed.
    pub async fn fragments(&self, stream: &str) -> Result<Vec<FragmentRecord>, StoreError> {
        let (registry, hub, now) = (Arc::clone(&self.0.registry), Arc::clone(&self.0.hub), self.0.clock.wall());
        let wanted = StreamRef::by_name(stream);
        let listed = tokio::task::spawn_blocking(move || {
            let stream = registry.find(&wanted, now);
            stream.map_or_else(|_| Ok(Vec::new()), |stream| hub.fragments(&stream.media_key()))
        });
        listed.await.expect("listing fragments neither panics nor is aborted")
    }

    /// Subscribes to delivery events from now on: images stored, messages published and delivered, and failures.
    pub fn deliveries(&self) -> DeliveryEvents {
        self.0.delivery.events()
    }

    /// Waits until all images and messages for the fragments acked PERSISTED so far are stored and published. Posts to
    /// subscribers may still be in progress.
    pub async fn settled(&self) {
        self.0.delivery.settled().await;
    }

    /// Returns the CA certificate behind the signatures of messages, as PEM, for subscribers to trust in tests.
    ///
    /// # Errors
    ///
    /// The signing key could not be read or created.
    pub async fn message_authority(&self) -> Result<String, SignerError> {
        self.0.delivery.authority().await
    }

    /// Stops the service within 10 s. New connections are refused; open requests have a few seconds to
    /// end before they are closed; images and messages that are not delivered by then are canceled and reported. A temporary data
    /// folder is removed.
    pub async fn shutdown(mut self) {
        let deadline = Instant::now() + limits::STOP_GRACE;
        self.0.stop.request();
        for task in std::mem::take(&mut self.0.tasks) {
            if task.await.is_err() {
                tracing::error!("a task of the service panicked before shutdown");
            }
        }
        if tokio::time::timeout_at(deadline - limits::DELIVERY_GRACE, self.0.put_media.sessions_ended()).await.is_err()
        {
            tracing::warn!(grace = ?limits::SHUTDOWN_GRACE, "PutMedia sessions were still open at shutdown");
        }
        self.0.delivery.finish(deadline.saturating_duration_since(Instant::now())).await;
    }
}

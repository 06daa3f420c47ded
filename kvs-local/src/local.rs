//! The running service.

use std::fs::{self, File, TryLockError};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use tokio::net::TcpListener;
use tokio::sync::{Semaphore, broadcast, watch};
use tokio::task::JoinHandle;

use crate::api::StreamRef;
use crate::builder::{Builder, Remote, Transport, Wanted};
use crate::deliver::{Delivery, DeliveryEvent, DeliverySettings, SignerError};
use crate::faults::{Fault, Faults, InvalidFaults};
use crate::handlers::{Answerer, Control};
use crate::http::{AccessKey, Listener, Tls};
use crate::ingest::Profile;
use crate::limits;
use crate::quotas::Ledger;
use crate::store::{FragmentInfo, Store, StoreError, StorePolicy};
use crate::stream::hub::StreamHub;
use crate::stream::registry::Registry;

/// Kinesis Video Streams, running in this process.
///
/// It runs on the tokio runtime it was started on. [`shutdown`](Self::shutdown) stops it and waits for what is open; dropping
/// it stops it without waiting.
#[derive(Debug)]
pub struct LocalKvs {
    address: SocketAddr,
    endpoint_url: String,
    ca_certificate: Option<String>,
    region: String,
    key: AccessKey,
    folder: DataDir,
    answerer: Arc<Answerer>,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

/// Why the service did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Other machines would reach the address, and that was not allowed.
    #[error("{address} is not a loopback address: allow remote clients or listen on 127.0.0.1")]
    NotLoopback {
        /// The address asked for.
        address: SocketAddr,
    },
    /// The address cannot be listened on.
    #[error("{address} cannot be listened on: {source}")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The data folder cannot be used.
    #[error("the data folder {path} cannot be used: {source}", path = path.display())]
    DataDir {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Another service uses the data folder.
    #[error("the data folder {path} is in use by another service", path = path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// A subscription names no topic, or no URL that can be posted to.
    #[error("a subscription to {arn} is not possible: {source}")]
    Subscription {
        /// The topic.
        arn: String,
        /// What is wrong.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Images and messages cannot be delivered.
    #[error("images and messages cannot be delivered: {source}")]
    Delivery {
        /// What is wrong.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A fault of the script names what does not exist.
    #[error(transparent)]
    Faults(#[from] InvalidFaults),
    /// There is no TLS.
    #[error("TLS cannot be set up: {source}")]
    Tls {
        /// What is wrong.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The region is not shaped as one.
    #[error("a region is made of a-z, 0-9 and '-', as us-west-2, not '{region}'")]
    Region {
        /// What was given.
        region: String,
    },
    /// The account is not shaped as one.
    #[error("an account has 12 digits, not '{account}'")]
    Account {
        /// What was given.
        account: String,
    },
}

impl LocalKvs {
    /// Sets up a service; see [`Builder`] for what holds without any setting.
    pub fn builder() -> Builder {
        Builder::new()
    }

    pub(crate) async fn start(setup: Builder) -> Result<Self, StartError> {
        let identity = setup.identity()?;
        if !setup.listen.ip().is_loopback() && setup.remote == Remote::Refused {
            return Err(StartError::NotLoopback { address: setup.listen });
        }
        setup.faults.iter().try_for_each(Fault::check)?;
        let folder = DataDir::open(setup.data_dir.as_deref())?;
        let seed = setup.seed.unwrap_or_else(|| fastrand::u64(..));
        let unusable = |source| StartError::DataDir { path: folder.path.clone(), source };
        let registry = Registry::open(folder.path.join("streams"), identity, seed);
        let registry = Arc::new(registry.map_err(|error| unusable(error.into()))?);
        let store = Store::open(folder.path.join("media"), StorePolicy::default());
        let media = store.and_then(|store| StreamHub::open(store, &registry, setup.clock.wall()));
        let media = Arc::new(media.map_err(|error| unusable(error.into()))?);

        let failed = |source| StartError::Listen { address: setup.listen, source };
        let tcp = TcpListener::bind(setup.listen).await.map_err(failed)?;
        let address = tcp.local_addr().map_err(failed)?;
        let tls = match setup.transport {
            Transport::Plain => None,
            Transport::Tls => Some(Tls::open(&folder.path, address.ip())),
        };
        let tls = tls.transpose().map_err(|error| StartError::Tls { source: error.into() })?;
        let (scheme, ca_certificate) =
            tls.as_ref().map_or(("http", None), |tls| ("https", Some(tls.authority.clone())));
        let endpoint_url = format!("{scheme}://{address}");
        let listener = Listener::new(tcp, tls.map(|tls| tls.acceptor)).map_err(failed)?;
        let delivery = start_delivery(&setup, &folder.path, &endpoint_url)?;
        let (stop, stopping) = watch::channel(false);
        let answerer = Arc::new(Answerer {
            control: Arc::new(Control::new(Arc::clone(&registry), setup.pace, shortest_sampling(setup.profile))),
            registry,
            media,
            delivery,
            gate: setup.gate(),
            clock: setup.clock.clone(),
            profile: setup.profile,
            stop: stopping.clone(),
            faults: Faults::new(setup.faults.clone()),
            random: Mutex::new(fastrand::Rng::with_seed(seed)),
            sessions: Arc::new(Semaphore::new(limits::CONNECTIONS)),
            ledger: Ledger::new(setup.quotas),
            picture_work: Arc::new(Semaphore::new(limits::PICTURE_REQUESTS)),
        });
        drop(tokio::spawn(Arc::clone(&answerer).tidy()));
        let serving = tokio::spawn(listener.run(Arc::clone(&answerer), stopping));
        Ok(Self {
            address,
            endpoint_url,
            ca_certificate,
            region: setup.region.clone(),
            key: setup.first_key(),
            folder,
            answerer,
            stop,
            serving,
        })
    }

    /// The base URL of all operations, for `endpoint_url` settings of clients.
    pub fn endpoint_url(&self) -> &str {
        &self.endpoint_url
    }

    /// The certificate, as PEM, that clients have to trust when the service speaks TLS.
    pub fn ca_certificate(&self) -> Option<&str> {
        self.ca_certificate.as_deref()
    }

    /// The faults it is to show from now on.
    pub fn faults(&self) -> &Faults {
        &self.answerer.faults
    }

    /// The address it listens on.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The region that clients sign for.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// The access key that clients may use: the first that was set up.
    pub fn access_key(&self) -> &str {
        &self.key.id
    }

    /// The secret that goes with [`access_key`](Self::access_key).
    pub fn secret_key(&self) -> &str {
        &self.key.secret
    }

    /// The folder that holds streams, media, images (`s3/`) and notifications (`sns/`).
    pub fn data_dir(&self) -> &Path {
        &self.folder.path
    }

    /// The fragments that are kept of a stream, in the order they came; none of a stream unknown.
    ///
    /// # Errors
    ///
    /// The file system refuses.
    pub async fn fragments(&self, stream: &str) -> Result<Vec<FragmentInfo>, StoreError> {
        let answerer = Arc::clone(&self.answerer);
        let wanted = StreamRef::by_name(stream);
        let listed = tokio::task::spawn_blocking(move || {
            let stream = answerer.registry.find(&wanted, answerer.clock.wall());
            stream.map_or_else(|_| Ok(Vec::new()), |stream| answerer.media.fragments(&stream.media_key()))
        });
        listed.await.expect("listing fragments does not panic and is not aborted")
    }

    /// What becomes of tagged fragments from now on: images stored, messages published and delivered, and what failed.
    pub fn deliveries(&self) -> broadcast::Receiver<DeliveryEvent> {
        self.answerer.delivery.events()
    }

    /// Waits until all images and messages of the fragments acked PERSISTED so far are stored and published; posts to
    /// subscribers may still be on their way.
    pub async fn settled(&self) {
        self.answerer.delivery.settled().await;
    }

    /// The certificate, as PEM, that receivers in tests may trust to check the signatures of messages.
    ///
    /// # Errors
    ///
    /// The key can neither be read nor made.
    pub async fn message_authority(&self) -> Result<String, SignerError> {
        self.answerer.delivery.authority().await
    }

    /// Stops the service: no new connections, open requests end or are cut off after a few seconds, a temporary data folder is
    /// removed.
    pub async fn shutdown(self) {
        self.stop.send_replace(true);
        if self.serving.await.is_err() {
            tracing::error!("the service had failed before it was stopped");
        }
        let all = u32::try_from(limits::CONNECTIONS).unwrap_or(u32::MAX);
        let over = self.answerer.sessions.acquire_many(all);
        if tokio::time::timeout(limits::SHUTDOWN_GRACE, over).await.is_err() {
            tracing::warn!("producers' sessions were still busy when the service stopped");
        }
        self.answerer.delivery.finish(limits::DELIVERY_GRACE).await;
        drop(self.answerer);
        drop(self.folder);
    }
}

fn start_delivery(setup: &Builder, data_dir: &Path, base_url: &str) -> Result<Delivery, StartError> {
    let settings = DeliverySettings {
        data_dir: data_dir.to_owned(),
        region: setup.region.clone(),
        account: setup.account.clone(),
        base_url: base_url.to_owned(),
        subscriptions: setup.subscriptions.iter().map(Wanted::make).collect::<Result<_, _>>()?,
    };
    let clock = setup.clock.clone();
    Delivery::start(&settings, move || clock.wall()).map_err(|error| StartError::Delivery { source: error.into() })
}

/// The shortest sampling interval of images, in ms.
const fn shortest_sampling(profile: Profile) -> u64 {
    match profile {
        Profile::Year2022 => limits::SAMPLING_INTERVAL_MS_2022,
        Profile::Current => limits::SAMPLING_INTERVAL_MS,
    }
}

/// The data folder, held against other services.
#[derive(Debug)]
struct DataDir {
    path: PathBuf,
    kept: Kept,
    /// Held until the end: the lock goes with it.
    _lock: File,
}

/// What becomes of the data folder in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kept {
    Yes,
    Removed,
}

impl DataDir {
    fn open(wanted: Option<&Path>) -> Result<Self, StartError> {
        let (path, kept) = match wanted {
            Some(path) => (path.to_owned(), Kept::Yes),
            None => (std::env::temp_dir().join(format!("kvs-local-{}", uuid::Uuid::new_v4())), Kept::Removed),
        };
        let failed = |source: io::Error| StartError::DataDir { path: path.clone(), source: source.into() };
        fs::create_dir_all(&path).map_err(failed)?;
        let lock = File::create(path.join("lock")).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path, kept, _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(StartError::InUse { path }),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }
}

impl Drop for DataDir {
    fn drop(&mut self) {
        if self.kept == Kept::Removed
            && let Err(error) = fs::remove_dir_all(&self.path)
        {
            tracing::debug!(%error, "the temporary data folder could not be removed");
        }
    }
}

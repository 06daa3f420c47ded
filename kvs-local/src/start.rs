//! Starting the service: opens the data folder, binds the address and connects the parts.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use tokio::net::TcpListener;

use crate::api::{DataPorts, Plane};
use crate::builder::{Builder, Decoder, DefaultKey, Outgoing, Ports, Remote, SubscriptionRequest, Transport};
use crate::clock::Clock;
use crate::data_dir::{DataDir, DataDirError};
use crate::deliver::{
    AwsEndpoint, AwsEndpoints, AwsKeys, Delivery, DeliveryEvents, DeliverySettings, Subscription, is_of_aws,
};
use crate::faults::{Fault, Faults, InvalidFaults};
use crate::handlers::{Components, Control, Gate, Reset};
use crate::http::{AccessKey, BodyRoom, CorsOrigin, Door, InvalidUrl, Listener, PublicUrl, Tls};
use crate::images::{Decoders, Ffmpeg};
use crate::ingest::Profile;
use crate::limits;
use crate::local::{LocalKvs, Parts};
use crate::quotas::Quota;
use crate::seed::{InvalidSeed, Seed};
use crate::shutdown::{self, Shutdown};
use crate::status::Activity;
use crate::store::{Store, StorePolicy};
use crate::stream::registry::{Delays, Identity, Registry};
use crate::stream::{StreamHub, retention};

/// The service could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The address is reachable from other machines, which was not allowed.
    #[error("{address} is not a loopback address: allow remote clients or listen on 127.0.0.1")]
    NotLoopback {
        /// The configured address.
        address: SocketAddr,
    },
    /// The address is reachable from other machines, and the only accepted key is the public default one.
    #[error(
        "{address} can be reached from other machines, and the default access key is public: set credentials, or allow the default key \
         by name"
    )]
    DefaultKey {
        /// The configured address.
        address: SocketAddr,
    },
    /// The address could not be bound.
    #[error("cannot listen on {address}")]
    Listen {
        /// The configured address.
        address: SocketAddr,
        /// The error of the system.
        source: io::Error,
    },
    /// The data folder could not be opened.
    #[error("cannot use data folder {path}", path = path.display())]
    DataDir {
        /// The folder.
        path: PathBuf,
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Another service uses the data folder.
    #[error("data folder {path} is in use by another service", path = path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// A subscription has an invalid topic or URL.
    #[error("invalid subscription to {arn}")]
    Subscription {
        /// The topic.
        arn: String,
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Delivery of images and messages could not be started.
    #[error("cannot start delivery of images and messages")]
    Delivery {
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A fault is invalid.
    #[error(transparent)]
    Faults(#[from] InvalidFaults),
    /// The streams to create are invalid.
    #[error("cannot create the streams of the seed")]
    Streams {
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// TLS could not be set up.
    #[error("cannot set up TLS")]
    Tls {
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The public URL or the origin of a web page is invalid.
    #[error("invalid {what} '{url}'", url = url.escape_debug())]
    Url {
        /// The setting.
        what: &'static str,
        /// The configured URL.
        url: String,
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// An endpoint for images or messages is one of AWS, which was not allowed.
    #[error("{what} {url} is one of AWS, where objects and messages cost money: allow AWS, or name an emulator")]
    Aws {
        /// The setting.
        what: &'static str,
        /// The configured URL.
        url: String,
    },
    /// The program ffmpeg was asked for and is not there.
    #[error(
        "there is no program {program} to decode video with: install ffmpeg, or choose the decoder auto or built-in",
        program = program.display()
    )]
    NoFfmpeg {
        /// The name or path of the program.
        program: PathBuf,
    },
    /// The region is invalid.
    #[error("invalid region '{region}': expected 1 to 32 of a-z, 0-9 and '-', such as us-west-2")]
    Region {
        /// The configured region.
        region: String,
    },
    /// The account is invalid.
    #[error("invalid account '{account}': expected 12 digits")]
    Account {
        /// The configured account.
        account: String,
    },
}

impl LocalKvs {
    /// Returns a builder; see [`Builder`] for the defaults.
    pub fn builder() -> Builder {
        Builder::new()
    }
}

impl Builder {
    /// Starts the service on the current tokio runtime.
    ///
    /// # Errors
    ///
    /// The address cannot be bound, is not a loopback address without [`allow_remote`](Self::allow_remote) or would accept the public
    /// default key from other machines, the data folder cannot be used or is in use, or region, account, subscriptions or faults are invalid.
    pub async fn start(self) -> Result<LocalKvs, StartError> {
        let identity = self.identity()?;
        if !self.listen.ip().is_loopback() && self.remote == Remote::Refused {
            return Err(StartError::NotLoopback { address: self.listen });
        }
        if !self.listen.ip().is_loopback() && self.uses_default_key() && self.default_key == DefaultKey::Local {
            return Err(StartError::DefaultKey { address: self.listen });
        }
        self.faults.iter().try_for_each(Fault::check)?;
        let public_url = self.checked_public_url()?;
        let origins = self.checked_origins()?;
        let decoders = Arc::new(self.decoders()?);
        let streams = Seed::parse(self.streams.as_deref().unwrap_or("[]")).map_err(invalid_seed)?;
        let folder = DataDir::open(self.data_dir.as_deref())?;
        let seed = self.seed.unwrap_or_else(|| fastrand::u64(..));
        let (registry, hub) = self.open_streams(folder.path(), identity, seed)?;
        let public_host = public_url.as_ref().map(PublicUrl::host);
        let (listeners, endpoint) = self.bind(folder.path(), public_host).await?;
        let base_url = public_url.as_ref().map_or(endpoint.url.as_str(), PublicUrl::as_str);
        let delivery = Arc::new(self.start_delivery(folder.path(), base_url, Arc::clone(&decoders))?);

        let (stop, shutdown) = shutdown::channel();
        let activity = Arc::new(Activity::default());
        let faults = Arc::new(Faults::new(self.faults.clone()));
        let gate = Gate {
            door: Door::new(endpoint.address.ip(), public_url, origins),
            authenticator: self.authenticator(),
            body_room: BodyRoom::default(),
            faults: Arc::clone(&faults),
            quota: Arc::new(Quota::new(self.quotas)),
        };
        let reset = Reset {
            registry: Arc::clone(&registry),
            hub: Arc::clone(&hub),
            delivery: Arc::clone(&delivery),
            control: Control::new(Arc::clone(&registry), Delays::default(), min_sampling_interval(self.profile)),
            seed: streams,
            clock: self.clock.clone(),
            delivered: ["s3", "sns"].map(|name| folder.path().join(name)),
        };
        reset.seed.apply(&reset.control, self.clock.wall()).map_err(invalid_seed)?;
        let components = Components {
            control: Control::new(Arc::clone(&registry), self.delays, min_sampling_interval(self.profile)),
            registry: Arc::clone(&registry),
            hub: Arc::clone(&hub),
            delivery: Arc::clone(&delivery),
            clock: self.clock.clone(),
            profile: self.profile,
            seed,
            shutdown: shutdown.clone(),
            data_ports: endpoint.data_ports,
            unknown_paths: self.unknown_paths,
            reset,
            decoders,
            activity: Arc::clone(&activity),
            page_rights: self.page_rights(),
        };
        let (dispatcher, put_media) = components.into_dispatcher(gate);
        let trim = retention::run(Arc::clone(&registry), Arc::clone(&hub), self.clock.clone(), shutdown.clone());
        let trimming = tokio::spawn(trim);
        let watching = tokio::spawn(watch(activity, delivery.events(), self.clock.clone(), shutdown.clone()));
        let dispatcher = Arc::new(dispatcher);
        let serve = |listener: Listener| tokio::spawn(listener.run(Arc::clone(&dispatcher), shutdown.clone()));
        let tasks = listeners.into_iter().map(serve).chain([trimming, watching]).collect();
        Ok(LocalKvs::new(Parts {
            address: endpoint.address,
            endpoint_url: endpoint.url,
            ca_certificate: endpoint.ca_certificate,
            region: self.region.clone(),
            key: self.first_key(),
            registry,
            hub,
            clock: self.clock,
            delivery,
            faults,
            put_media,
            stop,
            tasks,
            folder,
        }))
    }

    fn identity(&self) -> Result<Identity, StartError> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if self.region.is_empty() || self.region.len() > 32 || !self.region.bytes().all(plain) {
            return Err(StartError::Region { region: self.region.clone() });
        }
        if self.account.len() != 12 || !self.account.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(StartError::Account { account: self.account.clone() });
        }
        Ok(Identity { region: self.region.clone(), account: self.account.clone() })
    }

    fn checked_public_url(&self) -> Result<Option<PublicUrl>, StartError> {
        let check = |url: &String| PublicUrl::parse(url).map_err(|error| invalid_url("public URL", url, error));
        self.public_url.as_ref().map(check).transpose()
    }

    fn checked_origins(&self) -> Result<Vec<CorsOrigin>, StartError> {
        let check = |url: &String| CorsOrigin::parse(url).map_err(|error| invalid_url("CORS origin", url, error));
        self.cors_origins.iter().map(check).collect()
    }

    fn decoders(&self) -> Result<Decoders, StartError> {
        let missing = |program: &Path| StartError::NoFfmpeg { program: program.to_owned() };
        let find = || match &self.ffmpeg {
            Some(program) => {
                Some(Ffmpeg::at(program.clone())).filter(Ffmpeg::is_there).map(Some).ok_or(missing(program))
            }
            None => Ok(Ffmpeg::find()),
        };
        let decoders = match self.decoder {
            Decoder::BuiltIn => Decoders::BuiltIn,
            Decoder::Auto => find()?.map_or(Decoders::BuiltIn, Decoders::BuiltInFirst),
            Decoder::Ffmpeg => Decoders::Ffmpeg(find()?.ok_or_else(|| missing(Path::new("ffmpeg")))?),
        };
        tracing::debug!(?decoders, "decoders of images");
        Ok(decoders)
    }

    fn open_streams(
        &self,
        data_dir: &Path,
        identity: Identity,
        seed: u64,
    ) -> Result<(Arc<Registry>, Arc<StreamHub>), StartError> {
        let unusable = |source| StartError::DataDir { path: data_dir.to_owned(), source };
        let registry = Registry::open(data_dir.join("streams"), identity, seed);
        let registry = Arc::new(registry.map_err(|error| unusable(error.into()))?);
        let store = Store::open(data_dir.join("media"), StorePolicy::default());
        let hub = store.and_then(|store| StreamHub::open(store, &registry, self.clock.wall()));
        let hub = Arc::new(hub.map_err(|error| unusable(error.into()))?);
        Ok((registry, hub))
    }

    async fn bind(
        &self,
        data_dir: &Path,
        public_host: Option<&str>,
    ) -> Result<(Vec<Listener>, BoundEndpoint), StartError> {
        let (tcp, address) = listen(self.listen).await?;
        let tls = match self.transport {
            Transport::Plain => None,
            Transport::Tls => Some(Tls::open(data_dir, address.ip(), public_host, SystemTime::now())),
        };
        let tls = tls.transpose().map_err(|error| StartError::Tls { source: error.into() })?;
        let (scheme, ca_certificate) =
            tls.as_ref().map_or(("http", None), |tls| ("https", Some(tls.authority.clone())));
        let acceptor = tls.map(|tls| tls.acceptor);
        let listener = |(tcp, address), plane| {
            Listener::new(tcp, acceptor.clone(), plane).map_err(|source| StartError::Listen { address, source })
        };
        let (listeners, data_ports) = match self.data_addresses(address) {
            None => {
                tracing::info!(
                    "one port serves control plane and data plane; in AWS, data operations fail at the control endpoint"
                );
                (vec![listener((tcp, address), Plane::All)?], DataPorts::Shared)
            }
            Some([media, archived_media]) => {
                let (media, archived_media) = (listen(media).await?, listen(archived_media).await?);
                let ports = DataPorts::Own { media: media.1.port(), archived_media: archived_media.1.port() };
                let control = listener((tcp, address), Plane::Control)?;
                let data = [listener(media, Plane::Media)?, listener(archived_media, Plane::ArchivedMedia)?];
                (std::iter::once(control).chain(data).collect(), ports)
            }
        };
        Ok((listeners, BoundEndpoint { address, url: format!("{scheme}://{address}"), ca_certificate, data_ports }))
    }

    /// Returns the addresses of the media and the archived media endpoint, `None` if the control endpoint at `control` serves
    /// everything.
    fn data_addresses(&self, control: SocketAddr) -> Option<[SocketAddr; 2]> {
        let after = |step: u16| if self.listen.port() == 0 { 0 } else { control.port().checked_add(step).unwrap_or(0) };
        let (media, archived_media) = match self.ports {
            // One public URL leads to one port.
            Ports::One => return None,
            Ports::Separate | Ports::Given { .. } if self.public_url.is_some() => return None,
            Ports::Separate => (after(1), after(2)),
            Ports::Given { media, archived_media } => (media, archived_media),
        };
        Some([media, archived_media].map(|port| SocketAddr::new(control.ip(), port)))
    }

    fn endpoint(&self, what: &'static str, url: Option<&str>) -> Result<Option<AwsEndpoint>, StartError> {
        let Some(url) = url else { return Ok(None) };
        let parsed = PublicUrl::parse(url).map_err(|error| invalid_url(what, url, error))?;
        let Outgoing { keys, create_missing, allow_aws, .. } = &self.outgoing;
        if is_of_aws(url) && !allow_aws {
            return Err(StartError::Aws { what, url: url.to_owned() });
        }
        let (id, secret, token) = match keys {
            Some(AccessKey { id, secret, token }) => (id.clone(), secret.clone(), token.clone()),
            None => ("test".to_owned(), "test".to_owned(), None),
        };
        let (url, keys) = (parsed.as_str().to_owned(), AwsKeys { id, secret, token });
        Ok(Some(AwsEndpoint { url, keys, create_missing: *create_missing }))
    }

    fn start_delivery(&self, data_dir: &Path, base_url: &str, decoders: Arc<Decoders>) -> Result<Delivery, StartError> {
        let endpoints = AwsEndpoints {
            s3: self.endpoint("S3 endpoint", self.outgoing.s3.as_deref())?,
            sns: self.endpoint("SNS endpoint", self.outgoing.sns.as_deref())?,
        };
        let settings = DeliverySettings {
            data_dir: data_dir.to_owned(),
            region: self.region.clone(),
            account: self.account.clone(),
            base_url: base_url.to_owned(),
            subscriptions: self.subscriptions.iter().map(subscription).collect::<Result<_, _>>()?,
            decoders,
        };
        let clock = self.clock.clone();
        Delivery::start_with(&settings, endpoints, move || clock.wall())
            .map_err(|error| StartError::Delivery { source: error.into() })
    }
}

/// The address that the service listens on.
struct BoundEndpoint {
    address: SocketAddr,
    url: String,
    ca_certificate: Option<String>,
    data_ports: DataPorts,
}

/// Remembers the results of delivery until the service stops.
async fn watch(activity: Arc<Activity>, mut events: DeliveryEvents, clock: Clock, shutdown: Shutdown) {
    let remember = async {
        while let Some(event) = events.next().await {
            activity.delivered(&event, clock.wall());
        }
    };
    tokio::select! {
        () = shutdown.requested() => {}
        () = remember => {}
    }
}

/// Binds an address and returns the one that was bound.
async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let failed = |source| StartError::Listen { address, source };
    let tcp = TcpListener::bind(address).await.map_err(failed)?;
    let bound = tcp.local_addr().map_err(failed)?;
    Ok((tcp, bound))
}

impl From<DataDirError> for StartError {
    fn from(error: DataDirError) -> Self {
        match error {
            DataDirError::InUse { path } => Self::InUse { path },
            DataDirError::Io { path, source } => Self::DataDir { path, source: source.into() },
        }
    }
}

fn invalid_seed(error: InvalidSeed) -> StartError {
    StartError::Streams { source: error.into() }
}

fn invalid_url(what: &'static str, url: &str, error: InvalidUrl) -> StartError {
    StartError::Url { what, url: url.to_owned(), source: error.into() }
}

fn subscription(request: &SubscriptionRequest) -> Result<Subscription, StartError> {
    match request {
        SubscriptionRequest::Configured(subscription) => Ok(subscription.clone()),
        SubscriptionRequest::Named { arn, url } => Subscription::new(arn, url)
            .map_err(|error| StartError::Subscription { arn: arn.clone(), source: error.into() }),
    }
}

/// Returns the lower limit of the sampling interval of images, in ms.
const fn min_sampling_interval(profile: Profile) -> u64 {
    match profile {
        Profile::Year2022 => limits::SAMPLING_INTERVAL_MS_2022,
        Profile::Current => limits::SAMPLING_INTERVAL_MS,
    }
}

//! The settings of the service.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::clock::Clock;
use crate::deliver::Subscription;
use crate::faults::Fault;
use crate::handlers::UnknownPaths;
use crate::http::{AccessKey, AccessKeys, Authenticator};
use crate::ingest::Profile;
use crate::limits;
use crate::quotas::Quotas;
use crate::status::PageRights;
use crate::stream::registry::Delays;

/// Configures and starts a [`LocalKvs`](crate::LocalKvs); created by [`LocalKvs::builder`](crate::LocalKvs::builder).
///
/// By default the service listens on a free port of 127.0.0.1, keeps its data in a temporary folder that is removed at
/// shutdown, and accepts requests signed with [`ACCESS_KEY`](crate::ACCESS_KEY) and [`SECRET_KEY`](crate::SECRET_KEY) for
/// `us-west-2`.
#[derive(Debug)]
#[must_use = "the service runs only after start()"]
pub struct Builder {
    pub(crate) data_dir: Option<PathBuf>,
    pub(crate) listen: SocketAddr,
    pub(crate) remote: Remote,
    pub(crate) default_key: DefaultKey,
    pub(crate) region: String,
    pub(crate) account: String,
    pub(crate) keys: Vec<AccessKey>,
    pub(crate) callers: Callers,
    pub(crate) subscriptions: Vec<SubscriptionRequest>,
    pub(crate) delays: Delays,
    pub(crate) profile: Profile,
    pub(crate) clock: Clock,
    pub(crate) seed: Option<u64>,
    pub(crate) streams: Option<String>,
    pub(crate) faults: Vec<Fault>,
    pub(crate) transport: Transport,
    pub(crate) quotas: Quotas,
    pub(crate) ports: Ports,
    pub(crate) unknown_paths: UnknownPaths,
    pub(crate) public_url: Option<String>,
    pub(crate) outgoing: Outgoing,
    pub(crate) cors_origins: Vec<String>,
    pub(crate) decoder: Decoder,
    pub(crate) ffmpeg: Option<PathBuf>,
    pub(crate) status_page: StatusPage,
}

/// The transport of connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Plain,
    Tls,
}

/// Which ports the data endpoints have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ports {
    /// The two ports after that of the control endpoint, or free ports.
    Separate,
    /// These ports.
    Given { media: u16, archived_media: u16 },
    /// The port of the control endpoint.
    One,
}

/// Whether the address may be reachable from other machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Remote {
    Refused,
    Allowed,
}

/// Where the public default key is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DefaultKey {
    Local,
    Everywhere,
}

/// The S3 and SNS endpoints as configured; checked at start.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outgoing {
    pub(crate) s3: Option<String>,
    pub(crate) sns: Option<String>,
    pub(crate) keys: Option<AccessKey>,
    pub(crate) create_missing: bool,
    pub(crate) allow_aws: bool,
}

/// Which decoders make images.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Decoder {
    /// The built-in ones, and the program ffmpeg, if it is on the path, for video that they cannot decode: more than 8 bits, 4:2:2,
    /// 4:4:4, monochrome, interlaced.
    #[default]
    Auto,
    /// The built-in ones.
    BuiltIn,
    /// The program ffmpeg, for all video. It runs in a process of its own, with bounded time and memory.
    Ffmpeg,
}

/// Whether the status page is served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum StatusPage {
    /// Unless other machines may reach the service ([`Builder::allow_remote`]). It shows media only if clients need no key of their
    /// own: with the default key, or without signatures.
    #[default]
    Auto,
    /// Always, with media: everyone who can reach the service can look at all streams without a key.
    On,
    /// Never.
    Off,
}

/// Whether requests must be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Callers {
    Signed,
    Anonymous,
}

/// A subscription as configured; checked at start.
#[derive(Clone, Debug)]
pub(crate) enum SubscriptionRequest {
    Named { arn: String, url: String },
    Configured(Subscription),
}

impl Builder {
    pub(crate) fn new() -> Self {
        Self {
            data_dir: None,
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0),
            remote: Remote::Refused,
            default_key: DefaultKey::Local,
            region: "us-west-2".to_owned(),
            account: "111122223333".to_owned(),
            keys: Vec::new(),
            callers: Callers::Signed,
            subscriptions: Vec::new(),
            delays: Delays::default(),
            profile: Profile::default(),
            clock: Clock::system(),
            seed: None,
            streams: None,
            faults: Vec::new(),
            transport: Transport::Plain,
            quotas: Quotas::Off,
            ports: Ports::Separate,
            unknown_paths: UnknownPaths::NotFound,
            public_url: None,
            outgoing: Outgoing::default(),
            cors_origins: Vec::new(),
            decoder: Decoder::Auto,
            ffmpeg: None,
            status_page: StatusPage::Auto,
        }
    }

    /// Sets the folder for streams, media, images and notifications. It is created if needed; only one service can use it at a
    /// time. Default: a new folder in the temporary folder of the system, removed at shutdown.
    pub fn data_dir(mut self, data_dir: impl AsRef<Path>) -> Self {
        self.data_dir = Some(data_dir.as_ref().to_owned());
        self
    }

    /// Sets the address and port to listen on; port 0 means a free port. Default: `127.0.0.1:0`. Other addresses than
    /// loopback require [`allow_remote`](Self::allow_remote).
    pub const fn listen(mut self, listen: SocketAddr) -> Self {
        self.listen = listen;
        self
    }

    /// Sets the ports of the data endpoints that GetDataEndpoint returns: one for PutMedia and GetMedia, one for archived media; 0
    /// means a free port. Default: the two ports after that of [`listen`](Self::listen), or free ports if that is 0.
    ///
    /// As in AWS, each endpoint knows only its own operations. It answers others with status 200 and no result.
    pub const fn data_ports(mut self, media: u16, archived_media: u16) -> Self {
        self.ports = Ports::Given { media, archived_media };
        self
    }

    /// Serves control plane and data plane on one port, for clients that do not ask GetDataEndpoint and for port mappings.
    /// Such clients fail with AWS. Default: separate ports. [`public_url`](Self::public_url) implies one port.
    pub const fn one_port(mut self) -> Self {
        self.ports = Ports::One;
        self
    }

    /// Does what the service does wherever the default is kinder or quicker: streams and configurations take time to change, rate
    /// quotas are enforced, and unknown paths get status 200 without a result. Settings after this call win.
    ///
    /// `FIDELITY.md` of this crate lists the differences.
    pub const fn as_aws(mut self) -> Self {
        self.delays = Delays { transition: limits::AS_AWS_TRANSITION, configuration: limits::AS_AWS_CONFIGURATION };
        self.quotas = Quotas::Service;
        self.ports = Ports::Separate;
        self.unknown_paths = UnknownPaths::Empty;
        self
    }

    /// Accepts the public default key on an address that other machines can reach: everyone who can reach it can use the service.
    /// Default: the service does not start there without [`credentials`](Self::credentials).
    pub const fn allow_default_key(mut self) -> Self {
        self.default_key = DefaultKey::Everywhere;
        self
    }

    /// Allows [`listen`](Self::listen) to name an address that other machines can reach, with [`credentials`](Self::credentials) or
    /// [`allow_default_key`](Self::allow_default_key). Default: not allowed.
    pub const fn allow_remote(mut self) -> Self {
        self.remote = Remote::Allowed;
        self
    }

    /// Sets the URL under which other machines or containers reach the service, `http://HOST[:PORT]` or `https://HOST[:PORT]`.
    ///
    /// Requests must name a loopback host, the address of the connection, or the host of this URL in `Host`; others are refused,
    /// since a web page can make its own name point to this service. GetDataEndpoint and messages contain this URL. Default:
    /// none.
    pub fn public_url(mut self, url: impl Into<String>) -> Self {
        self.public_url = Some(url.into());
        self
    }

    /// Lets web pages of this origin use the service, such as `https://viewer.example`; call again to add more. Pages of loopback
    /// origins (`localhost` and loopback addresses, any port) may always use it. Requests of other pages are refused, also with
    /// [`anonymous`](Self::anonymous). Default: no further origin.
    pub fn cors_origin(mut self, origin: impl Into<String>) -> Self {
        self.cors_origins.push(origin.into());
        self
    }

    /// Sets whether the page at `/` is served. It shows streams and can change nothing. Default: [`StatusPage::Auto`].
    pub const fn status_page(mut self, page: StatusPage) -> Self {
        self.status_page = page;
        self
    }

    /// Sets which decoders make images. Default: [`Decoder::Auto`].
    pub const fn decoder(mut self, decoder: Decoder) -> Self {
        self.decoder = decoder;
        self
    }

    /// Sets the program that [`Decoder::Auto`] and [`Decoder::Ffmpeg`] run. Default: `ffmpeg` in the folders of `PATH`.
    pub fn ffmpeg(mut self, program: impl Into<PathBuf>) -> Self {
        self.ffmpeg = Some(program.into());
        self
    }

    /// Sets the region in ARNs and in the scope of signatures. Default: `us-west-2`.
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.region = region.into();
        self
    }

    /// Sets the account in ARNs and image keys, 12 digits. Default: `111122223333`.
    pub fn account(mut self, account: impl Into<String>) -> Self {
        self.account = account.into();
        self
    }

    /// Accepts requests signed with this key; call again to add more. Default: [`ACCESS_KEY`](crate::ACCESS_KEY) with
    /// [`SECRET_KEY`](crate::SECRET_KEY).
    pub fn credentials(mut self, access_key: impl Into<String>, secret_key: impl Into<String>) -> Self {
        self.keys.push(AccessKey { id: access_key.into(), secret: secret_key.into(), token: None });
        self
    }

    /// Accepts requests signed with this temporary key that carry this session token.
    pub fn session_credentials(
        mut self,
        access_key: impl Into<String>,
        secret_key: impl Into<String>,
        token: impl Into<String>,
    ) -> Self {
        self.keys.push(AccessKey { id: access_key.into(), secret: secret_key.into(), token: Some(token.into()) });
        self
    }

    /// Accepts every request without checking signatures. Default: signatures are checked.
    pub const fn anonymous(mut self) -> Self {
        self.callers = Callers::Anonymous;
        self
    }

    /// Posts the messages of an SNS topic, or the object events of a bucket (`arn:aws:s3:::BUCKET`), to an `http` URL; call
    /// again to add more. Default: no subscriptions.
    pub fn subscribe(mut self, topic_arn: impl Into<String>, url: impl Into<String>) -> Self {
        self.subscriptions.push(SubscriptionRequest::Named { arn: topic_arn.into(), url: url.into() });
        self
    }

    /// Adds a subscription with raw message delivery or signature version 2; see [`subscribe`](Self::subscribe).
    pub fn subscription(mut self, subscription: Subscription) -> Self {
        self.subscriptions.push(SubscriptionRequest::Configured(subscription));
        self
    }

    /// Puts images into the buckets of this S3 endpoint too, such as `http://localhost:4566`, with PutObject calls. The data folder
    /// gets an image when the endpoint has it. S3 events are then those of the endpoint. Default: the data folder only.
    pub fn s3_endpoint(mut self, url: impl Into<String>) -> Self {
        self.outgoing.s3 = Some(url.into());
        self
    }

    /// Publishes notifications to the topics of this SNS endpoint too, with Publish calls. The topics must have the account of their
    /// ARN there. Default: the data folder and [`subscribe`](Self::subscribe) only.
    pub fn sns_endpoint(mut self, url: impl Into<String>) -> Self {
        self.outgoing.sns = Some(url.into());
        self
    }

    /// Sets the keys that sign requests to the S3 and SNS endpoints. Default: `test` and `test`, which emulators accept.
    pub fn endpoint_credentials(
        mut self,
        access_key: impl Into<String>,
        secret_key: impl Into<String>,
        token: Option<String>,
    ) -> Self {
        self.outgoing.keys = Some(AccessKey { id: access_key.into(), secret: secret_key.into(), token });
        self
    }

    /// Creates buckets and topics that do not exist at the S3 and SNS endpoints. Default: the image or message fails.
    pub const fn create_missing(mut self) -> Self {
        self.outgoing.create_missing = true;
        self
    }

    /// Allows the S3 and SNS endpoints to be those of AWS, where objects and messages cost money. Default: refused.
    pub const fn allow_aws(mut self) -> Self {
        self.outgoing.allow_aws = true;
        self
    }

    /// Sets how long image and notification configuration takes to become effective. Default: zero; in the real service at
    /// least a minute.
    pub const fn config_delay(mut self, delay: Duration) -> Self {
        self.delays.configuration = delay;
        self
    }

    /// Sets how long a stream stays CREATING, UPDATING or DELETING. Default: zero.
    pub const fn transition_delay(mut self, delay: Duration) -> Self {
        self.delays.transition = delay;
        self
    }

    /// Sets which version of the service's limits applies. Default: [`Profile::Current`].
    pub const fn profile(mut self, profile: Profile) -> Self {
        self.profile = profile;
        self
    }

    /// Sets whether the rate quotas of the service are enforced: calls, points and bytes per second. Default: [`Quotas::Off`].
    pub const fn quotas(mut self, quotas: Quotas) -> Self {
        self.quotas = quotas;
        self
    }

    /// Sets the source of the wall time. Default: the clock of the machine.
    pub fn clock(mut self, now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.clock = Clock::new(now);
        self
    }

    /// Creates streams at start, and again after a reset (`POST /_kvs/reset`): a JSON list of CreateStream requests, each with
    /// `ImageGenerationConfiguration` and `NotificationConfiguration` if wanted. Streams that exist stay as they are. Default:
    /// none.
    ///
    /// ```
    /// let builder = kvs_local::LocalKvs::builder().streams(r#"[{ "StreamName": "door", "DataRetentionInHours": 24 }]"#);
    /// ```
    pub fn streams(mut self, json: impl Into<String>) -> Self {
        self.streams = Some(json.into());
        self
    }

    /// Sets the seed of stream versions and of the random part of fragment numbers. Default: a random seed.
    pub const fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Uses TLS, with a certificate for `localhost`, loopback and the listening address. Clients must trust the CA certificate
    /// in `ca.pem` of the data folder ([`LocalKvs::ca_certificate`](crate::LocalKvs::ca_certificate)). Default: plain HTTP.
    pub const fn tls(mut self) -> Self {
        self.transport = Transport::Tls;
        self
    }

    /// Injects these faults from the start; see also [`LocalKvs::faults`](crate::LocalKvs::faults). Default: none.
    pub fn faults(mut self, faults: impl IntoIterator<Item = Fault>) -> Self {
        self.faults.extend(faults);
        self
    }

    /// Returns an access key that clients can use.
    pub(crate) fn first_key(&self) -> AccessKey {
        let default =
            || AccessKey { id: crate::ACCESS_KEY.to_owned(), secret: crate::SECRET_KEY.to_owned(), token: None };
        self.keys.first().cloned().unwrap_or_else(default)
    }

    /// Returns what the status page may do; `None` if it is not served.
    pub(crate) fn page_rights(&self) -> Option<PageRights> {
        let local = self.remote == Remote::Refused;
        let is_open = matches!(self.callers, Callers::Anonymous) || self.keys.is_empty();
        match self.status_page {
            StatusPage::On => Some(PageRights::Media),
            StatusPage::Auto if local && is_open => Some(PageRights::Media),
            StatusPage::Auto if local => Some(PageRights::Report),
            StatusPage::Auto | StatusPage::Off => None,
        }
    }

    /// Returns whether requests must be signed with the default key.
    pub(crate) const fn uses_default_key(&self) -> bool {
        matches!(self.callers, Callers::Signed) && self.keys.is_empty()
    }

    pub(crate) fn authenticator(&self) -> Authenticator {
        match self.callers {
            Callers::Anonymous => Authenticator::Anonymous,
            Callers::Signed => {
                let keys = if self.keys.is_empty() { vec![self.first_key()] } else { self.keys.clone() };
                Authenticator::Signed { keys: AccessKeys::new(keys), region: self.region.clone() }
            }
        }
    }
}

//! How the service is set up.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::clock::Clock;
use crate::deliver::Subscription;
use crate::faults::Fault;
use crate::http::{AccessKey, Gate, Keyring};
use crate::ingest::Profile;
use crate::local::{LocalKvs, StartError};
use crate::quotas::Quotas;
use crate::stream::registry::{Identity, Pace};

/// Sets up a [`LocalKvs`]; made by [`LocalKvs::builder`].
///
/// Without any setting it listens on a free port of 127.0.0.1, keeps its data in a temporary folder that goes when it stops,
/// and takes requests signed with [`ACCESS_KEY`](crate::ACCESS_KEY) and [`SECRET_KEY`](crate::SECRET_KEY) for `us-west-2`.
#[derive(Debug)]
#[must_use = "nothing runs before start()"]
pub struct Builder {
    pub(crate) data_dir: Option<PathBuf>,
    pub(crate) listen: SocketAddr,
    pub(crate) remote: Remote,
    pub(crate) region: String,
    pub(crate) account: String,
    pub(crate) keys: Vec<AccessKey>,
    pub(crate) callers: Callers,
    pub(crate) subscriptions: Vec<Wanted>,
    pub(crate) pace: Pace,
    pub(crate) profile: Profile,
    pub(crate) clock: Clock,
    pub(crate) seed: Option<u64>,
    pub(crate) faults: Vec<Fault>,
    pub(crate) transport: Transport,
    pub(crate) quotas: Quotas,
}

/// What connections speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Plain,
    Tls,
}

/// Whether other machines may connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Remote {
    Refused,
    Allowed,
}

/// Whether callers must sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Callers {
    Signed,
    Anonymous,
}

/// A subscription as it was asked for.
#[derive(Clone, Debug)]
pub(crate) enum Wanted {
    Named { arn: String, url: String },
    Made(Subscription),
}

impl Wanted {
    pub(crate) fn make(&self) -> Result<Subscription, StartError> {
        match self {
            Self::Made(subscription) => Ok(subscription.clone()),
            Self::Named { arn, url } => Subscription::new(arn, url)
                .map_err(|error| StartError::Subscription { arn: arn.clone(), source: error.into() }),
        }
    }
}

impl Builder {
    pub(crate) fn new() -> Self {
        Self {
            data_dir: None,
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0),
            remote: Remote::Refused,
            region: "us-west-2".to_owned(),
            account: "111122223333".to_owned(),
            keys: Vec::new(),
            callers: Callers::Signed,
            subscriptions: Vec::new(),
            pace: Pace::default(),
            profile: Profile::default(),
            clock: Clock::system(),
            seed: None,
            faults: Vec::new(),
            transport: Transport::Plain,
            quotas: Quotas::Off,
        }
    }

    /// Keeps streams, media, images and notifications in this folder, which is made if needed and used by one service at a
    /// time. Default: a new folder in the system's temporary one, removed when the service stops.
    pub fn data_dir(mut self, data_dir: impl AsRef<Path>) -> Self {
        self.data_dir = Some(data_dir.as_ref().to_owned());
        self
    }

    /// Listens here; port 0 takes a free one. Default: `127.0.0.1:0`. Another address than loopback needs
    /// [`allow_remote`](Self::allow_remote).
    pub const fn listen(mut self, listen: SocketAddr) -> Self {
        self.listen = listen;
        self
    }

    /// Lets other machines connect, if [`listen`](Self::listen) names an address they reach.
    pub const fn allow_remote(mut self) -> Self {
        self.remote = Remote::Allowed;
        self
    }

    /// The region in ARNs and in the scope of signatures. Default: `us-west-2`.
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.region = region.into();
        self
    }

    /// The account in ARNs and image keys, 12 digits. Default: `111122223333`.
    pub fn account(mut self, account: impl Into<String>) -> Self {
        self.account = account.into();
        self
    }

    /// Takes requests signed with this key; may be called for several. Default: [`ACCESS_KEY`](crate::ACCESS_KEY) with
    /// [`SECRET_KEY`](crate::SECRET_KEY).
    pub fn credentials(mut self, access_key: impl Into<String>, secret_key: impl Into<String>) -> Self {
        self.keys.push(AccessKey { id: access_key.into(), secret: secret_key.into(), token: None });
        self
    }

    /// Takes requests signed with this temporary key that bring this session token.
    pub fn session_credentials(
        mut self,
        access_key: impl Into<String>,
        secret_key: impl Into<String>,
        token: impl Into<String>,
    ) -> Self {
        self.keys.push(AccessKey { id: access_key.into(), secret: secret_key.into(), token: Some(token.into()) });
        self
    }

    /// Takes every request and looks at no signature. Default: signatures are checked.
    pub const fn anonymous(mut self) -> Self {
        self.callers = Callers::Anonymous;
        self
    }

    /// Posts what is published on an SNS topic, or the object events of a bucket (`arn:aws:s3:::BUCKET`), to this `http` URL;
    /// may be called for several.
    pub fn subscribe(mut self, topic_arn: impl Into<String>, url: impl Into<String>) -> Self {
        self.subscriptions.push(Wanted::Named { arn: topic_arn.into(), url: url.into() });
        self
    }

    /// As [`subscribe`](Self::subscribe), for a subscriber that wants messages raw or with signatures of version 2.
    pub fn subscription(mut self, subscription: Subscription) -> Self {
        self.subscriptions.push(Wanted::Made(subscription));
        self
    }

    /// How long image and notification configuration takes to come into effect. Default: zero; at the service a minute or
    /// more.
    pub const fn config_delay(mut self, delay: Duration) -> Self {
        self.pace.configuration = delay;
        self
    }

    /// How long a stream stays CREATING, UPDATING or DELETING. Default: zero.
    pub const fn transition_delay(mut self, delay: Duration) -> Self {
        self.pace.transition = delay;
        self
    }

    /// Which edition of the service's limits holds. Default: [`Profile::Current`].
    pub const fn profile(mut self, profile: Profile) -> Self {
        self.profile = profile;
        self
    }

    /// Whether the service's rates hold: calls, points and bytes a second. Default: [`Quotas::Off`].
    pub const fn quotas(mut self, quotas: Quotas) -> Self {
        self.quotas = quotas;
        self
    }

    /// Takes the wall time from here. Default: the machine's clock.
    pub fn clock(mut self, now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.clock = Clock::new(now);
        self
    }

    /// Draws versions and the random part of fragment numbers from this seed. Default: one drawn at random.
    pub const fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Speaks TLS, with a certificate for `localhost`, loopback and the address listened on. Clients trust the authority in
    /// `ca.pem` of the data folder ([`LocalKvs::ca_certificate`]). Default: plain HTTP.
    pub const fn tls(mut self) -> Self {
        self.transport = Transport::Tls;
        self
    }

    /// Shows these faults; see also [`LocalKvs::faults`]. Default: none.
    pub fn faults(mut self, faults: impl IntoIterator<Item = Fault>) -> Self {
        self.faults.extend(faults);
        self
    }

    /// Starts the service on the current tokio runtime.
    ///
    /// # Errors
    ///
    /// When the address cannot be listened on or is not loopback without [`allow_remote`](Self::allow_remote), when the data
    /// folder cannot be used or another service uses it, or when region or account are not shaped as such.
    pub async fn start(self) -> Result<LocalKvs, StartError> {
        LocalKvs::start(self).await
    }

    pub(crate) fn identity(&self) -> Result<Identity, StartError> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if self.region.is_empty() || self.region.len() > 32 || !self.region.bytes().all(plain) {
            return Err(StartError::Region { region: self.region.clone() });
        }
        if self.account.len() != 12 || !self.account.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(StartError::Account { account: self.account.clone() });
        }
        Ok(Identity { region: self.region.clone(), account: self.account.clone() })
    }

    /// The key a client of this service may use.
    pub(crate) fn first_key(&self) -> AccessKey {
        let default =
            || AccessKey { id: crate::ACCESS_KEY.to_owned(), secret: crate::SECRET_KEY.to_owned(), token: None };
        self.keys.first().cloned().unwrap_or_else(default)
    }

    pub(crate) fn gate(&self) -> Gate {
        match self.callers {
            Callers::Anonymous => Gate::Anonymous,
            Callers::Signed => {
                let keys = if self.keys.is_empty() { vec![self.first_key()] } else { self.keys.clone() };
                Gate::Signed { keys: Keyring::new(keys), region: self.region.clone() }
            }
        }
    }
}

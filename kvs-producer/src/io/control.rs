//! What the core asks the driver to do beside streaming, and what comes back.

use std::fmt;
use std::time::Duration;

/// Names one call, so that a late answer to an old one is told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ControlRequestId(pub(crate) u64);

/// Names one PutMedia connection of a producer, so that what a dead one still says is dropped by comparison.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub(crate) u64);

impl SessionId {
    /// 1 for a producer's first connection, then rising.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "session {}", self.0)
    }
}

/// One request to the control plane or the credentials provider; answer it by
/// [`handle_response`](crate::ProducerCore::handle_response).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ControlRequest {
    /// Make sure that credentials are at hand, and say how long they last.
    Credentials(Freshness),
    /// DescribeStream.
    DescribeStream,
    /// CreateStream; asked for only after DescribeStream said that there is no such stream.
    CreateStream(NewStream),
    /// GetDataEndpoint for PUT_MEDIA.
    GetDataEndpoint,
}

impl ControlRequest {
    /// A name for people and logs.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Credentials(_) => "credentials",
            Self::DescribeStream => "DescribeStream",
            Self::CreateStream(_) => "CreateStream",
            Self::GetDataEndpoint => "GetDataEndpoint",
        }
    }
}

/// Whether credentials that are at hand will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "either they will do or they will not")]
pub enum Freshness {
    /// The ones at hand will do.
    Cached,
    /// The service refused those at hand as expired: ask the provider again.
    Fresh,
}

/// What a stream is created with.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewStream {
    /// How long the service keeps media; zero keeps none. Whole hours; 24 by default.
    pub retention: Duration,
    /// The media type that players are told, `video/h264` by default.
    pub media_type: String,
    /// The KMS key that encrypts the media; the service's own by default.
    pub kms_key_id: Option<String>,
    /// Tags of the stream itself, not of its fragments.
    pub tags: Vec<(String, String)>,
}

impl Default for NewStream {
    fn default() -> Self {
        Self {
            retention: Duration::from_secs(24 * 60 * 60),
            media_type: "video/h264".to_owned(),
            kms_key_id: None,
            tags: Vec::new(),
        }
    }
}

impl NewStream {
    /// Media kept for `retention`, nothing else set.
    #[must_use]
    pub fn new(retention: Duration) -> Self {
        Self { retention, ..Self::default() }
    }
}

/// What a [`Call`] came to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ControlResponse {
    /// Credentials are at hand.
    Credentials {
        /// How long they last from now; `None` for those without an end.
        lasts: Option<Duration>,
    },
    /// There is such a stream.
    Described {
        /// Whether media is taken now.
        status: StreamStatus,
        /// How long media is kept; with zero the service never says `PERSISTED`.
        retention: Duration,
    },
    /// The stream was created.
    Created,
    /// Where to send media.
    Endpoint(String),
    /// It did not work.
    Failed(Failure),
}

/// Whether a stream takes media.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StreamStatus {
    /// It does.
    Active,
    /// It will (`CREATING`, `UPDATING`).
    Pending,
    /// It is being deleted.
    Deleting,
}

/// Why a call or a connection attempt failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind}: {message}")]
#[non_exhaustive]
pub struct Failure {
    /// What decides how the producer goes on.
    pub kind: FailureKind,
    /// What the service or the transport said, for people.
    pub message: String,
    /// The least wait the service asked for (`Retry-After`).
    pub retry_after: Option<Duration>,
}

impl Failure {
    /// A failure of this kind with a text for people.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), retry_after: None }
    }

    /// Adds the least wait the service asked for.
    #[must_use]
    pub const fn with_retry_after(mut self, wait: Option<Duration>) -> Self {
        self.retry_after = wait;
        self
    }
}

/// Who or what is at fault, as far as it decides what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FailureKind {
    /// No such stream.
    NotFound,
    /// Too many calls or connections (429, 503, `ClientLimitExceeded`, `ConnectionLimitExceeded`): wait and try again.
    Throttled,
    /// The caller may not do this.
    AccessDenied,
    /// The credentials ended: fetch new ones, once, and try again.
    CredentialsExpired,
    /// The signature's time is off: the driver corrects its clock by the service's, and the call is tried again.
    ClockSkew,
    /// The request itself is wrong; trying again will not help.
    InvalidRequest,
    /// The network, name resolution or TLS failed.
    Unreachable,
    /// No answer in time.
    TimedOut,
    /// The service failed (5xx).
    Service,
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotFound => "not found",
            Self::Throttled => "throttled",
            Self::AccessDenied => "refused",
            Self::CredentialsExpired => "credentials expired",
            Self::ClockSkew => "clock off",
            Self::InvalidRequest => "invalid request",
            Self::Unreachable => "unreachable",
            Self::TimedOut => "timed out",
            Self::Service => "service failure",
        })
    }
}

//! Requests to the control plane and to the credentials provider, and their results.

use std::time::Duration;

use kvs_types::StreamStatus;

use super::failure::Failure;

/// Identifies one control request, so that a late response to an old request is ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ControlRequestId(pub(crate) u64);

/// A request to the control plane or to the credentials provider. Pass its result to
/// [`handle_response`](crate::ProducerCore::handle_response).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ControlRequest {
    /// Make credentials available and report how long they are valid.
    Credentials(Freshness),
    /// DescribeStream.
    DescribeStream,
    /// CreateStream. Requested only after DescribeStream reported that the stream does not exist.
    CreateStream(NewStream),
    /// GetDataEndpoint for PUT_MEDIA.
    GetDataEndpoint,
}

impl ControlRequest {
    /// Returns the name of the operation, for logs.
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

/// Whether cached credentials are sufficient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "credentials are cached or fetched")]
pub enum Freshness {
    /// Cached credentials are sufficient.
    Cached,
    /// The service rejected the cached credentials as expired: fetch new ones from the provider.
    Fresh,
}

/// The properties of a stream to create (CreateStream).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewStream {
    /// How long the service keeps media, rounded up to whole hours; zero keeps none. Default: 24 hours.
    pub retention: Duration,
    /// The media type for consumers. Default: `video/h264`.
    pub media_type: String,
    /// The KMS key that encrypts the media. Default: the key that the service manages.
    pub kms_key_id: Option<String>,
    /// Tags of the stream, not of its fragments.
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
    /// Creates the properties of a stream with this retention and defaults for the rest.
    #[must_use]
    pub fn new(retention: Duration) -> Self {
        Self { retention, ..Self::default() }
    }

    /// Sets the media type.
    #[must_use]
    pub fn with_media_type(mut self, media_type: impl Into<String>) -> Self {
        self.media_type = media_type.into();
        self
    }

    /// Sets the KMS key.
    #[must_use]
    pub fn with_kms_key_id(mut self, key: impl Into<String>) -> Self {
        self.kms_key_id = Some(key.into());
        self
    }

    /// Adds a tag of the stream.
    #[must_use]
    pub fn with_tag(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.tags.push((key.into(), value.into()));
        self
    }
}

/// The result of a [`ControlRequest`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ControlResponse {
    /// Credentials are available.
    Credentials {
        /// How long they are valid from now on; `None` if they do not expire.
        lasts: Option<Duration>,
    },
    /// The stream exists.
    Described {
        /// Its status. It accepts media when it is `ACTIVE`.
        status: StreamStatus,
        /// How long the service keeps media. With zero it never acknowledges with `PERSISTED`.
        retention: Duration,
    },
    /// The stream was created.
    Created,
    /// The data endpoint.
    Endpoint(String),
    /// The request failed.
    Failed(Failure),
}

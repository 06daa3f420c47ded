//! What can go wrong with a call, by who must act.

use std::fmt;
use std::time::{Duration, SystemTime};

use kvs_types::__internal::open_enum;
use kvs_types::InvalidField;

/// A call did not give its answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The request is outside what the service takes; nothing was sent.
    #[error("request refused before sending: {0}")]
    Invalid(#[from] InvalidField),
    /// The credentials provider had none, or they cannot be signed with.
    #[error("no usable credentials")]
    Credentials(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The service could not be reached, or not in time, or the connection broke.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The service answered with an error.
    #[error(transparent)]
    Service(Box<ServiceError>),
    /// The service answered with something this client cannot read.
    #[error("response of {operation} not understood: {problem}")]
    Response {
        /// The operation's name.
        operation: &'static str,
        /// What was wrong with the response.
        problem: ResponseProblem,
    },
}

impl Error {
    /// The service's error, if that is what it is.
    #[must_use]
    pub fn service(&self) -> Option<&ServiceError> {
        match self {
            Self::Service(error) => Some(error),
            _ => None,
        }
    }

    /// Whether the service says that the stream is not there.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.service().is_some_and(|error| error.kind == ServiceErrorKind::ResourceNotFound)
    }
}

impl From<ServiceError> for Error {
    fn from(error: ServiceError) -> Self {
        Self::Service(Box::new(error))
    }
}

/// An error that the service sent, with everything it said.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServiceError {
    /// Which one.
    pub kind: ServiceErrorKind,
    /// The service's own words, empty when it gave none.
    pub message: String,
    /// The HTTP status; 200 for the unknown-operation answer of the control plane.
    pub status: u16,
    /// `x-amzn-RequestId`: what AWS support asks for.
    pub request_id: Option<String>,
    /// How long the service asks to be left alone.
    pub retry_after: Option<Duration>,
    /// The service's clock when it answered.
    pub date: Option<SystemTime>,
}

impl ServiceError {
    /// An error of `kind`, with nothing else known; for tests and for fakes of the service.
    #[must_use]
    pub const fn new(kind: ServiceErrorKind, status: u16) -> Self {
        Self { kind, message: String::new(), status, request_id: None, retry_after: None, date: None }
    }
}

impl std::error::Error for ServiceError {}

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (HTTP {})", self.kind, self.status)?;
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        match &self.request_id {
            Some(id) => write!(f, " [request {id}]"),
            None => Ok(()),
        }
    }
}

open_enum! {
    /// The names of the service's errors: those of its model and those of the layer in front of it.
    pub enum ServiceErrorKind {
        /// The caller may not do this.
        AccessDenied = "AccessDeniedException",
        /// The caller may not do this (model: 401, real replies: 403).
        NotAuthorized = "NotAuthorizedException",
        /// There is no such stream, or it is not active, or has nothing to show.
        ResourceNotFound = "ResourceNotFoundException",
        /// A member of the request is refused.
        InvalidArgument = "InvalidArgumentException",
        /// Too many requests; retried with a longer pause than other errors.
        ClientLimitExceeded = "ClientLimitExceededException",
        /// Too many PutMedia or GetMedia connections of this stream.
        ConnectionLimitExceeded = "ConnectionLimitExceededException",
        /// The data endpoint is not (any more) the right one; the client asks for it anew.
        InvalidEndpoint = "InvalidEndpointException",
        /// The name is taken, or the stream is busy with another change.
        ResourceInUse = "ResourceInUseException",
        /// `CurrentVersion` is stale.
        VersionMismatch = "VersionMismatchException",
        /// The stream keeps nothing: its retention is 0 hours.
        NoDataRetention = "NoDataRetentionException",
        /// The account has its most streams.
        AccountStreamLimitExceeded = "AccountStreamLimitExceededException",
        /// The ARN of a tag call is malformed.
        InvalidResourceFormat = "InvalidResourceFormatException",
        /// More than 50 tags.
        TagsPerResourceExceededLimit = "TagsPerResourceExceededLimitException",
        /// The codecs of the media do not fit the call.
        UnsupportedStreamMediaType = "UnsupportedStreamMediaTypeException",
        /// The media has no codec private data.
        MissingCodecPrivateData = "MissingCodecPrivateDataException",
        /// The codec private data cannot be used.
        InvalidCodecPrivateData = "InvalidCodecPrivateDataException",
        /// A frame cannot be parsed.
        InvalidMediaFrame = "InvalidMediaFrameException",
        /// The session token's life is over.
        ExpiredToken = "ExpiredTokenException",
        /// The access key is unknown.
        UnrecognizedClient = "UnrecognizedClientException",
        /// The signature does not match, or its time is too far from the service's clock.
        InvalidSignature = "InvalidSignatureException",
        /// The signature lacks a part.
        IncompleteSignature = "IncompleteSignatureException",
        /// The request's time is too far from the service's clock.
        RequestExpired = "RequestExpired",
        /// Too many requests.
        Throttling = "ThrottlingException",
        /// The service had a fault.
        InternalFailure = "InternalFailure",
        /// The service cannot answer now.
        ServiceUnavailable = "ServiceUnavailable",
        /// The request came in too slowly.
        RequestTimeout = "RequestTimeoutException",
        /// There is no such call at this endpoint: a data call at the control plane, or a path in another case.
        UnknownOperation = "UnknownOperationException",
        /// A member of the request is refused by the layer in front.
        Validation = "ValidationException",
    }
}

impl Default for ServiceErrorKind {
    /// No name at all.
    fn default() -> Self {
        Self::Other(String::new())
    }
}

impl ServiceErrorKind {
    /// Reads a name as it stands in `x-amzn-ErrorType` or `__type`: a namespace before `#` and a URL after `:` are cut.
    #[must_use]
    pub fn from_wire(text: &str) -> Self {
        let name = text.split(':').next().unwrap_or_default();
        let name = name.rsplit('#').next().unwrap_or_default().trim();
        match name {
            "UnknownOperation" => Self::UnknownOperation,
            "InternalFailureException" | "InternalServerError" => Self::InternalFailure,
            "ServiceUnavailableException" => Self::ServiceUnavailable,
            "NotAuthorized" => Self::NotAuthorized,
            "ExpiredToken" => Self::ExpiredToken,
            "IncompleteSignature" => Self::IncompleteSignature,
            "Throttling" | "TooManyRequestsException" | "RequestLimitExceeded" => Self::Throttling,
            "RequestExpiredException" => Self::RequestExpired,
            "ValidationError" => Self::Validation,
            other => Self::from(other),
        }
    }
}

/// The network's part in a failure.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// No connection came about.
    #[error("cannot connect to {endpoint}: {}", root_cause(source.as_ref()))]
    Connect {
        /// The endpoint.
        endpoint: String,
        /// Why: name resolution, refusal, TLS, a [`ProxyError`](crate::ProxyError).
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A phase took too long.
    #[error("{phase} took longer than {} ms", limit.as_millis())]
    Timeout {
        /// Which one.
        phase: Phase,
        /// Its limit.
        limit: Duration,
    },
    /// The connection broke after the request was (perhaps) sent.
    #[error("the connection broke: {}", root_cause(source.as_ref()))]
    Broken {
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The response body is longer than this client reads.
    #[error("the response body is longer than {limit} bytes")]
    TooLong {
        /// The limit.
        limit: usize,
    },
}

/// The innermost error says what happened; those around it only say where.
pub(crate) fn root_cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut root = error;
    while let Some(source) = root.source() {
        root = source;
    }
    root.to_string()
}

/// The phases of an exchange that have a timeout each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// Name resolution, TCP, the way through a proxy, and TLS.
    Connect,
    /// From the request's first byte to the response's head.
    Head,
    /// Between two pieces of the response body.
    Body,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "connecting",
            Self::Head => "waiting for the response",
            Self::Body => "waiting for more of the response",
        })
    }
}

/// What was wrong with a response.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResponseProblem {
    /// It is not the JSON that the model describes.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    /// A member is missing that the call is useless without.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A member is there but says nothing usable.
    #[error("{member} is {value:?}")]
    Member {
        /// The member's name.
        member: &'static str,
        /// Its value.
        value: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_names_lose_namespace_and_url() {
        for text in [
            "ResourceNotFoundException",
            "ResourceNotFoundException:https://kinesisvideo.amazonaws.com/doc/2017-09-30/",
            "com.amazonaws.kinesisvideo#ResourceNotFoundException",
            " com.x#ResourceNotFoundException:http://x#y",
        ] {
            assert_eq!(ServiceErrorKind::from_wire(text), ServiceErrorKind::ResourceNotFound, "{text}");
        }
        let unknown = ServiceErrorKind::from_wire("BrandNewException");
        assert_eq!(unknown, ServiceErrorKind::Other("BrandNewException".into()));
    }

    #[test]
    fn a_service_error_prints_as_one_line() {
        let mut error = ServiceError::new(ServiceErrorKind::InvalidArgument, 400);
        error.message = "Height and width for the images need to be provided or none.".into();
        error.request_id = Some("5f3b".into());
        assert_eq!(
            Error::from(error).to_string(),
            "InvalidArgumentException (HTTP 400): Height and width for the images need to be provided or none. [request 5f3b]"
        );
    }
}

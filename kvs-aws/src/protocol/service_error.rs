//! Errors that the service returns.

use std::fmt;
use std::time::{Duration, SystemTime};

use kvs_types::__internal::open_enum;

/// An error response of the service.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServiceError {
    /// The error name.
    pub kind: ServiceErrorKind,
    /// The message of the service; empty if it sent none. At most 2,048 characters.
    pub message: String,
    /// The HTTP status. It is 200 when the control plane does not know the operation.
    pub status: u16,
    /// `x-amzn-RequestId`, which AWS Support needs.
    pub request_id: Option<String>,
    /// How long the service requests clients to wait before the next attempt.
    pub retry_after: Option<Duration>,
    /// The service's clock at the time of the response.
    pub date: Option<SystemTime>,
}

impl ServiceError {
    /// Creates an error with a name and a status, for tests and fake services.
    #[must_use]
    pub const fn new(kind: ServiceErrorKind, status: u16) -> Self {
        Self { kind, message: String::new(), status, request_id: None, retry_after: None, date: None }
    }
}

impl std::error::Error for ServiceError {}

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = if self.kind.as_str().is_empty() { "service error" } else { self.kind.as_str() };
        write!(f, "{name} (HTTP {})", self.status)?;
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
    /// The error names of the service model and of the AWS front end before it.
    pub enum ServiceErrorKind {
        /// The caller has no permission for the operation.
        AccessDenied = "AccessDeniedException",
        /// The caller has no permission for the operation. HTTP 401 in the model, 403 in real responses.
        NotAuthorized = "NotAuthorizedException",
        /// The stream does not exist, is not active, or has no media for the request.
        ResourceNotFound = "ResourceNotFoundException",
        /// The service rejects a member of the request.
        InvalidArgument = "InvalidArgumentException",
        /// Too many requests. Attempts are repeated with a longer pause than after other errors.
        ClientLimitExceeded = "ClientLimitExceededException",
        /// The stream has too many PutMedia or GetMedia connections.
        ConnectionLimitExceeded = "ConnectionLimitExceededException",
        /// The data endpoint is out of date. [`Client`](crate::Client) looks it up again.
        InvalidEndpoint = "InvalidEndpointException",
        /// The name is in use, or another change of the stream is in progress.
        ResourceInUse = "ResourceInUseException",
        /// `CurrentVersion` is not the current version of the stream.
        VersionMismatch = "VersionMismatchException",
        /// The stream retains no media: its data retention is 0 hours.
        NoDataRetention = "NoDataRetentionException",
        /// The account has reached its limit of streams.
        AccountStreamLimitExceeded = "AccountStreamLimitExceededException",
        /// The ARN in a tag operation is malformed.
        InvalidResourceFormat = "InvalidResourceFormatException",
        /// The stream would have more than 50 tags.
        TagsPerResourceExceededLimit = "TagsPerResourceExceededLimitException",
        /// The operation does not support the codecs of the media.
        UnsupportedStreamMediaType = "UnsupportedStreamMediaTypeException",
        /// The media has no codec private data.
        MissingCodecPrivateData = "MissingCodecPrivateDataException",
        /// The codec private data is invalid.
        InvalidCodecPrivateData = "InvalidCodecPrivateDataException",
        /// A frame cannot be parsed.
        InvalidMediaFrame = "InvalidMediaFrameException",
        /// The session token has expired.
        ExpiredToken = "ExpiredTokenException",
        /// The access key is unknown.
        UnrecognizedClient = "UnrecognizedClientException",
        /// The signature does not match, or its time differs too much from the service's clock.
        InvalidSignature = "InvalidSignatureException",
        /// The signature is incomplete.
        IncompleteSignature = "IncompleteSignatureException",
        /// The time of the request differs too much from the service's clock.
        RequestExpired = "RequestExpired",
        /// Too many requests.
        Throttling = "ThrottlingException",
        /// An internal error of the service.
        InternalFailure = "InternalFailure",
        /// The service is temporarily unavailable.
        ServiceUnavailable = "ServiceUnavailable",
        /// The service received the request too slowly.
        RequestTimeout = "RequestTimeoutException",
        /// The endpoint does not know the operation, for example a data-plane operation at the control plane.
        UnknownOperation = "UnknownOperationException",
        /// The AWS front end rejects a member of the request.
        Validation = "ValidationException",
    }
}

impl Default for ServiceErrorKind {
    /// Returns the kind of an error without a name.
    fn default() -> Self {
        Self::Other(String::new())
    }
}

impl ServiceErrorKind {
    /// Reads a name from `x-amzn-ErrorType` or `__type`, without the namespace before `#` and the URL after `:`.
    pub(crate) fn from_wire(text: &str) -> Self {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::error::Error;

    #[test]
    fn strips_namespace_and_url_from_error_names() {
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
    fn displays_all_details_on_one_line() {
        let mut error = ServiceError::new(ServiceErrorKind::InvalidArgument, 400);
        error.message = "Height and width for the images need to be provided or none.".into();
        error.request_id = Some("5f3b".into());
        assert_eq!(
            Error::from(error).to_string(),
            "InvalidArgumentException (HTTP 400): Height and width for the images need to be provided or none. [request 5f3b]"
        );
    }
}

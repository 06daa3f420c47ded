//! Errors of the API: exception name, HTTP status and message.

use http::StatusCode;

/// Generates the enum, names and statuses from one table.
macro_rules! exceptions {
    ($($(#[$doc:meta])* $name:ident $wire:literal $status:literal)*) => {
        /// The exceptions of the service.
        ///
        /// Where the status on the wire differs from the API model, the wire wins: denied access is modelled as 401 and
        /// arrives as 403.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Exception {
            $($(#[$doc])* $name,)*
        }

        impl Exception {
            /// Returns the name, as in `x-amzn-ErrorType`.
            pub(crate) const fn name(self) -> &'static str {
                match self { $(Self::$name => $wire,)* }
            }

            /// Returns the exception with this name, if there is one.
            pub(crate) fn from_name(name: &str) -> Option<Self> {
                match name { $($wire => Some(Self::$name),)* _ => None }
            }

            const fn code(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }
        }
    };
}

exceptions! {
    AccessDenied "AccessDeniedException" 403
    NotAuthorized "NotAuthorizedException" 403
    ResourceNotFound "ResourceNotFoundException" 404
    InvalidArgument "InvalidArgumentException" 400
    ClientLimitExceeded "ClientLimitExceededException" 400
    ConnectionLimitExceeded "ConnectionLimitExceededException" 400
    InvalidEndpoint "InvalidEndpointException" 400
    ResourceInUse "ResourceInUseException" 400
    VersionMismatch "VersionMismatchException" 400
    NoDataRetention "NoDataRetentionException" 400
    AccountStreamLimitExceeded "AccountStreamLimitExceededException" 400
    InvalidResourceFormat "InvalidResourceFormatException" 400
    TagsPerResourceExceededLimit "TagsPerResourceExceededLimitException" 400
    UnsupportedStreamMediaType "UnsupportedStreamMediaTypeException" 400
    MissingCodecPrivateData "MissingCodecPrivateDataException" 400
    InvalidCodecPrivateData "InvalidCodecPrivateDataException" 400
    InvalidMediaFrame "InvalidMediaFrameException" 400
    ExpiredToken "ExpiredTokenException" 403
    IncompleteSignature "IncompleteSignatureException" 403
    InvalidSignature "InvalidSignatureException" 403
    MissingAuthenticationToken "MissingAuthenticationTokenException" 403
    UnrecognizedClient "UnrecognizedClientException" 403
    InternalFailure "InternalFailure" 500
    NotImplemented "NotImplementedException" 501
    RequestEntityTooLarge "RequestEntityTooLargeException" 413
    RequestTimeout "RequestTimeoutException" 408
    Serialization "SerializationException" 400
    ServiceUnavailable "ServiceUnavailableException" 503
    Throttling "ThrottlingException" 400
    UnknownOperation "UnknownOperationException" 404
}

impl Exception {
    /// Returns the HTTP status.
    pub(crate) fn status(self) -> StatusCode {
        StatusCode::from_u16(self.code()).expect("the table contains valid statuses")
    }

    /// Returns the JSON key of the message: the service writes `Message`, the AWS front end before it writes `message`.
    pub(crate) const fn message_key(self) -> &'static str {
        match self {
            Self::ExpiredToken
            | Self::IncompleteSignature
            | Self::InvalidSignature
            | Self::MissingAuthenticationToken
            | Self::UnrecognizedClient
            | Self::Serialization
            | Self::Throttling => "message",
            _ => "Message",
        }
    }
}

/// An error response: exception and message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", exception.name())]
pub(crate) struct ApiError {
    pub(crate) exception: Exception,
    pub(crate) message: String,
}

impl ApiError {
    /// An error with this exception and message.
    pub(crate) fn new(exception: Exception, message: impl Into<String>) -> Self {
        Self { exception, message: message.into() }
    }

    /// An `InvalidArgumentException`.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(Exception::InvalidArgument, message)
    }

    /// A `ResourceNotFoundException` for a stream, with the message of the service.
    pub(crate) fn no_stream() -> Self {
        Self::new(Exception::ResourceNotFound, "The requested stream is not found or not active.")
    }

    /// A failure of this service; the cause must have been logged.
    pub(crate) fn internal() -> Self {
        Self::new(Exception::InternalFailure, "internal failure; see the log of the service")
    }
}

//! What the service answers when it does not do what was asked: a name, a status and a sentence.

use http::StatusCode;

/// Writes the enum, the names and the statuses from one table.
macro_rules! exceptions {
    ($($(#[$doc:meta])* $name:ident $wire:literal $status:literal)*) => {
        /// The exceptions this service answers with, by their names on the wire.
        ///
        /// Statuses are those seen on the wire where they differ from the model: refusals of access are modelled as 401 and
        /// arrive as 403.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Exception {
            $($(#[$doc])* $name,)*
        }

        impl Exception {
            /// The name, as it stands in `x-amzn-ErrorType`.
            pub(crate) const fn name(self) -> &'static str {
                match self { $(Self::$name => $wire,)* }
            }

            /// The exception of this name, if the service knows it.
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
    /// The HTTP status that goes with it.
    pub(crate) fn status(self) -> StatusCode {
        StatusCode::from_u16(self.code()).expect("the table holds valid statuses")
    }

    /// The key of the sentence in the JSON body: the service writes `Message`, the layer in front of it `message`.
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

/// A refused request: which exception, and a sentence for whoever reads it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", exception.name())]
pub(crate) struct ApiError {
    pub(crate) exception: Exception,
    pub(crate) message: String,
}

impl ApiError {
    /// This exception with this sentence.
    pub(crate) fn new(exception: Exception, message: impl Into<String>) -> Self {
        Self { exception, message: message.into() }
    }

    /// An argument that does not fit its shape or its context.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(Exception::InvalidArgument, message)
    }

    /// The stream is not there; the sentence is the service's.
    pub(crate) fn no_stream() -> Self {
        Self::new(Exception::ResourceNotFound, "The requested stream is not found or not active.")
    }
}

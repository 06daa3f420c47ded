//! Errors of a call, one variant for each party that has to act.

use kvs_types::InvalidField;

use crate::net::error::TransportError;
use crate::protocol::service_error::{ServiceError, ServiceErrorKind};

/// The error of a call.
///
/// The message does not include the cause; print the chain of [`source`](std::error::Error::source)s.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The caller must act: the service does not accept this value. Nothing was sent.
    #[error(transparent)]
    Invalid(#[from] InvalidField),
    /// The administrator of the credentials must act: the provider returned none, or they cannot be used in a signature.
    #[error("no usable credentials")]
    Credentials(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The network must recover, or its administrator must act: the service could not be reached, or not in time, or the connection broke.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The service returned an error. [`ServiceError::kind`] determines who must act.
    #[error(transparent)]
    Service(Box<ServiceError>),
    /// The service, or something in place of it, returned a response that does not follow the service model.
    #[error("unexpected response of {operation}")]
    Response {
        /// The operation's name.
        operation: &'static str,
        /// The cause.
        #[source]
        problem: ResponseProblem,
    },
}

impl Error {
    /// Returns the error that the service returned, if this is one.
    #[must_use]
    pub fn service(&self) -> Option<&ServiceError> {
        match self {
            Self::Service(error) => Some(error),
            _ => None,
        }
    }

    /// Whether the service answered that the stream, or the requested media, does not exist.
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

/// How a response differs from the service model.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResponseProblem {
    /// The body is not the JSON that the model describes.
    #[error("invalid JSON")]
    Json(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A required member is missing.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A member has an unusable value.
    #[error("invalid {member}: {value:?}")]
    Member {
        /// The member's name.
        member: &'static str,
        /// Its value.
        value: String,
    },
    /// A page of a list names the same next page as an earlier one: the list would never end.
    #[error("the NextToken {token:?} came before, so the list has no end")]
    RepeatedToken {
        /// The token, at most its first 64 characters.
        token: String,
    },
    /// The control plane, which was reached through TLS, names a data endpoint without TLS. Credentials and media would travel
    /// in clear.
    #[error(
        "the data endpoint {endpoint} is not encrypted although the control plane is: credentials and media would travel in \
         clear; if that is meant, allow it with ClientConfig::allow_plain_data_endpoints"
    )]
    PlainDataEndpoint {
        /// The endpoint.
        endpoint: String,
    },
}

impl ResponseProblem {
    pub(crate) fn json(error: serde_json::Error) -> Self {
        Self::Json(error.into())
    }
}

//! Why the AWS IoT credentials provider returned no credentials, and who must act.

use std::error::Error as StdError;
use std::io;
use std::sync::Arc;

use aws_credential_types::provider::error::CredentialsError;

use crate::net::error::TransportError;
use crate::protocol::service_error::ServiceError;

/// A device got no credentials for its certificate. It is among the sources of the provider's error.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum IotError {
    /// The account's owner must act: policy, thing and role do not match the certificate.
    #[error(
        "role alias {role_alias:?} is denied to this device (HTTP {status}: {message}): its certificate must be active, have a \
         policy that allows iot:AssumeRoleWithCertificate on the alias, and be attached to the thing in the request; the role \
         of the alias must trust credentials.iot.amazonaws.com"
    )]
    Denied {
        /// The role alias.
        role_alias: String,
        /// 401 or 403.
        status: u16,
        /// The message of the endpoint.
        message: String,
    },
    /// The administrator of the device must act: the role alias does not exist in this account and region.
    #[error("role alias {role_alias:?} does not exist at this endpoint (HTTP 404: {message})")]
    NoRoleAlias {
        /// The role alias.
        role_alias: String,
        /// The message of the endpoint.
        message: String,
    },
    /// The administrator of the device must act: the endpoint rejects the request.
    #[error("credentials endpoint rejected the request (HTTP {status}: {message})")]
    Refused {
        /// The status.
        status: u16,
        /// The message of the endpoint.
        message: String,
    },
    /// The endpoint must recover: it is busy or has an internal error.
    #[error("credentials endpoint is temporarily unavailable (HTTP {status}: {message})")]
    Unavailable {
        /// 408, 429 or 5xx.
        status: u16,
        /// The message of the endpoint.
        message: String,
    },
    /// The administrator of the IoT registry must act: the endpoint rejects the device's certificate.
    #[error(
        "{endpoint} rejected the device certificate; it must be registered and active in this account and region, and not expired"
    )]
    CertificateRefused {
        /// Host and port of the endpoint.
        endpoint: String,
        /// The cause, with the TLS alert.
        source: Arc<TransportError>,
    },
    /// The administrator of the device must act: the endpoint is a wrong one, its certificate authority is not among the TLS
    /// roots, or the device's clock is wrong.
    #[error("certificate of {endpoint} is not trusted; check the endpoint, the TLS roots and the device clock")]
    EndpointUntrusted {
        /// Host and port of the endpoint.
        endpoint: String,
        /// The cause, with the problem of the certificate.
        source: Arc<TransportError>,
    },
    /// The network must recover, or its administrator must act.
    #[error("cannot get credentials from {endpoint}")]
    Unreachable {
        /// Host and port of the endpoint.
        endpoint: String,
        /// The cause.
        source: Arc<TransportError>,
    },
    /// The administrator of the device must act: the response has no usable credentials. It is not shown, because it may
    /// contain secrets.
    #[error("response of {endpoint} has no usable credentials: {problem}")]
    InvalidResponse {
        /// Host and port of the endpoint.
        endpoint: String,
        /// What is wrong with the response.
        problem: String,
    },
}

impl IotError {
    /// Whether a later attempt may succeed without anybody acting.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::Unreachable { .. })
    }

    pub(super) fn from_service(error: ServiceError, role_alias: &str) -> Self {
        let (status, message, role_alias) = (error.status, error.message, role_alias.to_owned());
        match status {
            401 | 403 => Self::Denied { role_alias, status, message },
            404 => Self::NoRoleAlias { role_alias, message },
            408 | 429 | 500.. => Self::Unavailable { status, message },
            _ => Self::Refused { status, message },
        }
    }

    pub(super) fn from_transport(error: TransportError, endpoint: &str) -> Self {
        let (endpoint, source) = (endpoint.to_owned(), Arc::new(error));
        match tls_cause(&*source) {
            Some(rustls::Error::AlertReceived(_)) => Self::CertificateRefused { endpoint, source },
            Some(rustls::Error::InvalidCertificate(_)) => Self::EndpointUntrusted { endpoint, source },
            _ => Self::Unreachable { endpoint, source },
        }
    }
}

impl From<IotError> for CredentialsError {
    fn from(error: IotError) -> Self {
        if error.is_transient() { Self::provider_error(error) } else { Self::invalid_configuration(error) }
    }
}

/// Returns the TLS error among the sources.
fn tls_cause<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a rustls::Error> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        // The error inside an `io::Error` is not its source but in `get_ref`.
        cause = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

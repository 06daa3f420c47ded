//! Why the endpoint gave no credentials, and who must act.

use std::error::Error as StdError;
use std::io;

use aws_credential_types::provider::error::CredentialsError;

use crate::protocol::error::{ServiceError, TransportError};

/// A device got no credentials for its certificate. Found as a source of the provider's error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IotError {
    /// The account's owner must act: policy, thing and role do not fit the certificate.
    #[error(
        "role alias {role_alias:?} is denied to this device (HTTP {status}: {message}): its certificate must be active, have a \
         policy that allows iot:AssumeRoleWithCertificate on the alias, and be attached to the thing named; the alias's role \
         must trust credentials.iot.amazonaws.com"
    )]
    Denied {
        /// The alias.
        role_alias: String,
        /// 401 or 403.
        status: u16,
        /// What the endpoint says.
        message: String,
    },
    /// Whoever configured the device must act: there is no such alias in this account and region.
    #[error("there is no role alias {role_alias:?} at this endpoint (HTTP 404: {message})")]
    NoRoleAlias {
        /// The alias.
        role_alias: String,
        /// What the endpoint says.
        message: String,
    },
    /// The endpoint does not take the request as it is.
    #[error("the credentials endpoint refuses the request (HTTP {status}: {message})")]
    Refused {
        /// The status.
        status: u16,
        /// What the endpoint says.
        message: String,
    },
    /// Nobody must act: the endpoint is busy or has a fault, and may answer later.
    #[error("the credentials endpoint cannot answer now (HTTP {status}: {message})")]
    Unavailable {
        /// 429 or 5xx.
        status: u16,
        /// What the endpoint says.
        message: String,
    },
    /// Whoever registers devices must act: the endpoint does not take this certificate.
    #[error(
        "{endpoint} does not take this device's certificate ({alert}): it must be registered and active in this account and \
         region, and not past its end"
    )]
    CertificateRefused {
        /// The endpoint.
        endpoint: String,
        /// The TLS alert.
        alert: String,
    },
    /// Whoever configured the device must act: the endpoint is not the one meant, its authority is not among the trusted
    /// roots, or the device's clock is wrong.
    #[error("{endpoint} is not trusted: {problem}")]
    EndpointUntrusted {
        /// The endpoint.
        endpoint: String,
        /// What is wrong with its certificate.
        problem: String,
    },
    /// Nobody must act while it lasts: the network.
    #[error("no credentials from {endpoint}: {cause}")]
    Unreachable {
        /// The endpoint.
        endpoint: String,
        /// Why.
        cause: String,
    },
    /// The endpoint answered with something that is no credentials; it is not shown, it may hold some.
    #[error("the answer of {endpoint} holds no credentials: {problem}")]
    Answer {
        /// The endpoint.
        endpoint: String,
        /// What is wrong with it.
        problem: String,
    },
}

impl IotError {
    /// Whether the same question may be answered later without anybody doing anything.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::Unreachable { .. })
    }

    pub(super) fn of_service(error: ServiceError, role_alias: &str) -> Self {
        let (status, message, role_alias) = (error.status, error.message, role_alias.to_owned());
        match status {
            401 | 403 => Self::Denied { role_alias, status, message },
            404 => Self::NoRoleAlias { role_alias, message },
            408 | 429 | 500.. => Self::Unavailable { status, message },
            _ => Self::Refused { status, message },
        }
    }

    pub(super) fn of_transport(error: &TransportError, endpoint: &str) -> Self {
        let endpoint = endpoint.to_owned();
        match of_rustls(error) {
            Some(rustls::Error::AlertReceived(alert)) => {
                Self::CertificateRefused { endpoint, alert: format!("TLS alert {alert:?}") }
            }
            Some(rustls::Error::InvalidCertificate(problem)) => {
                Self::EndpointUntrusted { endpoint, problem: problem.to_string() }
            }
            _ => Self::Unreachable { endpoint, cause: error.to_string() },
        }
    }
}

impl From<IotError> for CredentialsError {
    fn from(error: IotError) -> Self {
        if error.is_transient() { Self::provider_error(error) } else { Self::invalid_configuration(error) }
    }
}

/// What rustls said, wherever in the chain of causes it stands.
fn of_rustls<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a rustls::Error> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        // What an I/O error wraps is not among its sources.
        cause = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

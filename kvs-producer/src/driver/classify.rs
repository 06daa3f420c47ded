//! Classifies errors of the client by what the core does about them.

use kvs_aws::{Error, ServiceError, ServiceErrorKind, TransportError};
use kvs_types::__internal::ErrorChain;

use crate::io::failure::{Failure, FailureKind};

pub(super) fn failure(error: &Error) -> Failure {
    let retry_after = error.service().and_then(|error| error.retry_after);
    Failure::new(kind(error), ErrorChain(error).to_string()).with_retry_after(retry_after)
}

fn kind(error: &Error) -> FailureKind {
    match error {
        Error::Invalid(_) => FailureKind::InvalidRequest,
        Error::Service(error) => service(error),
        Error::Transport(TransportError::Timeout { .. }) => FailureKind::TimedOut,
        Error::Response { .. } => FailureKind::Service,
        // A credentials provider that fails now may succeed later: its network may be down too.
        _ => FailureKind::Unreachable,
    }
}

fn service(error: &ServiceError) -> FailureKind {
    use ServiceErrorKind as Kind;
    let about_time = error.message.contains("Signature expired") || error.message.contains("Signature not yet current");
    match &error.kind {
        Kind::ResourceNotFound => FailureKind::NotFound,
        Kind::ClientLimitExceeded | Kind::ConnectionLimitExceeded | Kind::Throttling | Kind::ServiceUnavailable => {
            FailureKind::Throttled
        }
        Kind::ExpiredToken => FailureKind::CredentialsExpired,
        Kind::RequestExpired => FailureKind::ClockSkew,
        Kind::InvalidSignature if about_time => FailureKind::ClockSkew,
        Kind::AccessDenied
        | Kind::NotAuthorized
        | Kind::UnrecognizedClient
        | Kind::InvalidSignature
        | Kind::IncompleteSignature => FailureKind::AccessDenied,
        Kind::RequestTimeout => FailureKind::TimedOut,
        // The stream is being changed, or another client created it in the meantime: describe it again.
        Kind::InternalFailure | Kind::ResourceInUse | Kind::InvalidEndpoint => FailureKind::Service,
        _ => by_status(error.status),
    }
}

const fn by_status(status: u16) -> FailureKind {
    match status {
        429 | 503 => FailureKind::Throttled,
        401 | 403 => FailureKind::AccessDenied,
        404 => FailureKind::NotFound,
        408 => FailureKind::TimedOut,
        500.. => FailureKind::Service,
        _ => FailureKind::InvalidRequest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn service_errors_are_classified() {
        let of = |kind, status| failure(&ServiceError::new(kind, status).into()).kind;
        assert_eq!(of(ServiceErrorKind::ClientLimitExceeded, 400), FailureKind::Throttled);
        assert_eq!(of(ServiceErrorKind::Other("Odd".to_owned()), 429), FailureKind::Throttled);
        assert_eq!(of(ServiceErrorKind::Other("Odd".to_owned()), 503), FailureKind::Throttled);
        assert_eq!(of(ServiceErrorKind::NotAuthorized, 401), FailureKind::AccessDenied);
        assert_eq!(of(ServiceErrorKind::ExpiredToken, 403), FailureKind::CredentialsExpired);
        assert_eq!(of(ServiceErrorKind::InvalidArgument, 400), FailureKind::InvalidRequest);
        assert_eq!(of(ServiceErrorKind::InternalFailure, 500), FailureKind::Service);
    }
}

//! What the core is told of an error of the client.

use kvs_aws::{Error, ServiceError, ServiceErrorKind, TransportError};

use crate::io::failure::{Failure, FailureKind};

pub(super) fn failure(error: &Error) -> Failure {
    let retry_after = error.service().and_then(|error| error.retry_after);
    Failure::new(kind(error), with_sources(error)).with_retry_after(retry_after)
}

fn kind(error: &Error) -> FailureKind {
    match error {
        Error::Invalid(_) => FailureKind::InvalidRequest,
        Error::Service(error) => service(error),
        Error::Transport(TransportError::Timeout { .. }) => FailureKind::TimedOut,
        Error::Response { .. } => FailureKind::Service,
        // A provider that has none now may have some later: the network may be down for it too.
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
        // The stream is busy with another change, or somebody created it meanwhile: look again.
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

/// The message with those of its causes that it does not contain already.
fn with_sources(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn throttles_are_told_from_refusals() {
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

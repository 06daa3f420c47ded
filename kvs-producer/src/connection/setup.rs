//! The requests that precede a connection: credentials, the stream, its endpoint.

use std::time::{Duration, Instant};

use kvs_types::StreamStatus;

use crate::config::StreamLookup;
use crate::io::control::{ControlRequest, ControlResponse, Freshness};
use crate::io::failure::{Failure, FailureKind};
use crate::limits::{CREDENTIALS_MARGIN, ENDPOINT_LIFE};
use crate::report::reason::HaltReason;

/// What is known so far, which determines the next request.
///
/// ```text
/// credentials -> DescribeStream -+-> GetDataEndpoint -> open
///                   ^            | not found, and only then
///                   +-- CreateStream (if allowed)
/// ```
#[derive(Debug)]
pub(super) struct StreamSetup {
    lookup: StreamLookup,
    credentials: Credentials,
    stream: StreamState,
    endpoint: Option<(String, Instant)>,
    retention: Option<Duration>,
    /// A connection was open before, so a rejection may be temporary.
    established: bool,
}

/// Requested before each connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Credentials {
    Needed(Freshness),
    Known { until: Option<Instant> },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StreamState {
    Unknown,
    Missing,
    Active,
}

/// What follows a response or a failure.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NextAction {
    /// Take the next step immediately.
    Proceed,
    /// Try again after a wait.
    Retry(Failure),
    /// Stop: a retry would not help.
    Halt(HaltReason),
}

impl StreamSetup {
    pub(super) fn new(lookup: StreamLookup, now: Instant) -> Self {
        let endpoint = match &lookup {
            StreamLookup::FixedEndpoint(endpoint) => Some((endpoint.clone(), now)),
            _ => None,
        };
        Self {
            lookup,
            credentials: Credentials::Needed(Freshness::Cached),
            stream: StreamState::Unknown,
            endpoint,
            retention: None,
            established: false,
        }
    }

    const fn is_fixed(&self) -> bool {
        matches!(self.lookup, StreamLookup::FixedEndpoint(_))
    }

    /// Returns the request that is still needed before a connection can be opened.
    pub(super) fn next_request(&self, now: Instant) -> Option<ControlRequest> {
        if let Credentials::Needed(freshness) = self.credentials {
            return Some(ControlRequest::Credentials(freshness));
        }
        if self.is_fixed() {
            return None;
        }
        let asked = self.endpoint.as_ref().map(|(_, asked)| *asked);
        if asked.is_some_and(|asked| now.saturating_duration_since(asked) < ENDPOINT_LIFE) {
            return None;
        }
        Some(match (self.stream, &self.lookup) {
            (StreamState::Active, _) => ControlRequest::GetDataEndpoint,
            (StreamState::Missing, StreamLookup::CreateIfMissing(new)) => ControlRequest::CreateStream(new.clone()),
            (StreamState::Unknown | StreamState::Missing, _) => ControlRequest::DescribeStream,
        })
    }

    pub(super) fn endpoint(&self) -> Option<&str> {
        self.endpoint.as_ref().map(|(endpoint, _)| endpoint.as_str())
    }

    /// When the credentials of the next connection expire.
    pub(super) const fn credentials_until(&self) -> Option<Instant> {
        match self.credentials {
            Credentials::Known { until } => until,
            Credentials::Needed(_) => None,
        }
    }

    /// Whether the stream has no retention. The service then never acknowledges with `PERSISTED`.
    pub(super) fn has_no_retention(&self) -> bool {
        self.retention.is_some_and(|retention| retention.is_zero())
    }

    /// A connection attempt starts. The next one requests credentials again.
    pub(super) const fn on_attempt(&mut self) {
        self.credentials = Credentials::Needed(Freshness::Cached);
    }

    /// The connection is open.
    pub(super) const fn on_opened(&mut self) {
        self.established = true;
    }

    pub(super) fn on_response(
        &mut self,
        request: &ControlRequest,
        response: ControlResponse,
        now: Instant,
    ) -> NextAction {
        match response {
            ControlResponse::Credentials { lasts } => self.on_credentials(request, lasts, now),
            ControlResponse::Described { status, retention } => self.on_described(status, retention),
            ControlResponse::Created => {
                self.stream = StreamState::Unknown;
                NextAction::Proceed
            }
            ControlResponse::Endpoint(endpoint) => {
                self.endpoint = Some((endpoint, now));
                NextAction::Proceed
            }
            ControlResponse::Failed(failure) => self.on_failure(Some(request), failure),
        }
    }

    fn on_credentials(&mut self, request: &ControlRequest, lasts: Option<Duration>, now: Instant) -> NextAction {
        match lasts {
            Some(lasts) if lasts < CREDENTIALS_MARGIN && *request == ControlRequest::Credentials(Freshness::Cached) => {
                self.credentials = Credentials::Needed(Freshness::Fresh);
                NextAction::Proceed
            }
            Some(lasts) if lasts.is_zero() => {
                self.credentials = Credentials::Needed(Freshness::Fresh);
                NextAction::Retry(Failure::new(
                    FailureKind::CredentialsExpired,
                    "the credentials provider returned expired credentials",
                ))
            }
            lasts => {
                self.credentials = Credentials::Known { until: lasts.and_then(|lasts| now.checked_add(lasts)) };
                NextAction::Proceed
            }
        }
    }

    fn on_described(&mut self, status: StreamStatus, retention: Duration) -> NextAction {
        self.retention = Some(retention);
        match status {
            StreamStatus::Creating | StreamStatus::Updating => {
                self.stream = StreamState::Unknown;
                NextAction::Retry(Failure::new(FailureKind::Service, "the stream is not active yet"))
            }
            StreamStatus::Deleting => {
                self.stream = StreamState::Unknown;
                NextAction::Retry(Failure::new(FailureKind::Service, "the stream is being deleted"))
            }
            // An unknown status counts as active: if the stream is not, the service rejects the media.
            _ => {
                self.stream = StreamState::Active;
                NextAction::Proceed
            }
        }
    }

    /// A request or a connection attempt failed: decides what to look up again, and whether a retry makes sense.
    pub(super) fn on_failure(&mut self, request: Option<&ControlRequest>, failure: Failure) -> NextAction {
        if matches!(request, None | Some(ControlRequest::GetDataEndpoint)) && !self.is_fixed() {
            self.endpoint = None;
        }
        if matches!(request, Some(ControlRequest::CreateStream(_))) {
            // Another client may have created the stream in the meantime: describe it before trying again.
            self.stream = StreamState::Unknown;
        }
        match failure.kind {
            FailureKind::NotFound => self.on_missing(request, failure),
            FailureKind::CredentialsExpired => {
                self.credentials = Credentials::Needed(Freshness::Fresh);
                NextAction::Retry(failure)
            }
            FailureKind::AccessDenied | FailureKind::InvalidRequest if !self.established => {
                NextAction::Halt(HaltReason::RequestRejected(failure))
            }
            FailureKind::AccessDenied
            | FailureKind::InvalidRequest
            | FailureKind::Throttled
            | FailureKind::ClockSkew
            | FailureKind::Unreachable
            | FailureKind::TimedOut
            | FailureKind::Service => NextAction::Retry(failure),
        }
    }

    fn on_missing(&mut self, request: Option<&ControlRequest>, failure: Failure) -> NextAction {
        let described = request == Some(&ControlRequest::DescribeStream);
        match (&self.lookup, described) {
            (StreamLookup::CreateIfMissing(_), true) => {
                self.stream = StreamState::Missing;
                NextAction::Proceed
            }
            (StreamLookup::Existing, true) => NextAction::Halt(HaltReason::StreamNotFound),
            (StreamLookup::FixedEndpoint(_), _) if !self.established => {
                NextAction::Halt(HaltReason::RequestRejected(failure))
            }
            (_, _) => {
                self.stream = StreamState::Unknown;
                NextAction::Retry(failure)
            }
        }
    }

    /// The stream may have changed: describe it again before the next connection.
    pub(super) fn invalidate(&mut self) {
        self.stream = StreamState::Unknown;
        if !self.is_fixed() {
            self.endpoint = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::control::NewStream;

    fn active() -> ControlResponse {
        ControlResponse::Described { status: StreamStatus::Active, retention: Duration::from_secs(3600) }
    }

    fn failed(kind: FailureKind) -> ControlResponse {
        ControlResponse::Failed(Failure::new(kind, "because"))
    }

    fn with_credentials(lookup: StreamLookup) -> (StreamSetup, Instant) {
        let now = Instant::now();
        let mut setup = StreamSetup::new(lookup, now);
        let request = setup.next_request(now).unwrap();
        assert_eq!(request, ControlRequest::Credentials(Freshness::Cached));
        assert_eq!(setup.on_response(&request, ControlResponse::Credentials { lasts: None }, now), NextAction::Proceed);
        (setup, now)
    }

    #[test]
    fn only_not_found_creates_a_stream() {
        let kinds = [
            FailureKind::AccessDenied,
            FailureKind::InvalidRequest,
            FailureKind::Throttled,
            FailureKind::Unreachable,
            FailureKind::TimedOut,
            FailureKind::Service,
            FailureKind::CredentialsExpired,
            FailureKind::ClockSkew,
        ];
        for kind in kinds {
            let (mut setup, now) = with_credentials(StreamLookup::CreateIfMissing(NewStream::default()));
            assert_ne!(
                setup.on_response(&ControlRequest::DescribeStream, failed(kind), now),
                NextAction::Proceed,
                "{kind}"
            );
            assert!(!matches!(setup.next_request(now), Some(ControlRequest::CreateStream(_))), "{kind}");
        }
    }

    #[test]
    fn a_missing_stream_is_created_then_described() {
        let (mut setup, now) = with_credentials(StreamLookup::CreateIfMissing(NewStream::default()));
        setup.on_response(&ControlRequest::DescribeStream, failed(FailureKind::NotFound), now);
        let create = setup.next_request(now).unwrap();
        assert!(matches!(create, ControlRequest::CreateStream(_)));
        setup.on_response(&create, ControlResponse::Created, now);
        assert_eq!(setup.next_request(now), Some(ControlRequest::DescribeStream));
        setup.on_response(&ControlRequest::DescribeStream, active(), now);
        assert_eq!(setup.next_request(now), Some(ControlRequest::GetDataEndpoint));
        setup.on_response(&ControlRequest::GetDataEndpoint, ControlResponse::Endpoint("https://x".to_owned()), now);
        assert_eq!((setup.next_request(now), setup.endpoint()), (None, Some("https://x")));
    }

    #[test]
    fn a_missing_stream_halts_if_creating_is_not_allowed() {
        let (mut setup, now) = with_credentials(StreamLookup::Existing);
        let next = setup.on_response(&ControlRequest::DescribeStream, failed(FailureKind::NotFound), now);
        assert_eq!(next, NextAction::Halt(HaltReason::StreamNotFound));
    }

    #[test]
    fn expired_credentials_are_fetched_again() {
        let (mut setup, now) = with_credentials(StreamLookup::Existing);
        setup.on_response(&ControlRequest::DescribeStream, failed(FailureKind::CredentialsExpired), now);
        assert_eq!(setup.next_request(now), Some(ControlRequest::Credentials(Freshness::Fresh)));
    }

    #[test]
    fn a_rejection_halts_only_before_the_first_connection() {
        let (mut setup, _) = with_credentials(StreamLookup::Existing);
        assert!(matches!(setup.on_failure(None, Failure::new(FailureKind::AccessDenied, "")), NextAction::Halt(_)));
        setup.on_opened();
        assert!(matches!(setup.on_failure(None, Failure::new(FailureKind::AccessDenied, "")), NextAction::Retry(_)));
    }
}

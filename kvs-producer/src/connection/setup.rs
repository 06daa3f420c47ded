//! The way to a connection: credentials, the stream, its endpoint.

use std::time::{Duration, Instant};

use crate::config::StreamLookup;
use crate::io::control::{ControlRequest, ControlResponse, Failure, FailureKind, Freshness, StreamStatus};
use crate::limits::{CREDENTIALS_MARGIN, ENDPOINT_LIFE};
use crate::report::event::HaltReason;

/// What is known of the way, and so which call comes next.
///
/// ```text
/// credentials -> DescribeStream -+-> GetDataEndpoint -> open
///                   ^            | not found, and only then
///                   +-- CreateStream (if allowed)
/// ```
#[derive(Debug)]
pub(crate) struct Route {
    stream_lookup: StreamLookup,
    credentials: Credentials,
    stream: StreamState,
    endpoint: Option<(String, Instant)>,
    retention: Option<Duration>,
    /// A connection was open once: a refusal may pass, so it is not the end.
    established: bool,
}

/// Asked for before each connection.
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

/// What an answer leads to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Onward {
    /// The next step, at once.
    Go,
    /// The same again, after a while.
    Wait(Failure),
    /// No way.
    Halt(HaltReason),
}

impl Route {
    pub(crate) fn new(stream_lookup: StreamLookup, now: Instant) -> Self {
        let endpoint = match &stream_lookup {
            StreamLookup::FixedEndpoint(endpoint) => Some((endpoint.clone(), now)),
            _ => None,
        };
        Self {
            stream_lookup,
            credentials: Credentials::Needed(Freshness::Cached),
            stream: StreamState::Unknown,
            endpoint,
            retention: None,
            established: false,
        }
    }

    const fn is_fixed(&self) -> bool {
        matches!(self.stream_lookup, StreamLookup::FixedEndpoint(_))
    }

    /// The call that is still needed before a connection can be opened.
    pub(crate) fn next_call(&self, now: Instant) -> Option<ControlRequest> {
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
        Some(match (self.stream, &self.stream_lookup) {
            (StreamState::Active, _) => ControlRequest::GetDataEndpoint,
            (StreamState::Missing, StreamLookup::CreateIfMissing(new)) => ControlRequest::CreateStream(new.clone()),
            (StreamState::Unknown | StreamState::Missing, _) => ControlRequest::DescribeStream,
        })
    }

    pub(crate) fn endpoint(&self) -> Option<&str> {
        self.endpoint.as_ref().map(|(endpoint, _)| endpoint.as_str())
    }

    /// When the credentials that the next connection is opened with end.
    pub(crate) const fn credentials_until(&self) -> Option<Instant> {
        match self.credentials {
            Credentials::Known { until } => until,
            Credentials::Needed(_) => None,
        }
    }

    /// Whether the service keeps nothing, so that it never says `PERSISTED`.
    pub(crate) fn keeps_nothing(&self) -> bool {
        self.retention.is_some_and(|retention| retention.is_zero())
    }

    /// A connection attempt begins: the next one asks for credentials anew.
    pub(crate) const fn used(&mut self) {
        self.credentials = Credentials::Needed(Freshness::Cached);
    }

    /// The connection is open.
    pub(crate) const fn opened(&mut self) {
        self.established = true;
    }

    pub(crate) fn answered(&mut self, call: &ControlRequest, answer: ControlResponse, now: Instant) -> Onward {
        match answer {
            ControlResponse::Credentials { lasts } => self.on_credentials(call, lasts, now),
            ControlResponse::Described { status, retention } => self.on_described(status, retention),
            ControlResponse::Created => {
                self.stream = StreamState::Unknown;
                Onward::Go
            }
            ControlResponse::Endpoint(endpoint) => {
                self.endpoint = Some((endpoint, now));
                Onward::Go
            }
            ControlResponse::Failed(failure) => self.failed(Some(call), failure),
        }
    }

    fn on_credentials(&mut self, call: &ControlRequest, lasts: Option<Duration>, now: Instant) -> Onward {
        match lasts {
            Some(lasts) if lasts < CREDENTIALS_MARGIN && *call == ControlRequest::Credentials(Freshness::Cached) => {
                self.credentials = Credentials::Needed(Freshness::Fresh);
                Onward::Go
            }
            Some(lasts) if lasts.is_zero() => {
                self.credentials = Credentials::Needed(Freshness::Fresh);
                Onward::Wait(Failure::new(
                    FailureKind::CredentialsExpired,
                    "the provider gave credentials that have ended",
                ))
            }
            lasts => {
                self.credentials = Credentials::Known { until: lasts.and_then(|lasts| now.checked_add(lasts)) };
                Onward::Go
            }
        }
    }

    fn on_described(&mut self, status: StreamStatus, retention: Duration) -> Onward {
        self.retention = Some(retention);
        match status {
            StreamStatus::Active => {
                self.stream = StreamState::Active;
                Onward::Go
            }
            StreamStatus::Pending => {
                self.stream = StreamState::Unknown;
                Onward::Wait(Failure::new(FailureKind::Service, "the stream is not active yet"))
            }
            StreamStatus::Deleting => {
                self.stream = StreamState::Unknown;
                Onward::Wait(Failure::new(FailureKind::Service, "the stream is being deleted"))
            }
        }
    }

    /// A call or a connection attempt failed: what to forget, and whether trying again makes sense.
    pub(crate) fn failed(&mut self, call: Option<&ControlRequest>, failure: Failure) -> Onward {
        if matches!(call, None | Some(ControlRequest::GetDataEndpoint)) && !self.is_fixed() {
            self.endpoint = None;
        }
        if matches!(call, Some(ControlRequest::CreateStream(_))) {
            // Somebody else may have created it in between: look again before trying again.
            self.stream = StreamState::Unknown;
        }
        match failure.kind {
            FailureKind::NotFound => self.on_missing(call, failure),
            FailureKind::CredentialsExpired => {
                self.credentials = Credentials::Needed(Freshness::Fresh);
                Onward::Wait(failure)
            }
            FailureKind::AccessDenied | FailureKind::InvalidRequest if !self.established => {
                Onward::Halt(HaltReason::RequestRejected(failure))
            }
            FailureKind::AccessDenied
            | FailureKind::InvalidRequest
            | FailureKind::Throttled
            | FailureKind::ClockSkew
            | FailureKind::Unreachable
            | FailureKind::TimedOut
            | FailureKind::Service => Onward::Wait(failure),
        }
    }

    fn on_missing(&mut self, call: Option<&ControlRequest>, failure: Failure) -> Onward {
        let described = call == Some(&ControlRequest::DescribeStream);
        match (&self.stream_lookup, described) {
            (StreamLookup::CreateIfMissing(_), true) => {
                self.stream = StreamState::Missing;
                Onward::Go
            }
            (StreamLookup::Existing, true) => Onward::Halt(HaltReason::StreamNotFound),
            (StreamLookup::FixedEndpoint(_), _) if !self.established => {
                Onward::Halt(HaltReason::RequestRejected(failure))
            }
            (_, _) => {
                self.stream = StreamState::Unknown;
                Onward::Wait(failure)
            }
        }
    }

    /// The stream may have changed: describe it again before the next connection.
    pub(crate) fn distrust(&mut self) {
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

    fn with_credentials(stream_lookup: StreamLookup) -> (Route, Instant) {
        let now = Instant::now();
        let mut route = Route::new(stream_lookup, now);
        let call = route.next_call(now).unwrap();
        assert_eq!(call, ControlRequest::Credentials(Freshness::Cached));
        assert_eq!(route.answered(&call, ControlResponse::Credentials { lasts: None }, now), Onward::Go);
        (route, now)
    }

    #[test]
    fn describe_denied_never_creates() {
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
            let (mut route, now) = with_credentials(StreamLookup::CreateIfMissing(NewStream::default()));
            assert_ne!(route.answered(&ControlRequest::DescribeStream, failed(kind), now), Onward::Go, "{kind}");
            assert!(!matches!(route.next_call(now), Some(ControlRequest::CreateStream(_))), "{kind}");
        }
    }

    #[test]
    fn a_missing_stream_is_created_then_described_then_asked_for_its_endpoint() {
        let (mut route, now) = with_credentials(StreamLookup::CreateIfMissing(NewStream::default()));
        route.answered(&ControlRequest::DescribeStream, failed(FailureKind::NotFound), now);
        let create = route.next_call(now).unwrap();
        assert!(matches!(create, ControlRequest::CreateStream(_)));
        route.answered(&create, ControlResponse::Created, now);
        assert_eq!(route.next_call(now), Some(ControlRequest::DescribeStream));
        route.answered(&ControlRequest::DescribeStream, active(), now);
        assert_eq!(route.next_call(now), Some(ControlRequest::GetDataEndpoint));
        route.answered(&ControlRequest::GetDataEndpoint, ControlResponse::Endpoint("https://x".to_owned()), now);
        assert_eq!((route.next_call(now), route.endpoint()), (None, Some("https://x")));
    }

    #[test]
    fn a_missing_stream_that_may_not_be_created_halts() {
        let (mut route, now) = with_credentials(StreamLookup::Existing);
        let onward = route.answered(&ControlRequest::DescribeStream, failed(FailureKind::NotFound), now);
        assert_eq!(onward, Onward::Halt(HaltReason::StreamNotFound));
    }

    #[test]
    fn expired_credentials_are_asked_for_anew() {
        let (mut route, now) = with_credentials(StreamLookup::Existing);
        route.answered(&ControlRequest::DescribeStream, failed(FailureKind::CredentialsExpired), now);
        assert_eq!(route.next_call(now), Some(ControlRequest::Credentials(Freshness::Fresh)));
    }

    #[test]
    fn a_refusal_ends_the_attempt_only_before_the_first_connection() {
        let (mut route, _) = with_credentials(StreamLookup::Existing);
        assert!(matches!(route.failed(None, Failure::new(FailureKind::AccessDenied, "")), Onward::Halt(_)));
        route.opened();
        assert!(matches!(route.failed(None, Failure::new(FailureKind::AccessDenied, "")), Onward::Wait(_)));
    }
}

//! The way to a connection: credentials, the stream, its endpoint.

use std::time::{Duration, Instant};

use crate::config::Bootstrap;
use crate::io::control::{Answer, Call, Failure, FailureKind, Freshness, StreamStatus};
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
    bootstrap: Bootstrap,
    credentials: Credentials,
    stream: Stream,
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
enum Stream {
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
    pub(crate) fn new(bootstrap: Bootstrap, now: Instant) -> Self {
        let endpoint = match &bootstrap {
            Bootstrap::FixedEndpoint(endpoint) => Some((endpoint.clone(), now)),
            _ => None,
        };
        Self {
            bootstrap,
            credentials: Credentials::Needed(Freshness::Cached),
            stream: Stream::Unknown,
            endpoint,
            retention: None,
            established: false,
        }
    }

    const fn is_fixed(&self) -> bool {
        matches!(self.bootstrap, Bootstrap::FixedEndpoint(_))
    }

    /// The call that is still needed before a connection can be opened.
    pub(crate) fn next_call(&self, now: Instant) -> Option<Call> {
        if let Credentials::Needed(freshness) = self.credentials {
            return Some(Call::Credentials(freshness));
        }
        if self.is_fixed() {
            return None;
        }
        let asked = self.endpoint.as_ref().map(|(_, asked)| *asked);
        if asked.is_some_and(|asked| now.saturating_duration_since(asked) < ENDPOINT_LIFE) {
            return None;
        }
        Some(match (self.stream, &self.bootstrap) {
            (Stream::Active, _) => Call::GetDataEndpoint,
            (Stream::Missing, Bootstrap::CreateIfMissing(new)) => Call::CreateStream(new.clone()),
            (Stream::Unknown | Stream::Missing, _) => Call::DescribeStream,
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

    pub(crate) fn answered(&mut self, call: &Call, answer: Answer, now: Instant) -> Onward {
        match answer {
            Answer::Credentials { lasts } => self.on_credentials(call, lasts, now),
            Answer::Described { status, retention } => self.on_described(status, retention),
            Answer::Created => {
                self.stream = Stream::Unknown;
                Onward::Go
            }
            Answer::Endpoint(endpoint) => {
                self.endpoint = Some((endpoint, now));
                Onward::Go
            }
            Answer::Failed(failure) => self.failed(Some(call), failure),
        }
    }

    fn on_credentials(&mut self, call: &Call, lasts: Option<Duration>, now: Instant) -> Onward {
        match lasts {
            Some(lasts) if lasts < CREDENTIALS_MARGIN && *call == Call::Credentials(Freshness::Cached) => {
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
                self.stream = Stream::Active;
                Onward::Go
            }
            StreamStatus::Pending => {
                self.stream = Stream::Unknown;
                Onward::Wait(Failure::new(FailureKind::Service, "the stream is not active yet"))
            }
            StreamStatus::Deleting => {
                self.stream = Stream::Unknown;
                Onward::Wait(Failure::new(FailureKind::Service, "the stream is being deleted"))
            }
        }
    }

    /// A call or a connection attempt failed: what to forget, and whether trying again makes sense.
    pub(crate) fn failed(&mut self, call: Option<&Call>, failure: Failure) -> Onward {
        if matches!(call, None | Some(Call::GetDataEndpoint)) && !self.is_fixed() {
            self.endpoint = None;
        }
        if matches!(call, Some(Call::CreateStream(_))) {
            // Somebody else may have created it in between: look again before trying again.
            self.stream = Stream::Unknown;
        }
        match failure.kind {
            FailureKind::NotFound => self.on_missing(call, failure),
            FailureKind::CredentialsExpired => {
                self.credentials = Credentials::Needed(Freshness::Fresh);
                Onward::Wait(failure)
            }
            FailureKind::Refused | FailureKind::Invalid if !self.established => {
                Onward::Halt(HaltReason::Refused(failure))
            }
            FailureKind::Refused
            | FailureKind::Invalid
            | FailureKind::Throttled
            | FailureKind::ClockSkew
            | FailureKind::Unreachable
            | FailureKind::TimedOut
            | FailureKind::Service => Onward::Wait(failure),
        }
    }

    fn on_missing(&mut self, call: Option<&Call>, failure: Failure) -> Onward {
        let described = call == Some(&Call::DescribeStream);
        match (&self.bootstrap, described) {
            (Bootstrap::CreateIfMissing(_), true) => {
                self.stream = Stream::Missing;
                Onward::Go
            }
            (Bootstrap::Existing, true) => Onward::Halt(HaltReason::StreamMissing),
            (Bootstrap::FixedEndpoint(_), _) if !self.established => Onward::Halt(HaltReason::Refused(failure)),
            (_, _) => {
                self.stream = Stream::Unknown;
                Onward::Wait(failure)
            }
        }
    }

    /// The stream may have changed: describe it again before the next connection.
    pub(crate) fn distrust(&mut self) {
        self.stream = Stream::Unknown;
        if !self.is_fixed() {
            self.endpoint = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::control::NewStream;

    fn active() -> Answer {
        Answer::Described { status: StreamStatus::Active, retention: Duration::from_secs(3600) }
    }

    fn failed(kind: FailureKind) -> Answer {
        Answer::Failed(Failure::new(kind, "because"))
    }

    fn with_credentials(bootstrap: Bootstrap) -> (Route, Instant) {
        let now = Instant::now();
        let mut route = Route::new(bootstrap, now);
        let call = route.next_call(now).unwrap();
        assert_eq!(call, Call::Credentials(Freshness::Cached));
        assert_eq!(route.answered(&call, Answer::Credentials { lasts: None }, now), Onward::Go);
        (route, now)
    }

    #[test]
    fn describe_denied_never_creates() {
        let kinds = [
            FailureKind::Refused,
            FailureKind::Invalid,
            FailureKind::Throttled,
            FailureKind::Unreachable,
            FailureKind::TimedOut,
            FailureKind::Service,
            FailureKind::CredentialsExpired,
            FailureKind::ClockSkew,
        ];
        for kind in kinds {
            let (mut route, now) = with_credentials(Bootstrap::CreateIfMissing(NewStream::default()));
            assert_ne!(route.answered(&Call::DescribeStream, failed(kind), now), Onward::Go, "{kind}");
            assert!(!matches!(route.next_call(now), Some(Call::CreateStream(_))), "{kind}");
        }
    }

    #[test]
    fn a_missing_stream_is_created_then_described_then_asked_for_its_endpoint() {
        let (mut route, now) = with_credentials(Bootstrap::CreateIfMissing(NewStream::default()));
        route.answered(&Call::DescribeStream, failed(FailureKind::NotFound), now);
        let create = route.next_call(now).unwrap();
        assert!(matches!(create, Call::CreateStream(_)));
        route.answered(&create, Answer::Created, now);
        assert_eq!(route.next_call(now), Some(Call::DescribeStream));
        route.answered(&Call::DescribeStream, active(), now);
        assert_eq!(route.next_call(now), Some(Call::GetDataEndpoint));
        route.answered(&Call::GetDataEndpoint, Answer::Endpoint("https://x".to_owned()), now);
        assert_eq!((route.next_call(now), route.endpoint()), (None, Some("https://x")));
    }

    #[test]
    fn a_missing_stream_that_may_not_be_created_halts() {
        let (mut route, now) = with_credentials(Bootstrap::Existing);
        let onward = route.answered(&Call::DescribeStream, failed(FailureKind::NotFound), now);
        assert_eq!(onward, Onward::Halt(HaltReason::StreamMissing));
    }

    #[test]
    fn expired_credentials_are_asked_for_anew() {
        let (mut route, now) = with_credentials(Bootstrap::Existing);
        route.answered(&Call::DescribeStream, failed(FailureKind::CredentialsExpired), now);
        assert_eq!(route.next_call(now), Some(Call::Credentials(Freshness::Fresh)));
    }

    #[test]
    fn a_refusal_ends_the_attempt_only_before_the_first_connection() {
        let (mut route, _) = with_credentials(Bootstrap::Existing);
        assert!(matches!(route.failed(None, Failure::new(FailureKind::Refused, "")), Onward::Halt(_)));
        route.opened();
        assert!(matches!(route.failed(None, Failure::new(FailureKind::Refused, "")), Onward::Wait(_)));
    }
}

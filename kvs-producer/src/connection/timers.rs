//! The deadlines of a connection.

use std::time::{Duration, Instant};

use super::link::{AfterDrain, Link};
use super::machine::Connection;
use crate::context::Context;
use crate::io::control::ControlResponse;
use crate::io::failure::{Failure, FailureKind};
use crate::limits::{CREDENTIALS_MARGIN, ROTATION_JITTER};
use crate::report::reason::CloseReason;

impl Connection {
    /// At most one of these steps applies, because none leads to a state in which a later one would.
    pub(crate) fn handle_timeout(&mut self, cx: &mut Context) {
        self.end_wait(cx.now);
        self.expire_request(cx);
        self.expire_opening(cx);
        self.expire_drain(cx);
        self.expire_silence(cx);
    }

    fn end_wait(&mut self, now: Instant) {
        if matches!(&self.link, Link::Waiting { until } if *until <= now) {
            self.link = Link::Idle;
        }
    }

    fn expire_request(&mut self, cx: &mut Context) {
        let Link::Requesting { id, request, deadline } = &self.link else { return };
        if *deadline <= cx.now {
            let failure = Failure::new(FailureKind::TimedOut, format!("no response to {}", request.name()));
            self.handle_response(*id, ControlResponse::Failed(failure), cx);
        }
    }

    fn expire_opening(&mut self, cx: &mut Context) {
        if matches!(&self.link, Link::Opening { deadline, .. } if *deadline <= cx.now) {
            let failure = Failure::new(FailureKind::TimedOut, "no response to PutMedia");
            self.close(CloseReason::Failed(failure), cx);
        }
    }

    fn expire_drain(&mut self, cx: &mut Context) {
        let Link::Draining { session, deadline, .. } = &self.link else { return };
        if *deadline <= cx.now {
            let duration = session.silent_for(cx.now);
            self.close(CloseReason::Silent { duration }, cx);
        }
    }

    /// Silence ends a drain, not its length: on a slow link the rest of the body and its acknowledgements take time.
    pub(super) fn prolong_drain(&mut self, now: Instant) {
        if let Link::Draining { deadline, then: AfterDrain::Idle, .. } = &mut self.link {
            *deadline = now + self.progress.patience(self.timeouts.drain);
        }
    }

    fn expire_silence(&mut self, cx: &mut Context) {
        let Link::Streaming { session } = &self.link else { return };
        if session.silent_at(self.progress.patience(self.timeouts.silence)).is_some_and(|at| at <= cx.now) {
            let duration = session.silent_for(cx.now);
            self.close(CloseReason::Silent { duration }, cx);
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to do, or when a rotation is due.
    pub(crate) fn timeout(&self, now: Instant) -> Option<Instant> {
        match &self.link {
            Link::Requesting { deadline, .. } | Link::Opening { deadline, .. } | Link::Draining { deadline, .. } => {
                Some(*deadline)
            }
            Link::Waiting { until } => Some(*until),
            Link::Streaming { session } => {
                // A rotation that is due waits for a fragment boundary, not for a timer.
                let rotate = Some(session.rotate_at).filter(|&at| at > now);
                session.silent_at(self.progress.patience(self.timeouts.silence)).into_iter().chain(rotate).min()
            }
            Link::Idle | Link::Halted { .. } | Link::Finished => None,
        }
    }

    /// When a session that is opened now is replaced: before the credentials expire and before the service's limit of 45
    /// minutes, with jitter, so that many devices do not reconnect at the same time.
    pub(super) fn rotation(&mut self, now: Instant) -> Instant {
        let credentials = self.setup.credentials_until().map(|until| until.saturating_duration_since(now));
        let usable = credentials.map(|lasts| lasts.saturating_sub(CREDENTIALS_MARGIN));
        let lasts = usable.map_or(self.timeouts.session, |usable| usable.min(self.timeouts.session));
        let jitter = (lasts / 10).min(ROTATION_JITTER).mul_f64(self.rng.f64());
        now + lasts.saturating_sub(jitter).max(SESSION_MIN)
    }
}

/// The shortest session, however short the credentials are valid: the service limits PutMedia to five connections per
/// second of a stream.
const SESSION_MIN: Duration = Duration::from_secs(5);

//! The clocks of a connection: each has a name and a reason.

use std::time::{Duration, Instant};

use super::Connection;
use super::link::{Link, Then};
use crate::buffer::fragment_buffer::Buffer;
use crate::config::ProducerConfig;
use crate::io::control::{ControlResponse, Failure, FailureKind};
use crate::limits::{CREDENTIALS_MARGIN, ROTATION_JITTER};
use crate::report::event::CloseReason;
use crate::report::sink::Reports;

/// How long each thing may take.
#[derive(Debug)]
pub(super) struct Times {
    /// A call, or the opening of a connection.
    pub(super) call: Duration,
    /// From the body's end to the last ack.
    pub(super) drain: Duration,
    /// Silence while acks are due.
    stale: Duration,
    /// A connection, whatever the credentials allow.
    session: Duration,
}

impl Times {
    pub(super) const fn new(config: &ProducerConfig) -> Self {
        Self {
            call: config.call_timeout,
            drain: config.drain_timeout,
            stale: config.ack_timeout,
            session: config.session_max,
        }
    }
}

impl Connection {
    /// One of these at most has something to do: none leaves the connection where a later one would act.
    pub(crate) fn handle_timeout(&mut self, buffer: &mut Buffer, now: Instant, reports: &mut Reports) {
        self.leave_waiting(now);
        self.give_up_call(now, reports);
        self.give_up_opening(buffer, now, reports);
        self.give_up_draining(buffer, now, reports);
        self.notice_silence(buffer, now, reports);
    }

    fn leave_waiting(&mut self, now: Instant) {
        if matches!(&self.link, Link::Waiting { until } if *until <= now) {
            self.link = Link::Resting;
        }
    }

    fn give_up_call(&mut self, now: Instant, reports: &mut Reports) {
        let Link::Calling { id, call, deadline } = &self.link else { return };
        if *deadline <= now {
            let failure = Failure::new(FailureKind::TimedOut, format!("no answer to {}", call.name()));
            self.handle_response(*id, ControlResponse::Failed(failure), now, reports);
        }
    }

    fn give_up_opening(&mut self, buffer: &mut Buffer, now: Instant, reports: &mut Reports) {
        if matches!(&self.link, Link::Opening { deadline, .. } if *deadline <= now) {
            let failure = Failure::new(FailureKind::TimedOut, "no answer to PutMedia");
            self.close(CloseReason::Failed(failure), buffer, now, reports);
        }
    }

    fn give_up_draining(&mut self, buffer: &mut Buffer, now: Instant, reports: &mut Reports) {
        let Link::Draining { session, deadline, .. } = &self.link else { return };
        if *deadline <= now {
            let since = session.silent_for(now);
            self.close(CloseReason::Silent { duration: since }, buffer, now, reports);
        }
    }

    /// A drain ends by silence: on a slow line the last of the body and its acks take their time.
    pub(super) fn prolong_drain(&mut self, now: Instant) {
        if let Link::Draining { deadline, then: Then::Rest, .. } = &mut self.link {
            *deadline = now + self.times.drain;
        }
    }

    fn notice_silence(&mut self, buffer: &mut Buffer, now: Instant, reports: &mut Reports) {
        let Link::Streaming { session } = &self.link else { return };
        if session.stale_at(self.times.stale).is_some_and(|at| at <= now) {
            let since = session.silent_for(now);
            self.close(CloseReason::Silent { duration: since }, buffer, now, reports);
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to do, or a rotation is due.
    pub(crate) fn timeout(&self, now: Instant) -> Option<Instant> {
        match &self.link {
            Link::Calling { deadline, .. } | Link::Opening { deadline, .. } | Link::Draining { deadline, .. } => {
                Some(*deadline)
            }
            Link::Waiting { until } => Some(*until),
            Link::Streaming { session } => {
                // Once due, a rotation waits for a boundary, not for the clock.
                let rotate = Some(session.rotate_at).filter(|&at| at > now);
                session.stale_at(self.times.stale).into_iter().chain(rotate).min()
            }
            Link::Resting | Link::Halted { .. } | Link::Finished => None,
        }
    }

    /// Before the credentials end and before the service's limit, each time a little earlier by chance.
    pub(super) fn rotation(&mut self, now: Instant) -> Instant {
        let credentials = self.route.credentials_until().map(|until| until.saturating_duration_since(now));
        let usable = credentials.map(|lasts| lasts.saturating_sub(CREDENTIALS_MARGIN));
        let lasts = usable.map_or(self.times.session, |usable| usable.min(self.times.session));
        let jitter = (lasts / 10).min(ROTATION_JITTER).mul_f64(self.chance.f64());
        now + lasts.saturating_sub(jitter).max(SESSION_LEAST)
    }
}

/// However short credentials last: opening connections more often than this would be refused anyway.
const SESSION_LEAST: Duration = Duration::from_secs(5);

//! How a connection ends, and what is done about it.

use std::time::Instant;

use super::Connection;
use super::link::{Link, Then};
use crate::buffer::fragment_buffer::Buffer;
use crate::connection::setup::Onward;
use crate::io::control::{Failure, FailureKind, SessionId};
use crate::io::transmit::Transmit;
use crate::media::timeline::millis;
use crate::report::event::{CloseReason, Event, HaltReason};
use crate::report::sink::Reports;

impl Connection {
    pub(crate) fn handle_closed(
        &mut self,
        id: SessionId,
        reason: CloseReason,
        buffer: &mut Buffer,
        now: Instant,
        reports: &mut Reports,
    ) {
        if self.link.session_mut(id).is_none() {
            return;
        }
        let reason = match &self.link {
            Link::Draining { session, then: Then::Rest, .. } if session.is_settled() => CloseReason::Complete,
            _ => reason,
        };
        self.close(reason, buffer, now, reports);
    }

    /// Leaves the connection: what it did not settle waits again, and what comes next is decided.
    pub(super) fn close(&mut self, reason: CloseReason, buffer: &mut Buffer, now: Instant, reports: &mut Reports) {
        let Some(id) = self.link.session().map(|session| session.id) else { return };
        let link = self.link.take();
        // Whatever was still meant for this connection has no meaning any more.
        self.control.retain(|transmit| matches!(transmit, Transmit::Control { .. }));
        self.control.push_back(Transmit::Abort { session: id });
        buffer.requeue(id, reports);
        let was_opening = matches!(link, Link::Opening { .. });
        let reason = match &link {
            Link::Draining { then: Then::Retry(error) | Then::Halt(error), .. } => CloseReason::Error(error.clone()),
            _ => reason,
        };
        reports.push(Event::Closed { session: id, reason: reason.clone() });
        if let Link::Draining { then: Then::Halt(error), .. } = link {
            return self.halt(HaltReason::Rejected(error), reports);
        }
        self.after(reason, was_opening, now, reports);
    }

    fn after(&mut self, reason: CloseReason, was_opening: bool, now: Instant, reports: &mut Reports) {
        let failure = match reason {
            CloseReason::Complete | CloseReason::Superseded => return,
            CloseReason::Deadline => return self.link = Link::Finished,
            CloseReason::Failed(failure) => {
                let onward = self.route.failed(None, failure);
                return self.go(onward, now, reports);
            }
            CloseReason::Broken(message) => Failure::new(FailureKind::Unreachable, message),
            CloseReason::Silent { duration: since } => {
                Failure::new(FailureKind::TimedOut, format!("nothing heard for {} ms", millis(since)))
            }
            CloseReason::Error(error) => Failure::new(FailureKind::Service, error.to_string()),
        };
        if was_opening {
            let onward = self.route.failed(None, failure);
            return self.go(onward, now, reports);
        }
        reports.stats.reconnects += 1;
        self.wait(failure, now, reports);
    }

    pub(super) fn go(&mut self, onward: Onward, now: Instant, reports: &mut Reports) {
        match onward {
            Onward::Go => {}
            Onward::Wait(failure) => self.wait(failure, now, reports),
            Onward::Halt(reason) => self.halt(reason, reports),
        }
    }

    fn wait(&mut self, failure: Failure, now: Instant, reports: &mut Reports) {
        let wait = self.backoff.next(failure.retry_after, &mut self.chance);
        reports.stats.failures += 1;
        self.last_failure = Some(failure.clone());
        reports.push(Event::Retrying { attempt: self.backoff.attempts(), wait, failure });
        self.link = Link::Waiting { until: now + wait };
    }

    fn halt(&mut self, reason: HaltReason, reports: &mut Reports) {
        reports.push(Event::Halted(reason.clone()));
        self.link = Link::Halted { reason };
    }

    /// Tries again after a halt.
    pub(crate) fn resume(&mut self) {
        if self.halted().is_some() {
            self.route.distrust();
            self.backoff.reset();
            self.link = Link::Resting;
        }
    }

    /// Ends everything now.
    pub(crate) fn abandon(&mut self, buffer: &mut Buffer, now: Instant, reports: &mut Reports) {
        self.close(CloseReason::Deadline, buffer, now, reports);
        self.control.retain(|transmit| matches!(transmit, Transmit::Abort { .. }));
        self.link = Link::Finished;
    }
}

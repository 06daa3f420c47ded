//! How a session ends, and what follows.

use std::time::Duration;

use super::ended_session::EndedSession;
use super::link::{AfterDrain, Link};
use super::machine::Connection;
use super::progress::Barren;
use super::session::Session;
use super::setup::NextAction;
use crate::context::Context;
use crate::io::failure::{Failure, FailureKind};
use crate::io::session_id::SessionId;
use crate::io::transmit::Transmit;
use crate::report::event::Event;
use crate::report::no_progress::NoProgress;
use crate::report::reason::{CloseReason, HaltReason};
use crate::time::millis;

impl Connection {
    pub(crate) fn handle_closed(&mut self, id: SessionId, reason: CloseReason, cx: &mut Context) {
        if self.link.session_mut(id).is_none() {
            return;
        }
        let reason = match &self.link {
            Link::Draining { session, then: AfterDrain::Idle, .. } if session.is_settled() => CloseReason::Complete,
            _ => reason,
        };
        self.close(reason, cx);
    }

    /// Drops the session: what it did not settle waits again, and the next step is decided.
    pub(super) fn close(&mut self, reason: CloseReason, cx: &mut Context) {
        let Some(id) = self.link.session().map(|session| session.id) else { return };
        let link = self.link.take();
        // Pending actions for this session are obsolete.
        self.pending.retain(|transmit| matches!(transmit, Transmit::Control { .. }));
        self.pending.push_back(Transmit::Abort { session: id });
        cx.buffer.requeue(id, &mut cx.sink);
        let was_opening = matches!(link, Link::Opening { .. });
        let reason = match &link {
            Link::Draining { then: AfterDrain::Retry(error) | AfterDrain::Halt(error), .. } => {
                CloseReason::Error(error.clone())
            }
            _ => reason,
        };
        cx.sink.push(Event::Closed { session: id, reason: reason.clone() });
        let halts = match &link {
            Link::Draining { then: AfterDrain::Halt(error), .. } => Some(HaltReason::Rejected(error.clone())),
            _ => None,
        };
        if let Some(session) = link.into_session().filter(|_| !was_opening) {
            self.conclude(session, &reason, cx);
        }
        match halts {
            Some(reason) => self.halt(reason, cx),
            None => self.after_close(reason, was_opening, cx),
        }
    }

    /// What a session that was established leaves to the next one.
    fn conclude(&mut self, session: Session, reason: &CloseReason, cx: &mut Context) {
        match reason {
            CloseReason::Complete | CloseReason::Superseded => return self.window.on_ended(),
            CloseReason::Broken(_) => self.count_progress(&session, false, cx),
            CloseReason::Silent { .. } => self.count_progress(&session, true, cx),
            // The service refuses: that says nothing about the link.
            CloseReason::Error(_) | CloseReason::Failed(_) | CloseReason::Deadline => {}
        }
        self.window.on_reset();
        self.ended = EndedSession::of(session);
    }

    fn count_progress(&mut self, session: &Session, silent: bool, cx: &mut Context) {
        let Some(Barren { sessions, accepted }) = self.progress.on_reset(session, silent) else { return };
        if let Some(next) = cx.buffer.next_unsent() {
            let (fragment, span) = (next.id, next.span());
            cx.sink.push(Event::NoProgress(NoProgress { sessions, fragment, span, accepted_bytes: accepted }));
        }
    }

    fn after_close(&mut self, reason: CloseReason, was_opening: bool, cx: &mut Context) {
        let reset = matches!(reason, CloseReason::Broken(_) | CloseReason::Silent { .. });
        let failure = match reason {
            CloseReason::Complete | CloseReason::Superseded => return,
            CloseReason::Deadline => return self.link = Link::Finished,
            CloseReason::Failed(failure) => {
                let next = self.setup.on_failure(None, failure);
                return self.act(next, cx);
            }
            CloseReason::Broken(message) => Failure::new(FailureKind::Unreachable, message),
            CloseReason::Silent { duration } => {
                Failure::new(FailureKind::TimedOut, format!("nothing received for {} ms", millis(duration)))
            }
            CloseReason::Error(error) => Failure::new(FailureKind::Service, error.to_string()),
        };
        if was_opening {
            let next = self.setup.on_failure(None, failure);
            return self.act(next, cx);
        }
        cx.sink.stats.reconnects += 1;
        if reset {
            self.reconnect(failure, cx);
        } else {
            self.wait(failure, cx);
        }
    }

    /// Follows an established session that was reset.
    fn reconnect(&mut self, failure: Failure, cx: &mut Context) {
        let wait = self.progress.wait(&mut self.rng).min(self.backoff.cap());
        self.wait_for(wait, self.progress.attempts(), failure, cx);
    }

    pub(super) fn act(&mut self, next: NextAction, cx: &mut Context) {
        match next {
            NextAction::Proceed => {}
            NextAction::Retry(failure) => self.wait(failure, cx),
            NextAction::Halt(reason) => self.halt(reason, cx),
        }
    }

    fn wait(&mut self, failure: Failure, cx: &mut Context) {
        let wait = self.backoff.next(failure.retry_after, &mut self.rng);
        self.wait_for(wait, self.backoff.attempts(), failure, cx);
    }

    fn wait_for(&mut self, wait: Duration, attempt: u32, failure: Failure, cx: &mut Context) {
        cx.sink.stats.failures += 1;
        self.last_failure = Some(failure.clone());
        cx.sink.push(Event::Retrying { attempt, wait, failure });
        self.link = Link::Waiting { until: cx.now + wait };
    }

    fn halt(&mut self, reason: HaltReason, cx: &mut Context) {
        cx.sink.push(Event::Halted(reason.clone()));
        self.link = Link::Halted { reason };
    }

    /// Tries again after a halt.
    pub(crate) fn resume(&mut self) {
        if self.halted().is_some() {
            self.setup.invalidate();
            self.backoff.reset();
            self.link = Link::Idle;
        }
    }

    /// Ends everything immediately.
    pub(crate) fn abandon(&mut self, cx: &mut Context) {
        self.close(CloseReason::Deadline, cx);
        self.pending.retain(|transmit| matches!(transmit, Transmit::Abort { .. }));
        self.link = Link::Finished;
    }
}

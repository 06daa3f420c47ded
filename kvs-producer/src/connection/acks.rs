//! What the service says of what was sent.

use std::time::Instant;

use super::Connection;
use super::link::{Link, Then};
use crate::ack::{Ack, AckError, AckKind};
use crate::buffer::fragment_buffer::Buffer;
use crate::io::control::SessionId;
use crate::limits::{AFTER_ERROR, ATTEMPTS};
use crate::report::diagnosis::{Diagnosis, RecoveryAction, remedy};
use crate::report::event::{CloseReason, Event, FragmentId};
use crate::report::sink::Reports;

impl Connection {
    pub(crate) fn handle_ack(
        &mut self,
        id: SessionId,
        bytes: &[u8],
        buffer: &mut Buffer,
        now: Instant,
        reports: &mut Reports,
    ) {
        let Some(session) = self.link.session_mut(id) else { return };
        session.heard(now);
        session.acks.push(bytes);
        while let Some(parsed) = self.link.session_mut(id).and_then(|session| session.acks.poll()) {
            match parsed {
                Ok(ack) => self.on_ack(id, ack, buffer, now, reports),
                Err(error) => {
                    reports.stats.acks.other += 1;
                    reports.push(Event::InvalidAck { session: id, error });
                }
            }
        }
        self.settle_drain(buffer, now, reports);
    }

    fn on_ack(&mut self, id: SessionId, ack: Ack, buffer: &mut Buffer, now: Instant, reports: &mut Reports) {
        reports.push(Event::Ack { session: id, ack: ack.clone() });
        if self.concerns_what_waits(id, &ack) {
            self.prolong_drain(now);
        }
        let acks = &mut reports.stats.acks;
        match ack.kind {
            AckKind::Idle => acks.idle += 1,
            AckKind::Buffering => acks.buffering += 1,
            AckKind::Other(_) => acks.other += 1,
            AckKind::Received => {
                acks.received += 1;
                if self.route.keeps_nothing() {
                    self.on_stored(id, ack, buffer, now, reports);
                }
            }
            AckKind::Persisted => {
                acks.persisted += 1;
                self.on_stored(id, ack, buffer, now, reports);
            }
            AckKind::Error => {
                acks.error += 1;
                self.on_error(id, ack, buffer, now, reports);
            }
        }
    }

    fn concerns_what_waits(&mut self, id: SessionId, ack: &Ack) -> bool {
        let Some(session) = self.link.session_mut(id) else { return false };
        ack.timecode.is_some_and(|timecode| session.find(timecode).is_some())
    }

    fn on_stored(&mut self, id: SessionId, ack: Ack, buffer: &mut Buffer, now: Instant, reports: &mut Reports) {
        let Some(timecode) = ack.timecode else { return };
        let Some(session) = self.link.session_mut(id) else { return };
        let Some(fragment) = session.find(timecode) else { return };
        if buffer.persist(fragment, ack.number, now, reports) {
            session.settled(timecode);
            self.backoff.reset();
        }
    }

    fn on_error(&mut self, id: SessionId, ack: Ack, buffer: &mut Buffer, now: Instant, reports: &mut Reports) {
        let Some(session) = self.link.session_mut(id) else { return };
        let error = ack.error.unwrap_or_else(|| AckError::new(kvs_types::ErrorId(0), ""));
        let remedy = remedy(error.id);
        let named = ack.timecode.and_then(|timecode| session.find(timecode));
        let fragment = named.or_else(|| session.last_started());
        let span = fragment.and_then(|fragment| buffer.get(fragment)).map(|fragment| fragment.span());
        session.stop_sending();
        let action = remedy.action;
        let diagnosis = Diagnosis {
            error: error.clone(),
            fragment,
            span,
            action,
            likely_cause: remedy.likely_cause,
            advice: remedy.advice,
        };
        reports.push(Event::Rejected { session: id, diagnosis });
        if let Some(fragment) = fragment {
            judge(action, Refused { fragment, named: named.is_some(), session: id }, &error, buffer, reports);
        }
        if matches!(error.id, kvs_types::ErrorId::STREAM_NOT_ACTIVE) {
            self.route.distrust();
        }
        self.drain_after(error, action, now);
    }

    /// Acks that are already on their way are still heard.
    fn drain_after(&mut self, error: AckError, action: RecoveryAction, now: Instant) {
        let then = if action == RecoveryAction::Halt { Then::Halt(error) } else { Then::Retry(error) };
        self.link = match self.link.take() {
            Link::Opening { session, .. } | Link::Streaming { session } => {
                Link::Draining { session, deadline: now + AFTER_ERROR, then }
            }
            Link::Draining { session, deadline, then: Then::Rest } => {
                Link::Draining { session, deadline: deadline.min(now + AFTER_ERROR), then }
            }
            other => other,
        };
    }

    /// A drain is over as soon as nothing is waited for.
    fn settle_drain(&mut self, buffer: &mut Buffer, now: Instant, reports: &mut Reports) {
        if matches!(&self.link, Link::Draining { session, then: Then::Rest, .. } if session.is_settled()) {
            self.close(CloseReason::Complete, buffer, now, reports);
        }
    }
}

/// The fragment an error ack speaks of, or seems to.
#[derive(Clone, Copy, Debug)]
struct Refused {
    fragment: FragmentId,
    named: bool,
    session: SessionId,
}

/// What becomes of the fragment an error ack speaks of.
fn judge(action: RecoveryAction, refused: Refused, error: &AckError, buffer: &mut Buffer, reports: &mut Reports) {
    let Refused { fragment, named, session } = refused;
    let enough = match action {
        RecoveryAction::SkipFragment => 1,
        RecoveryAction::ResendOnce => 2,
        RecoveryAction::Resend if named => ATTEMPTS,
        RecoveryAction::Resend | RecoveryAction::Halt => return,
    };
    if buffer.refuse(fragment, session) >= enough {
        buffer.reject(fragment, error.clone(), reports);
    }
}

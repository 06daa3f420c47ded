//! Handles the acknowledgements of a session.

use std::time::Instant;

use kvs_types::{Ack, AckError, AckEventType, ErrorId};

use super::link::{AfterDrain, Link};
use super::machine::Connection;
use crate::buffer::fragment::Fragment;
use crate::context::Context;
use crate::io::session_id::SessionId;
use crate::limits::{AFTER_ERROR, ATTEMPTS};
use crate::report::diagnosis::{Diagnosis, RecoveryAction, error_handling};
use crate::report::event::Event;
use crate::report::reason::CloseReason;
use crate::report::span::FragmentId;

impl Connection {
    pub(crate) fn handle_ack(&mut self, id: SessionId, bytes: &[u8], cx: &mut Context) {
        let Some(session) = self.link.session_mut(id) else { return self.handle_late_ack(id, bytes, cx) };
        session.on_activity(cx.now);
        session.acks.push(bytes);
        while let Some(parsed) = self.link.session_mut(id).and_then(|session| session.acks.poll()) {
            match parsed {
                Ok(ack) => self.on_ack(id, ack, cx),
                Err(error) => {
                    cx.sink.stats.acks.other += 1;
                    cx.sink.push(Event::InvalidAck { session: id, error });
                }
            }
        }
        self.end_settled_drain(cx);
    }

    /// Reports an acknowledgement, then what follows from it. Only the one that settles its fragment is needed whole afterwards.
    fn on_ack(&mut self, id: SessionId, ack: Ack, cx: &mut Context) {
        if self.is_for_unsettled_fragment(id, &ack) {
            self.prolong_drain(cx.now);
        }
        let timecode = ack.fragment_timecode;
        let acks = &mut cx.sink.stats.acks;
        match ack.event_type {
            AckEventType::Received => {
                acks.received += 1;
                self.on_acknowledged(id, timecode, cx.now);
                // A stream without retention never acknowledges with PERSISTED.
                if self.setup.has_no_retention() {
                    return self.on_stored(id, ack, cx);
                }
            }
            AckEventType::Persisted => {
                acks.persisted += 1;
                self.on_acknowledged(id, timecode, cx.now);
                return self.on_stored(id, ack, cx);
            }
            AckEventType::Error => {
                acks.error += 1;
                cx.sink.push(Event::Ack { session: id, ack: ack.clone() });
                return self.on_error(id, ack, cx);
            }
            AckEventType::Idle => acks.idle += 1,
            AckEventType::Buffering => acks.buffering += 1,
            // Types that this version does not know.
            _ => acks.other += 1,
        }
        cx.sink.push(Event::Ack { session: id, ack });
    }

    fn is_for_unsettled_fragment(&mut self, id: SessionId, ack: &Ack) -> bool {
        let Some(session) = self.link.session_mut(id) else { return false };
        ack.fragment_timecode.is_some_and(|timecode| session.find(timecode).is_some())
    }

    fn on_stored(&mut self, id: SessionId, ack: Ack, cx: &mut Context) {
        let (timecode, number) = (ack.fragment_timecode, ack.fragment_number.clone());
        cx.sink.push(Event::Ack { session: id, ack });
        let Some(timecode) = timecode else { return };
        let Some(session) = self.link.session_mut(id) else { return };
        let Some(fragment) = session.find(timecode) else { return };
        let gone = cx.buffer.get(fragment).is_none_or(Fragment::is_settled);
        let persisted = cx.buffer.persist(fragment, number, cx.now, &mut cx.sink);
        // Also if the fragment was lost meanwhile: it got through, and it must not fill the window.
        if persisted || gone {
            session.on_settled(timecode);
            self.window.on_persisted();
            self.on_progress();
        }
    }

    /// The first acknowledgement of a whole fragment shows how long one takes now.
    fn on_acknowledged(&mut self, id: SessionId, timecode: Option<u64>, now: Instant) {
        let Some(timecode) = timecode else { return };
        let after = self.link.session_mut(id).and_then(|session| session.first_acknowledged(timecode, now));
        if let Some(after) = after {
            self.window.on_acknowledged(after);
        }
    }

    /// A fragment is persisted: the service can be reached, and something gets through.
    fn on_progress(&mut self) {
        self.backoff.reset();
        self.progress.on_persisted();
    }

    /// Handles acknowledgements of the session before this one. What was persisted there need not be sent again.
    fn handle_late_ack(&mut self, id: SessionId, bytes: &[u8], cx: &mut Context) {
        let Some(ended) = self.ended.as_mut().filter(|ended| ended.id == id) else { return };
        ended.acks.push(bytes);
        while let Some(parsed) = self.ended.as_mut().and_then(|ended| ended.acks.poll()) {
            if let Ok(ack) = parsed {
                self.on_late_ack(id, ack, cx);
            }
        }
    }

    fn on_late_ack(&mut self, id: SessionId, ack: Ack, cx: &mut Context) {
        cx.sink.push(Event::Ack { session: id, ack: ack.clone() });
        let stored = match ack.event_type {
            AckEventType::Persisted => true,
            AckEventType::Received => self.setup.has_no_retention(),
            _ => false,
        };
        let (Some(ended), Some(timecode)) = (self.ended.as_mut().filter(|_| stored), ack.fragment_timecode) else {
            return;
        };
        let Some(fragment) = ended.take(timecode) else { return };
        if cx.buffer.persist_late(fragment, ack.fragment_number, cx.now, &mut cx.sink) {
            self.link.forget(fragment);
            self.on_progress();
        }
    }

    fn on_error(&mut self, id: SessionId, ack: Ack, cx: &mut Context) {
        let Some(session) = self.link.session_mut(id) else { return };
        let error = ack.error.unwrap_or_else(|| AckError::new(ErrorId(0), ""));
        let handling = error_handling(error.id);
        let named = ack.fragment_timecode.and_then(|timecode| session.find(timecode));
        let fragment = named.or_else(|| session.last_started());
        let span = fragment.and_then(|fragment| cx.buffer.get(fragment)).map(|fragment| fragment.span());
        session.stop_sending();
        let action = handling.action;
        let diagnosis = Diagnosis {
            error: error.clone(),
            fragment,
            span,
            action,
            likely_cause: handling.likely_cause,
            advice: handling.advice,
        };
        cx.sink.push(Event::Rejected { session: id, diagnosis });
        if let Some(fragment) = fragment {
            let rejection = Rejection { fragment, named: named.is_some(), session: id };
            resolve_rejection(action, rejection, &error, cx);
        }
        if matches!(error.id, ErrorId::STREAM_NOT_ACTIVE) {
            self.setup.invalidate();
        }
        self.drain_after_error(error, action, cx.now);
    }

    /// The service sends an error acknowledgement and closes the connection; acknowledgements that are already on their way
    /// are still handled.
    fn drain_after_error(&mut self, error: AckError, action: RecoveryAction, now: Instant) {
        let then = if action == RecoveryAction::Halt { AfterDrain::Halt(error) } else { AfterDrain::Retry(error) };
        self.link = match self.link.take() {
            Link::Opening { session, .. } | Link::Streaming { session } => {
                Link::Draining { session, deadline: now + AFTER_ERROR, then }
            }
            Link::Draining { session, deadline, then: AfterDrain::Idle } => {
                Link::Draining { session, deadline: deadline.min(now + AFTER_ERROR), then }
            }
            other => other,
        };
    }

    /// A drain ends as soon as nothing is awaited.
    fn end_settled_drain(&mut self, cx: &mut Context) {
        if matches!(&self.link, Link::Draining { session, then: AfterDrain::Idle, .. } if session.is_settled()) {
            self.close(CloseReason::Complete, cx);
        }
    }
}

/// The fragment of an error acknowledgement.
#[derive(Clone, Copy, Debug)]
struct Rejection {
    fragment: FragmentId,
    /// The acknowledgement names the fragment. Otherwise it is the one that was being sent.
    named: bool,
    session: SessionId,
}

/// Decides whether the fragment of an error acknowledgement is sent again or lost.
fn resolve_rejection(action: RecoveryAction, rejection: Rejection, error: &AckError, cx: &mut Context) {
    let Rejection { fragment, named, session } = rejection;
    let limit = match action {
        RecoveryAction::SkipFragment => 1,
        RecoveryAction::ResendOnce => 2,
        RecoveryAction::Resend if named => ATTEMPTS,
        RecoveryAction::Resend | RecoveryAction::Halt => return,
    };
    if cx.buffer.count_rejection(fragment, session) >= limit {
        cx.buffer.reject(fragment, error.clone(), &mut cx.sink);
    }
}

//! An open connection: bodies in one direction, acks in the other.

use std::time::{Duration, Instant};

use bytes::Bytes;
use kvs_producer::{CloseReason, SessionId};
use kvs_types::ErrorId;

use super::super::network::{AcksUnderWay, is_active};
use super::super::progress_checker::Cause;
use super::super::scenario::Fault;
use super::super::service::{Stored, around, wall};
use super::{Line, SimEvent, World};

impl World {
    fn line(&mut self, session: SessionId) -> Option<&mut Line> {
        self.line.as_mut().filter(|line| line.service.session == session)
    }

    /// Sends bytes; returns when they arrive, if they do.
    pub(super) fn carry(&mut self, session: SessionId, bytes: usize) -> Option<Instant> {
        let now = self.now;
        let slow = is_active(self.link_faults.slow_until, now);
        let swallowed = is_active(self.link_faults.swallowed_until, now);
        let speed = if slow { 2_000 } else { self.scenario.bytes_per_second };
        let up = &mut self.line(session)?.up;
        up.dead |= swallowed;
        let passage = up.carry(bytes, speed, now);
        if up.dead {
            return None;
        }
        if passage.taken == now {
            self.producer.handle_sent(session, bytes, now);
        } else {
            self.at(passage.taken, SimEvent::Taken(session, bytes));
        }
        Some(passage.there)
    }

    pub(super) fn on_send(&mut self, session: SessionId, mut bytes: Bytes) {
        let Some(there) = self.carry(session, bytes.len()) else { return };
        // Packets do not respect frame borders.
        let cut = if self.rng.bool() { self.rng.usize(..bytes.len().max(1)) } else { 0 };
        let head = bytes.split_to(cut);
        self.at(there, SimEvent::Body(session, [head, bytes]));
    }

    pub(super) fn on_body(&mut self, session: SessionId, pieces: [Bytes; 2]) {
        let (at, now) = (self.now, wall(self.start, self.now));
        let Some(line) = self.line(session) else { return };
        let mut broken = false;
        for mut piece in pieces.into_iter().filter(|piece| !piece.is_empty()) {
            let passes = line.fate.breaks_after(piece.len(), at);
            piece.truncate(passes.unwrap_or(usize::MAX));
            line.service.ingest.handle_body(piece, now);
            if passes.is_some() {
                broken = true;
                break;
            }
        }
        self.poll_service();
        if broken {
            self.break_link(session, Cause::Load);
        }
    }

    pub(super) fn on_age(&mut self, session: SessionId) {
        if !self.calm && self.line(session).is_some() {
            self.break_link(session, Cause::Age);
        }
    }

    /// The link resets the connection. The acks under way may reach the producer, before or after the news.
    fn break_link(&mut self, session: SessionId, cause: Cause) {
        let Some(acks_until) = self.line(session).map(|line| line.acks_until) else { return };
        let checked = self.progress.breaks(session, cause);
        self.record(checked);
        let mut news = self.now + around(self.scenario.latency, &mut self.link_rng);
        let fate = AcksUnderWay::new(&mut self.link_rng);
        if fate == AcksUnderWay::Read {
            news = news.max(acks_until);
        }
        self.echo = (fate != AcksUnderWay::Lost).then_some(session);
        self.leave(session);
        self.at(news, SimEvent::Failed(session, CloseReason::Broken("reset by the link".to_owned())));
    }

    pub(super) fn on_body_end(&mut self, session: SessionId) {
        let now = wall(self.start, self.now);
        let Some(line) = self.line(session) else { return };
        line.service.ingest.handle_end(now);
        self.poll_service();
    }

    pub(super) fn service_timeout(&mut self) {
        let now = wall(self.start, self.now);
        if let Some(line) = &mut self.line {
            line.service.ingest.handle_timeout(now);
        }
        self.poll_service();
    }

    /// Polls the outputs of the ingest core.
    pub(super) fn poll_service(&mut self) {
        let Some(line) = &mut self.line else { return };
        let session = line.service.session;
        let acks = line.service.acks();
        let fragments: Vec<_> = std::iter::from_fn(|| line.service.ingest.poll_fragment()).collect();
        let finished = line.service.ingest.is_finished();
        for fragment in fragments {
            self.progress.arrived(session);
            let wait = around(self.scenario.store_time, &mut self.rng);
            self.after(wait, SimEvent::Store(session, Box::new(fragment)));
        }
        for ack in acks {
            self.send_acks(session, ack);
        }
        if finished {
            let at = self.line.as_ref().map_or(self.now, |line| line.acks_until.max(self.now + self.scenario.latency));
            self.at(at, SimEvent::AnswerEnds(session));
        }
    }

    fn send_acks(&mut self, session: SessionId, ack: Bytes) {
        let now = self.now;
        if let Some(id) = error_id(&ack) {
            self.loss_checker.error_sent(id);
        }
        let link_faults = &self.link_faults;
        let deaf = |line: &Line| line.up.dead || line.fate.deaf.is_some_and(|at| at <= now);
        let dead = self.line.as_ref().is_none_or(deaf);
        if is_active(link_faults.acks_lost_until, now) || is_active(link_faults.swallowed_until, now) || dead {
            return;
        }
        let late = if is_active(link_faults.acks_late_until, now) { Duration::from_secs(4) } else { Duration::ZERO };
        let copies = if is_active(link_faults.acks_doubled_until, now) { 2 } else { 1 };
        let wait = self.scenario.latency + late;
        let Some(line) = &mut self.line else { return };
        let at = line.acks_until.max(now + wait);
        line.acks_until = at;
        for _ in 0..copies {
            let cut = self.rng.usize(..=ack.len());
            self.at(at, SimEvent::Acks(session, ack.clone(), cut));
        }
    }

    pub(super) fn on_stored(&mut self, session: SessionId, fragment: kvs_local::__internal::ingest::IngestedFragment) {
        let number = fragment.number.clone();
        let fails = !self.calm && self.faults.contains_key(&Fault::StoreError) && self.rng.u8(..8) == 0;
        let result = if fails {
            let ids = [
                ErrorId::ARCHIVAL_ERROR,
                ErrorId::INTERNAL_ERROR,
                ErrorId::KMS_KEY_ACCESS_DENIED,
                ErrorId::KMS_KEY_UNAVAILABLE,
            ];
            Err(ids[self.rng.usize(..ids.len())])
        } else {
            // Stored even if the connection is closed by now: the service does not undo it.
            self.service.stored.push(Stored { session, fragment });
            Ok(())
        };
        let now = wall(self.start, self.now);
        let Some(line) = self.line(session) else { return };
        line.service.ingest.handle_stored(&number, result, now);
        self.poll_service();
    }

    pub(super) fn on_acks(&mut self, session: SessionId, bytes: &[u8], cut: usize) {
        let (head, tail) = bytes.split_at(cut);
        for piece in [head, tail] {
            if self.echo == Some(session) || self.line(session).is_some_and(|line| !line.left) {
                self.producer.handle_ack(session, piece, self.now);
                self.drain();
            }
        }
    }

    pub(super) fn on_answer_end(&mut self, session: SessionId) {
        let swallowed = is_active(self.link_faults.swallowed_until, self.now);
        if self.line(session).is_some_and(|line| !line.up.dead) && !swallowed {
            self.line = None;
            let reason = CloseReason::Broken("the service ended the session".to_owned());
            self.producer.handle_closed(session, reason, self.now);
        }
    }

    /// Closes the producer's end of the connection.
    pub(super) fn leave(&mut self, session: SessionId) {
        let now = wall(self.start, self.now);
        if let Some(mut line) = self.line.take().filter(|line| line.service.session == session) {
            line.left = true;
            line.service.ingest.handle_broken(now);
            let fragments: Vec<_> = std::iter::from_fn(|| line.service.ingest.poll_fragment()).collect();
            for fragment in fragments {
                self.after(self.scenario.store_time, SimEvent::Store(session, Box::new(fragment)));
            }
        }
    }
}

/// Parses the error id of an ack.
fn error_id(line: &[u8]) -> Option<ErrorId> {
    let text = std::str::from_utf8(line).ok()?;
    let digits = text.split_once("\"ErrorId\":")?.1.trim_start();
    let end = digits.find(|letter: char| !letter.is_ascii_digit())?;
    digits.get(..end)?.parse().ok().map(ErrorId)
}

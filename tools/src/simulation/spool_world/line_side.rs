//! The service, and the connection to it.

use std::time::{Duration, Instant};

use bytes::Bytes;
use kvs_local::__internal::ingest::IngestedFragment;
use kvs_producer::{
    CloseReason, ControlRequest, ControlRequestId, ControlResponse, Failure, FailureKind, OpenRequest, SessionId,
    StreamStatus,
};

use super::super::network::Uplink;
use super::super::service::{Stored, around, wall};
use super::{Line, RunStep, SpoolWorld, Step};

impl SpoolWorld {
    pub(super) fn on_call(&mut self, id: ControlRequestId, call: &ControlRequest) {
        let answer = match call {
            ControlRequest::Credentials(_) => ControlResponse::Credentials { lasts: Some(Duration::from_secs(3600)) },
            _ if self.is_down => ControlResponse::Failed(unreachable()),
            ControlRequest::DescribeStream => {
                ControlResponse::Described { status: StreamStatus::Active, retention: Duration::from_secs(3600) }
            }
            ControlRequest::CreateStream(_) => ControlResponse::Created,
            _ => ControlResponse::Endpoint(self.service.address()),
        };
        let at = self.now + around(self.scenario.media.latency, &mut self.rng);
        self.in_run(at, RunStep::Answer(id, answer));
    }

    pub(super) fn on_open(&mut self, session: SessionId, request: &OpenRequest) {
        let at = self.now + around(self.scenario.media.latency, &mut self.rng) * 3;
        if self.is_down {
            return self.in_run(at, RunStep::Failed(session, CloseReason::Failed(unreachable())));
        }
        let service = self.service.accept(session, request, self.rng.u64(..), wall(self.start, self.now));
        let up = Uplink::new(self.scenario.media.latency, self.scenario.media.socket_buffer, self.now);
        let fate = self.scenario.media.link.fate(at, &mut self.rng);
        self.line = Some(Line { service, up, acks_until: self.now, fate });
        self.in_run(at, RunStep::Opened(session));
    }

    fn line(&mut self, session: SessionId) -> Option<&mut Line> {
        self.line.as_mut().filter(|line| line.service.session == session)
    }

    pub(super) fn on_send(&mut self, session: SessionId, bytes: Bytes) {
        if let Some(there) = self.carry(session, bytes.len()) {
            self.in_run(there, RunStep::Body(session, bytes));
        }
    }

    pub(super) fn on_send_end(&mut self, session: SessionId) {
        if let Some(there) = self.carry(session, 5) {
            self.in_run(there, RunStep::BodyEnd(session));
        }
    }

    fn carry(&mut self, session: SessionId, bytes: usize) -> Option<Instant> {
        let (now, speed) = (self.now, self.scenario.media.bytes_per_second);
        let passage = self.line(session)?.up.carry(bytes, speed, now);
        if passage.taken == now {
            self.producer.handle_sent(session, bytes, now);
        } else {
            self.in_run(passage.taken, RunStep::Taken(session, bytes));
        }
        Some(passage.there)
    }

    pub(super) fn on_body(&mut self, session: SessionId, mut bytes: Bytes) {
        let (at, now) = (self.now, wall(self.start, self.now));
        let Some(line) = self.line(session) else { return };
        let passes = line.fate.breaks_after(bytes.len(), at);
        let is_broken = passes.is_some() || line.fate.dies.is_some_and(|dies| dies <= at);
        bytes.truncate(passes.unwrap_or(usize::MAX));
        line.service.ingest.handle_body(bytes, now);
        self.poll_service();
        if is_broken {
            self.break_line();
        }
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

    fn poll_service(&mut self) {
        let Some(line) = &mut self.line else { return };
        let session = line.service.session;
        let acks = line.service.acks();
        let fragments: Vec<_> = std::iter::from_fn(|| line.service.ingest.poll_fragment()).collect();
        let is_finished = line.service.ingest.is_finished();
        let arrives = line.acks_until.max(self.now + self.scenario.media.latency);
        line.acks_until = arrives;
        let is_deaf = line.fate.deaf.is_some_and(|at| at <= self.now);
        for fragment in fragments {
            let wait = around(self.scenario.media.store_time, &mut self.rng);
            self.after(wait, Step::Store(session, Box::new(fragment)));
        }
        for ack in acks.into_iter().filter(|_| !is_deaf) {
            self.judge.ack(&ack);
            self.in_run(arrives, RunStep::Acks(session, ack));
        }
        if is_finished {
            self.in_run(arrives, RunStep::AnswerEnds(session));
        }
    }

    /// Stored even if the connection is closed by now: the service does not undo it.
    pub(super) fn on_stored(&mut self, session: SessionId, fragment: IngestedFragment) {
        let (number, now) = (fragment.number.clone(), wall(self.start, self.now));
        self.service.stored.push(Stored { session, fragment });
        if let Some(line) = self.line(session) {
            line.service.ingest.handle_stored(&number, Ok(()), now);
            self.poll_service();
        }
    }

    pub(super) fn on_acks(&mut self, session: SessionId, bytes: &[u8]) {
        if self.line(session).is_some() {
            self.producer.handle_ack(session, bytes, self.now);
        }
    }

    pub(super) fn on_answer_end(&mut self, session: SessionId) {
        if self.line(session).is_some() {
            self.line = None;
            let reason = CloseReason::Broken("the service ended the session".to_owned());
            self.producer.handle_closed(session, reason, self.now);
        }
    }

    /// The link resets the connection.
    pub(super) fn break_line(&mut self) {
        let Some(session) = self.line.as_ref().map(|line| line.service.session) else { return };
        self.leave(session);
        let at = self.now + around(self.scenario.media.latency, &mut self.rng);
        self.in_run(at, RunStep::Failed(session, CloseReason::Broken("reset by the link".to_owned())));
    }

    /// The producer's end of the connection is closed.
    pub(super) fn leave(&mut self, session: SessionId) {
        let now = wall(self.start, self.now);
        let Some(mut line) = self.line.take_if(|line| line.service.session == session) else { return };
        line.service.ingest.handle_broken(now);
        let fragments: Vec<_> = std::iter::from_fn(|| line.service.ingest.poll_fragment()).collect();
        for fragment in fragments {
            self.after(self.scenario.media.store_time, Step::Store(session, Box::new(fragment)));
        }
    }
}

fn unreachable() -> Failure {
    Failure::new(FailureKind::Unreachable, "no network")
}

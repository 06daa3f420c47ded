//! The state machine between the buffer and the service: calls, connections, acks, waits.

mod acks;
mod backoff;
mod ending;
mod link;
mod session;
mod setup;
mod timers;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use kvs_mkv::Chunks;

use self::link::{Link, Then};
use self::timers::Times;
use crate::buffer::fragment_buffer::Buffer;
use crate::config::ProducerConfig;
use crate::connection::backoff::Backoff;
use crate::connection::session::{Outlook, Session, Step};
use crate::connection::setup::{Onward, Route};
use crate::io::control::{ControlRequest, ControlRequestId, ControlResponse, Failure, SessionId};
use crate::io::transmit::{OpenRequest, Timecodes, Transmit};
use crate::report::event::{CloseReason, Event, FragmentId, HaltReason};
use crate::report::sink::Reports;

/// Owns the one connection a stream has at a time, and the way to the next.
#[derive(Debug)]
pub(crate) struct Connection {
    link: Link,
    route: Route,
    backoff: Backoff,
    chance: fastrand::Rng,
    times: Times,
    timecodes: Timecodes,
    app: String,
    control: VecDeque<Transmit>,
    sessions: u64,
    calls: u64,
    ready: bool,
    last_failure: Option<Failure>,
}

/// What the rest of the producer wants of the connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wish {
    /// Fragments from this one on are not to be sent yet.
    pub(crate) hold: Option<FragmentId>,
    /// Nothing will come for a while.
    pub(crate) rest: bool,
    /// Nothing will come any more.
    pub(crate) finish: bool,
}

impl Wish {
    /// Whether more may follow on a connection that is to end at `rotate_at`.
    fn outlook(self, rotate_at: Instant, now: Instant) -> Outlook {
        if now >= rotate_at {
            Outlook::EndAtBoundary
        } else if self.rest || self.finish {
            Outlook::EndWhenDrained
        } else {
            Outlook::More
        }
    }
}

impl Connection {
    pub(crate) fn new(config: &ProducerConfig, now: Instant) -> Self {
        Self {
            link: Link::Resting,
            route: Route::new(config.stream_lookup.clone(), now),
            backoff: Backoff::new(config.backoff_first, config.backoff_cap),
            chance: fastrand::Rng::with_seed(config.seed.unwrap_or_default()),
            times: Times::new(config),
            timecodes: config.timecodes,
            app: config.writing_app.clone(),
            control: VecDeque::new(),
            sessions: 0,
            calls: 0,
            ready: false,
            last_failure: None,
        }
    }

    pub(crate) const fn is_resting(&self) -> bool {
        matches!(self.link, Link::Resting)
    }

    /// Whether no connection is there or being made.
    pub(crate) fn is_between_sessions(&self) -> bool {
        self.link.session().is_none()
    }

    pub(crate) const fn halted(&self) -> Option<&HaltReason> {
        match &self.link {
            Link::Halted { reason } => Some(reason),
            _ => None,
        }
    }

    pub(crate) const fn is_ready(&self) -> bool {
        self.ready
    }

    /// Why the last attempt failed, until one works.
    pub(crate) const fn last_failure(&self) -> Option<&Failure> {
        self.last_failure.as_ref()
    }

    pub(crate) const fn is_finished(&self) -> bool {
        matches!(self.link, Link::Finished)
    }

    /// Takes the next step where nothing is under way.
    pub(crate) fn advance(&mut self, wish: Wish, buffer: &mut Buffer, now: Instant) {
        if !self.is_resting() {
            return;
        }
        if wish.finish && buffer.is_empty() {
            self.link = Link::Finished;
            return;
        }
        let media = buffer.next_unsent().filter(|next| wish.hold.is_none_or(|hold| next.id < hold)).is_some();
        if !media && self.ready {
            return;
        }
        match self.route.next_call(now) {
            // Credentials are asked for right before a connection, or when the stream is to be looked up.
            Some(call) => self.call(call, now),
            None if media => self.open(buffer, now),
            None => {}
        }
    }

    fn call(&mut self, call: ControlRequest, now: Instant) {
        self.calls += 1;
        let id = ControlRequestId(self.calls);
        self.control.push_back(Transmit::Control { id, request: call.clone() });
        self.link = Link::Calling { id, call, deadline: now + self.times.call };
    }

    fn open(&mut self, buffer: &mut Buffer, now: Instant) {
        let rotate_at = self.rotation(now);
        let (Some(first), Some(endpoint)) = (buffer.next_unsent(), self.route.endpoint()) else { return };
        let producer_start = match self.timecodes {
            Timecodes::Absolute => Duration::from_millis(first.start),
            Timecodes::Relative => Duration::from_millis(first.epoch.origin),
        };
        let request = OpenRequest { endpoint: endpoint.to_owned(), timecodes: self.timecodes, producer_start };
        self.sessions += 1;
        let id = SessionId(self.sessions);
        // Never all zeros, which is no uid.
        let uid = (self.chance.u128(..) | 1).to_be_bytes();
        let session = Session::new(id, uid, &self.app, first, rotate_at, now)
            .expect("tracks were checked when the producer was made");
        self.route.used();
        self.control.push_back(Transmit::Open { session: id, request });
        self.link = Link::Opening { session, deadline: now + self.times.call };
    }

    /// The next thing for the driver to do: what is queued, else media.
    pub(crate) fn poll_transmit(
        &mut self,
        wish: Wish,
        buffer: &mut Buffer,
        now: Instant,
        reports: &mut Reports,
    ) -> Option<Transmit> {
        self.control.pop_front().or_else(|| self.stream(wish, buffer, now, reports))
    }

    /// The next of an open connection's body.
    fn stream(&mut self, wish: Wish, buffer: &mut Buffer, now: Instant, reports: &mut Reports) -> Option<Transmit> {
        let Link::Streaming { session } = &mut self.link else { return None };
        let outlook = wish.outlook(session.rotate_at, now);
        let id = session.id;
        match session.poll(outlook, wish.hold, buffer, now, reports)? {
            Step::Send(chunks) => return Some(Transmit::Body { session: id, chunks }),
            Step::End => self.end(wish, buffer, now, reports),
            Step::Superseded => self.close(CloseReason::Superseded, buffer, now, reports),
            Step::Useless => self.close(CloseReason::Complete, buffer, now, reports),
        }
        self.control.pop_front()
    }

    /// Marks the last fragment's end, ends the body and waits for the last acks.
    fn end(&mut self, wish: Wish, buffer: &Buffer, now: Instant, reports: &mut Reports) {
        let Link::Streaming { mut session } = self.link.take() else { return };
        if wish.rest && !wish.finish {
            reports.push(Event::Idle);
        }
        let id = session.id;
        if let Some(mark) = session.closing_mark(buffer) {
            self.control.push_back(Transmit::Body { session: id, chunks: Chunks::from(mark) });
        }
        self.control.push_back(Transmit::End { session: id });
        self.link = Link::Draining { session, deadline: now + self.times.drain, then: Then::Rest };
    }

    pub(crate) fn handle_response(
        &mut self,
        id: ControlRequestId,
        answer: ControlResponse,
        now: Instant,
        reports: &mut Reports,
    ) {
        let Link::Calling { id: expected, call, .. } = &self.link else { return };
        if *expected != id {
            return;
        }
        let onward = self.route.answered(&call.clone(), answer, now);
        self.link = Link::Resting;
        if onward == Onward::Go {
            self.note_ready(reports);
        }
        self.go(onward, now, reports);
    }

    /// Says once that the way to the stream is found.
    fn note_ready(&mut self, reports: &mut Reports) {
        let endpoint = self.route.endpoint().filter(|_| !self.ready);
        if let Some(endpoint) = endpoint.map(str::to_owned) {
            self.ready = true;
            reports.push(Event::Ready { endpoint });
        }
    }

    pub(crate) fn handle_opened(&mut self, id: SessionId, now: Instant, reports: &mut Reports) {
        self.link = match self.link.take() {
            Link::Opening { mut session, .. } if session.id == id => {
                session.heard(now);
                self.route.opened();
                self.last_failure = None;
                reports.stats.sessions += 1;
                reports.push(Event::Opened { session: id });
                Link::Streaming { session }
            }
            other => other,
        };
    }

    pub(crate) fn handle_sent(&mut self, id: SessionId, bytes: usize, now: Instant) {
        if let Some(session) = self.link.session_mut(id) {
            session.took(bytes, now);
            self.prolong_drain(now);
        }
    }
}

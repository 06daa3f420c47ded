//! The connection of a producer, and the steps to establish it.

use std::collections::VecDeque;

use kvs_mkv::Chunks;
use kvs_types::FragmentTimecodeType;

use super::backoff::Backoff;
use super::ended_session::EndedSession;
use super::intent::Intent;
use super::link::{AfterDrain, Link};
use super::progress::Progress;
use super::send_window::SendWindow;
use super::session::{Session, Step};
use super::setup::{NextAction, StreamSetup};
use super::timeouts::Timeouts;
use crate::config::ProducerConfig;
use crate::context::Context;
use crate::io::control::{ControlRequest, ControlRequestId, ControlResponse};
use crate::io::failure::Failure;
use crate::io::session_id::SessionId;
use crate::io::transmit::{OpenRequest, Transmit};
use crate::report::event::Event;
use crate::report::reason::{CloseReason, HaltReason};
use crate::time::system_time;

/// The one connection that a producer has at a time, and everything needed for the next one.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(super) link: Link,
    pub(super) setup: StreamSetup,
    pub(super) backoff: Backoff,
    pub(super) window: SendWindow,
    pub(super) progress: Progress,
    /// The last session that was reset.
    pub(super) ended: Option<EndedSession>,
    pub(super) rng: fastrand::Rng,
    pub(super) timeouts: Timeouts,
    timecode_type: FragmentTimecodeType,
    writing_app: String,
    /// What the driver has to do before it sends more media.
    pub(super) pending: VecDeque<Transmit>,
    sessions: u64,
    requests: u64,
    ready: bool,
    pub(super) last_failure: Option<Failure>,
}

impl Connection {
    pub(crate) fn new(config: &ProducerConfig, now: std::time::Instant) -> Self {
        Self {
            link: Link::Idle,
            setup: StreamSetup::new(config.stream_lookup.clone(), now),
            backoff: Backoff::new(config.initial_backoff, config.max_backoff),
            window: SendWindow::new(),
            progress: Progress::default(),
            ended: None,
            rng: fastrand::Rng::with_seed(config.seed.unwrap_or_default()),
            timeouts: Timeouts::new(config),
            timecode_type: config.fragment_timecode_type,
            writing_app: config.writing_app.clone(),
            pending: VecDeque::new(),
            sessions: 0,
            requests: 0,
            ready: false,
            last_failure: None,
        }
    }

    pub(crate) const fn is_idle(&self) -> bool {
        matches!(self.link, Link::Idle)
    }

    /// Whether no session is open or being opened.
    pub(crate) const fn is_between_sessions(&self) -> bool {
        self.link.session().is_none()
    }

    pub(crate) const fn halted(&self) -> Option<&HaltReason> {
        match &self.link {
            Link::Halted { reason } => Some(reason),
            _ => None,
        }
    }

    /// Whether the stream and its endpoint were found.
    pub(crate) const fn is_ready(&self) -> bool {
        self.ready
    }

    /// Why the last attempt failed, until one succeeds.
    pub(crate) const fn last_failure(&self) -> Option<&Failure> {
        self.last_failure.as_ref()
    }

    pub(crate) const fn is_finished(&self) -> bool {
        matches!(self.link, Link::Finished)
    }

    /// Takes the next step if nothing is in progress.
    pub(crate) fn advance(&mut self, intent: &Intent, cx: &mut Context) {
        if !self.is_idle() {
            return;
        }
        if intent.finish && cx.buffer.is_empty() {
            self.link = Link::Finished;
            return;
        }
        let media = cx.buffer.next_unsent().is_some_and(|next| intent.hold.is_none_or(|hold| next.id.is_before(hold)));
        if !media && self.ready {
            return;
        }
        match self.setup.next_request(cx.now) {
            // Credentials are requested right before a connection, so that they are valid for as long as possible.
            Some(request) => self.request(request, cx),
            None if media => self.open(cx),
            None => {}
        }
    }

    fn request(&mut self, request: ControlRequest, cx: &Context) {
        self.requests += 1;
        let id = ControlRequestId(self.requests);
        self.pending.push_back(Transmit::Control { id, request: request.clone() });
        self.link = Link::Requesting { id, request, deadline: cx.now + self.timeouts.request };
    }

    fn open(&mut self, cx: &mut Context) {
        let rotate_at = self.rotation(cx.now);
        let (Some(first), Some(endpoint)) = (cx.buffer.next_unsent(), self.setup.endpoint()) else { return };
        let producer_start = match self.timecode_type {
            FragmentTimecodeType::Absolute => system_time(first.start),
            FragmentTimecodeType::Relative => system_time(first.epoch.origin),
        };
        let request = OpenRequest { endpoint: endpoint.to_owned(), timecode_type: self.timecode_type, producer_start };
        self.sessions += 1;
        let id = SessionId(self.sessions);
        // A SegmentUID of all zeros is invalid (RFC 9559, section 5.1.2.1).
        let uid = (self.rng.u128(..) | 1).to_be_bytes();
        let session = Session::new(id, uid, &self.writing_app, first, rotate_at, cx.now)
            .expect("the tracks were checked when the producer was created");
        self.setup.on_attempt();
        self.pending.push_back(Transmit::Open { session: id, request });
        self.link = Link::Opening { session, deadline: cx.now + self.timeouts.request };
    }

    /// Puts what the driver has to do next into `next`, which is empty: pending actions first, then media. A result would be moved
    /// twice more, and each part of a body passes here.
    pub(crate) fn poll_transmit(&mut self, intent: &Intent, next: &mut Option<Transmit>, cx: &mut Context) {
        if !self.pending.is_empty() {
            *next = self.pending.pop_front();
            return;
        }
        self.poll_body(intent, next, cx);
    }

    /// Puts the next part of the body of an open session into `next`.
    fn poll_body(&mut self, intent: &Intent, next: &mut Option<Transmit>, cx: &mut Context) {
        let Link::Streaming { session } = &mut self.link else { return };
        // Every frame is followed by a poll that finds nothing.
        if session.awaits_frame(&cx.buffer) {
            return;
        }
        let end_policy = intent.end_policy(session.rotate_at, cx.now);
        let body = next.insert(Transmit::Body { session: session.id, chunks: Chunks::new() });
        let Transmit::Body { chunks, .. } = body else { return };
        let step = session.poll(end_policy, intent.hold, &mut self.window, chunks, cx);
        match step {
            Some(Step::Send) => return,
            None => {}
            Some(Step::End) => self.end(intent, cx),
            Some(Step::Superseded) => self.close(CloseReason::Superseded, cx),
            Some(Step::Useless) => self.close(CloseReason::Complete, cx),
        }
        *next = self.pending.pop_front();
    }

    /// Marks the end of the last fragment, ends the body and waits for the last acknowledgements.
    fn end(&mut self, intent: &Intent, cx: &mut Context) {
        let Link::Streaming { mut session } = self.link.take() else { return };
        if intent.pause && !intent.finish {
            cx.sink.push(Event::Idle);
        }
        let id = session.id;
        if let Some(mark) = session.end_mark(&cx.buffer) {
            self.pending.push_back(Transmit::Body { session: id, chunks: Chunks::from(mark) });
        }
        self.pending.push_back(Transmit::End { session: id });
        let deadline = cx.now + self.progress.patience(self.timeouts.drain);
        self.link = Link::Draining { session, deadline, then: AfterDrain::Idle };
    }

    pub(crate) fn handle_response(&mut self, id: ControlRequestId, response: ControlResponse, cx: &mut Context) {
        let Link::Requesting { id: expected, request, .. } = &self.link else { return };
        if *expected != id {
            return;
        }
        let next = self.setup.on_response(&request.clone(), response, cx.now);
        self.link = Link::Idle;
        if next == NextAction::Proceed {
            self.report_ready(cx);
        }
        self.act(next, cx);
    }

    /// Reports once that the stream and its endpoint were found.
    fn report_ready(&mut self, cx: &mut Context) {
        let endpoint = self.setup.endpoint().filter(|_| !self.ready);
        if let Some(endpoint) = endpoint.map(str::to_owned) {
            self.ready = true;
            cx.sink.push(Event::Ready { endpoint });
        }
    }

    pub(crate) fn handle_opened(&mut self, id: SessionId, cx: &mut Context) {
        self.link = match self.link.take() {
            Link::Opening { mut session, .. } if session.id == id => {
                session.on_activity(cx.now);
                self.setup.on_opened();
                self.last_failure = None;
                cx.sink.stats.sessions += 1;
                cx.sink.push(Event::Opened { session: id });
                Link::Streaming { session }
            }
            other => other,
        };
    }

    pub(crate) fn handle_sent(&mut self, id: SessionId, bytes: usize, cx: &Context) {
        if let Some(session) = self.link.session_mut(id) {
            session.on_sent(bytes, cx.now);
            self.prolong_drain(cx.now);
        }
    }
}

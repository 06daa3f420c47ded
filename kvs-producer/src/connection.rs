//! The state machine between the buffer and the service: calls, connections, acks, waits.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use kvs_mkv::Chunks;

use crate::ack::{Ack, AckError, AckKind};
use crate::backoff::Backoff;
use crate::buffer::Buffer;
use crate::call::{Answer, Call, CallId, Failure, FailureKind, SessionId};
use crate::config::Config;
use crate::diagnosis::{Action, Diagnosis, remedy};
use crate::event::{CloseReason, Event, FragmentId, HaltReason};
use crate::limits::{AFTER_ERROR, ATTEMPTS, CREDENTIALS_MARGIN, ROTATION_JITTER};
use crate::reports::Reports;
use crate::route::{Onward, Route};
use crate::session::{Outlook, Session, Step};
use crate::timeline::millis;
use crate::transmit::{OpenRequest, Timecodes, Transmit};

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

#[derive(Debug)]
struct Times {
    call: Duration,
    drain: Duration,
    stale: Duration,
    session: Duration,
}

/// Where the connection stands.
///
/// ```text
///            media waits, calls missing            answered
/// Resting ---------------------------> Calling ----------------> Resting
///    |  \--media waits, nothing missing--> Opening --opened--> Streaming --End / error ack--> Draining
///    |                                        |                    |                             |
///    |                                        +---- failed --------+---- broken, silent ---------+--> Waiting --time--> Resting
///    |                                                                                           |
///    |<------------------------------- all persisted --------------------------------------------+
///    |
///    +--finish, nothing left--> Finished          any --no way on--> Halted --resume--> Resting
/// ```
#[derive(Debug)]
enum Link {
    /// Nothing is under way.
    Resting,
    /// A call is out.
    Calling { id: CallId, call: Call, deadline: Instant },
    /// A connection is being made.
    Opening { session: Session, deadline: Instant },
    /// Media goes out, acks come in.
    Streaming { session: Session },
    /// No more media goes out; the last acks are waited for.
    Draining { session: Session, deadline: Instant, then: Then },
    /// Until the next attempt.
    Waiting { until: Instant },
    /// Nothing more is tried.
    Halted { reason: HaltReason },
    /// Nothing more will come.
    Finished,
}

/// What follows a drain.
#[derive(Debug)]
enum Then {
    Rest,
    Retry(AckError),
    Halt(AckError),
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

impl Connection {
    pub(crate) fn new(config: &Config, now: Instant) -> Self {
        Self {
            link: Link::Resting,
            route: Route::new(config.bootstrap.clone(), now),
            backoff: Backoff::new(config.backoff_first, config.backoff_cap),
            chance: fastrand::Rng::with_seed(config.seed),
            times: Times {
                call: config.call_timeout,
                drain: config.drain_timeout,
                stale: config.ack_timeout,
                session: config.session_max,
            },
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
        self.session_id().is_none()
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

    fn session(&mut self, id: SessionId) -> Option<&mut Session> {
        match &mut self.link {
            Link::Opening { session, .. } | Link::Streaming { session } | Link::Draining { session, .. } => {
                Some(session).filter(|session| session.id == id)
            }
            Link::Resting | Link::Calling { .. } | Link::Waiting { .. } | Link::Halted { .. } | Link::Finished => None,
        }
    }

    fn session_id(&self) -> Option<SessionId> {
        match &self.link {
            Link::Opening { session, .. } | Link::Streaming { session } | Link::Draining { session, .. } => {
                Some(session.id)
            }
            Link::Resting | Link::Calling { .. } | Link::Waiting { .. } | Link::Halted { .. } | Link::Finished => None,
        }
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

    fn call(&mut self, call: Call, now: Instant) {
        self.calls += 1;
        let id = CallId(self.calls);
        self.control.push_back(Transmit::Call { id, call: call.clone() });
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

    /// Before the credentials end and before the service's limit, each time a little earlier by chance.
    fn rotation(&mut self, now: Instant) -> Instant {
        let credentials = self.route.credentials_until().map(|until| until.saturating_duration_since(now));
        let usable = credentials.map(|lasts| lasts.saturating_sub(CREDENTIALS_MARGIN));
        let lasts = usable.map_or(self.times.session, |usable| usable.min(self.times.session));
        let jitter = (lasts / 10).min(ROTATION_JITTER).mul_f64(self.chance.f64());
        now + lasts.saturating_sub(jitter).max(SESSION_LEAST)
    }

    /// The next thing for the driver to do.
    pub(crate) fn poll_transmit(
        &mut self,
        wish: Wish,
        buffer: &mut Buffer,
        now: Instant,
        reports: &mut Reports,
    ) -> Option<Transmit> {
        if let Some(transmit) = self.control.pop_front() {
            return Some(transmit);
        }
        let Link::Streaming { session } = &mut self.link else { return None };
        let outlook = if now >= session.rotate_at {
            Outlook::EndAtBoundary
        } else if wish.rest || wish.finish {
            Outlook::EndWhenDrained
        } else {
            Outlook::More
        };
        let id = session.id;
        match session.poll(outlook, wish.hold, buffer, now, reports)? {
            Step::Send(chunks) => Some(Transmit::Body { session: id, chunks }),
            Step::End => {
                if wish.rest && !wish.finish {
                    reports.push(Event::Idle);
                }
                self.end(buffer, now)
            }
            Step::Superseded => {
                self.close(CloseReason::Superseded, buffer, now, reports);
                self.control.pop_front()
            }
            Step::Useless => {
                self.close(CloseReason::Complete, buffer, now, reports);
                self.control.pop_front()
            }
        }
    }

    /// Marks the last fragment's end, ends the body and waits for the last acks.
    fn end(&mut self, buffer: &Buffer, now: Instant) -> Option<Transmit> {
        let Link::Streaming { mut session } = std::mem::replace(&mut self.link, Link::Resting) else { return None };
        let id = session.id;
        if let Some(mark) = session.closing_mark(buffer) {
            self.control.push_back(Transmit::Body { session: id, chunks: Chunks::from(mark) });
        }
        self.control.push_back(Transmit::End { session: id });
        self.link = Link::Draining { session, deadline: now + self.times.drain, then: Then::Rest };
        self.control.pop_front()
    }

    pub(crate) fn handle_answer(&mut self, id: CallId, answer: Answer, now: Instant, reports: &mut Reports) {
        let Link::Calling { id: expected, call, .. } = &self.link else { return };
        if *expected != id {
            return;
        }
        let call = call.clone();
        let onward = self.route.answered(&call, answer, now);
        self.link = Link::Resting;
        let endpoint = self.route.endpoint().filter(|_| !self.ready && onward == Onward::Go);
        if let Some(endpoint) = endpoint.map(str::to_owned) {
            self.ready = true;
            reports.push(Event::Ready { endpoint });
        }
        self.go(onward, now, reports);
    }

    fn go(&mut self, onward: Onward, now: Instant, reports: &mut Reports) {
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

    pub(crate) fn handle_opened(&mut self, id: SessionId, now: Instant, reports: &mut Reports) {
        if !matches!(&self.link, Link::Opening { session, .. } if session.id == id) {
            return;
        }
        if let Link::Opening { mut session, .. } = std::mem::replace(&mut self.link, Link::Resting) {
            session.heard(now);
            self.route.opened();
            self.last_failure = None;
            reports.stats.sessions += 1;
            reports.push(Event::Opened { session: id });
            self.link = Link::Streaming { session };
        }
    }

    pub(crate) fn handle_sent(&mut self, id: SessionId, bytes: usize, now: Instant) {
        if let Some(session) = self.session(id) {
            session.took(bytes, now);
        }
    }

    pub(crate) fn handle_ack(
        &mut self,
        id: SessionId,
        bytes: &[u8],
        buffer: &mut Buffer,
        now: Instant,
        reports: &mut Reports,
    ) {
        let Some(session) = self.session(id) else { return };
        session.heard(now);
        session.acks.push(bytes);
        while let Some(parsed) = self.session(id).and_then(|session| session.acks.poll()) {
            match parsed {
                Ok(ack) => self.on_ack(id, ack, buffer, now, reports),
                Err(error) => {
                    reports.stats.acks.other += 1;
                    reports.push(Event::AckUnreadable { session: id, error });
                }
            }
        }
        self.settle_drain(buffer, now, reports);
    }

    fn on_ack(&mut self, id: SessionId, ack: Ack, buffer: &mut Buffer, now: Instant, reports: &mut Reports) {
        reports.push(Event::Ack { session: id, ack: ack.clone() });
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

    fn on_stored(&mut self, id: SessionId, ack: Ack, buffer: &mut Buffer, now: Instant, reports: &mut Reports) {
        let Some(timecode) = ack.timecode else { return };
        let Some(session) = self.session(id) else { return };
        let Some(fragment) = session.find(timecode) else { return };
        if buffer.persist(fragment, ack.number, now, reports) {
            session.settled(timecode);
            self.backoff.reset();
        }
    }

    fn on_error(&mut self, id: SessionId, ack: Ack, buffer: &mut Buffer, now: Instant, reports: &mut Reports) {
        let Some(session) = self.session(id) else { return };
        let error = ack.error.unwrap_or_else(|| AckError::new(kvs_mkv::service::ErrorId(0), ""));
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
            judge(action, fragment, named.is_some(), &error, buffer, reports);
        }
        if matches!(error.id, kvs_mkv::service::ErrorId::STREAM_NOT_ACTIVE) {
            self.route.distrust();
        }
        self.drain_after(error, action, now);
    }

    /// Acks that are already on their way are still heard.
    fn drain_after(&mut self, error: AckError, action: Action, now: Instant) {
        let then = if action == Action::Halt { Then::Halt(error) } else { Then::Retry(error) };
        self.link = match std::mem::replace(&mut self.link, Link::Resting) {
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

    pub(crate) fn handle_closed(
        &mut self,
        id: SessionId,
        reason: CloseReason,
        buffer: &mut Buffer,
        now: Instant,
        reports: &mut Reports,
    ) {
        if self.session(id).is_none() {
            return;
        }
        let reason = match &self.link {
            Link::Draining { session, then: Then::Rest, .. } if session.is_settled() => CloseReason::Complete,
            _ => reason,
        };
        self.close(reason, buffer, now, reports);
    }

    /// Leaves the connection: what it did not settle waits again, and what comes next is decided.
    fn close(&mut self, reason: CloseReason, buffer: &mut Buffer, now: Instant, reports: &mut Reports) {
        let Some(id) = self.session_id() else { return };
        let link = std::mem::replace(&mut self.link, Link::Resting);
        // Whatever was still meant for this connection has no meaning any more.
        self.control.retain(|transmit| matches!(transmit, Transmit::Call { .. }));
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
            CloseReason::Silent { since } => {
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

    pub(crate) fn handle_timeout(&mut self, buffer: &mut Buffer, now: Instant, reports: &mut Reports) {
        match &self.link {
            Link::Calling { id, deadline, call } if *deadline <= now => {
                let failure = Failure::new(FailureKind::TimedOut, format!("no answer to {}", call.name()));
                self.handle_answer(*id, Answer::Failed(failure), now, reports);
            }
            Link::Opening { deadline, .. } if *deadline <= now => {
                let failure = Failure::new(FailureKind::TimedOut, "no answer to PutMedia");
                self.close(CloseReason::Failed(failure), buffer, now, reports);
            }
            Link::Draining { session, deadline, .. } if *deadline <= now => {
                let since = session.silent_for(now);
                self.close(CloseReason::Silent { since }, buffer, now, reports);
            }
            Link::Streaming { session } if session.stale_at(self.times.stale).is_some_and(|at| at <= now) => {
                let since = session.silent_for(now);
                self.close(CloseReason::Silent { since }, buffer, now, reports);
            }
            Link::Waiting { until } if *until <= now => self.link = Link::Resting,
            Link::Calling { .. }
            | Link::Opening { .. }
            | Link::Draining { .. }
            | Link::Streaming { .. }
            | Link::Waiting { .. }
            | Link::Resting
            | Link::Halted { .. }
            | Link::Finished => {}
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

/// What becomes of the fragment an error ack speaks of.
fn judge(
    action: Action,
    fragment: FragmentId,
    named: bool,
    error: &AckError,
    buffer: &mut Buffer,
    reports: &mut Reports,
) {
    match action {
        Action::SkipFragment => buffer.reject(fragment, error.clone(), reports),
        Action::ResendOnce => {
            if buffer.refuse(fragment) > 1 {
                buffer.reject(fragment, error.clone(), reports);
            }
        }
        Action::Resend if named => {
            if buffer.refuse(fragment) >= ATTEMPTS {
                buffer.reject(fragment, error.clone(), reports);
            }
        }
        Action::Resend | Action::Halt => {}
    }
}

/// However short credentials last: opening connections more often than this would be refused anyway.
const SESSION_LEAST: Duration = Duration::from_secs(5);

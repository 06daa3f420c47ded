//! The producer: one stream's state machine, without I/O, clock or chance of its own.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use kvs_mkv::Frame;

use crate::buffer::budget::Share;
use crate::buffer::fragment_buffer::Buffer;
use crate::config::{ConfigError, ProducerConfig};
use crate::connection::{Connection, Wish};
use crate::io::control::{ControlRequestId, ControlResponse, Failure, SessionId};
use crate::io::transmit::Transmit;
use crate::media::pipeline::Intake;
use crate::media::put_error::{PutFrameError, Refusal};
use crate::report::event::{CloseReason, Event, FragmentId, HaltReason, LossReason};
use crate::report::sink::Reports;
use crate::report::stats::Stats;
use crate::tags::{FragmentEvent, FragmentTag, PutTagError};

/// One stream, from frames to acks.
///
/// Four families of methods: *commands* ([`put_frame`](Self::put_frame), [`put_tag`](Self::put_tag),
/// [`put_event`](Self::put_event), [`end_fragment`](Self::end_fragment), [`pause`](Self::pause), [`resume`](Self::resume),
/// [`finish`](Self::finish)) come from the user and may be refused; *inputs* (`handle_*`) come from the wire and never fail,
/// trouble turns into an event; *outputs* (`poll_*`) are polled until they give `None`; the rest are getters.
///
/// After any command or input: poll [`poll_transmit`](Self::poll_transmit) until `None` and do what it says, in order; poll
/// [`poll_event`](Self::poll_event); then sleep until [`poll_timeout`](Self::poll_timeout) and call
/// [`handle_timeout`](Self::handle_timeout). `now` never goes back.
///
/// The promise: **submitted = persisted + reported lost**, in frames and bytes, once [`Event::Finished`] came; what the buffer
/// retains is delivered at least once; the buffer never holds more than [`ProducerConfig::buffer_bytes`].
///
/// Memory: what is buffered, and about 16 KiB.
#[derive(Debug)]
pub struct ProducerCore {
    intake: Intake,
    buffer: Buffer,
    connection: Connection,
    reports: Reports,
    phase: Phase,
    /// From this fragment on nothing is sent: the stream is paused.
    hold: Option<FragmentId>,
    pre_roll: Duration,
    idle_after: Duration,
    last_put: Option<Instant>,
}

/// How far the producer's life has come.
///
/// ```text
/// Taking --finish--> Finishing --all settled, or deadline--> Over
/// ```
#[derive(Clone, Copy, Debug)]
enum Phase {
    Taking,
    Finishing { deadline: Option<Instant> },
    Over,
}

impl ProducerCore {
    /// A producer that begins to look up its stream at once. `wall` is what the clock on the wall says at `now`.
    ///
    /// # Errors
    /// A configuration that cannot work.
    pub fn new(config: ProducerConfig, now: Instant, wall: SystemTime) -> Result<Self, ConfigError> {
        config.check()?;
        let wall = wall.duration_since(UNIX_EPOCH).unwrap_or_default();
        let intake = Intake::new(&config, now, wall).expect("a checked configuration has a track");
        let mut producer = Self {
            intake,
            buffer: Buffer::new(config.buffer_bytes, config.buffer_time, config.shared_budget.as_ref().map(Share::new)),
            connection: Connection::new(&config, now),
            reports: Reports::default(),
            phase: Phase::Taking,
            hold: None,
            pre_roll: config.pre_roll,
            idle_after: config.idle_after,
            last_put: None,
        };
        producer.advance(now);
        Ok(producer)
    }

    /// Takes a frame. Its payload is kept as it is, never copied.
    ///
    /// # Errors
    /// Hands the frame back with the reason; the stream goes on.
    pub fn put_frame(&mut self, frame: Frame, now: Instant) -> Result<(), PutFrameError> {
        if !matches!(self.phase, Phase::Taking) {
            return Err(PutFrameError::new(Refusal::Finished, frame));
        }
        let put = self.intake.put(frame, &mut self.buffer, now, &mut self.reports);
        if put.is_err() {
            self.reports.stats.refused_frames += 1;
            return put;
        }
        self.last_put = Some(now);
        if self.hold.is_some() {
            self.trim_pre_roll();
        }
        if self.connection.is_resting() {
            self.advance(now);
        }
        Ok(())
    }

    /// Puts a tag on the fragment of the last frame that was put, or on the next one where none is open.
    ///
    /// # Errors
    /// Names and values the service would refuse, and tags beyond the fragment's budget of nine.
    pub fn put_tag(&mut self, tag: FragmentTag) -> Result<(), PutTagError> {
        if !matches!(self.phase, Phase::Taking) {
            return Err(PutTagError::Finished);
        }
        self.intake.put_tag(tag, &mut self.buffer)
    }

    /// Stops sending a persistent tag, from the next fragment on; says whether there was one.
    pub fn clear_tag(&mut self, name: &str) -> bool {
        self.intake.clear_tag(name)
    }

    /// Asks the service for images or a notification of the fragment of the last frame that was put, or of the next one
    /// where none is open.
    ///
    /// # Errors
    /// The same event twice on one fragment, pairs the service would refuse, and tags beyond the fragment's budget of nine.
    pub fn put_event(&mut self, event: impl Into<FragmentEvent>) -> Result<(), PutTagError> {
        if !matches!(self.phase, Phase::Taking) {
            return Err(PutTagError::Finished);
        }
        self.intake.put_event(event.into(), &mut self.buffer)
    }

    /// Ends the fragment after the last frame that was put, and has the service store it without waiting for the next.
    pub fn end_fragment(&mut self) {
        self.intake.end_fragment(&mut self.buffer, &mut self.reports);
    }

    /// Stops sending after the fragment that is open. Frames that are put from now on wait as pre-roll.
    pub fn pause(&mut self, now: Instant) {
        if self.hold.is_none() && matches!(self.phase, Phase::Taking) {
            self.intake.close(&mut self.buffer, &mut self.reports);
            self.hold = Some(self.buffer.next_id());
            self.advance(now);
        }
    }

    /// Goes on after [`pause`](Self::pause), beginning with the pre-roll, or tries again after [`Event::Halted`].
    pub fn resume(&mut self, now: Instant) {
        self.hold = None;
        self.connection.resume();
        self.advance(now);
    }

    /// Takes no more frames: sends what is buffered, waits for the acks, then gives [`Event::Finished`]. What is not
    /// persisted at the deadline is reported lost.
    pub fn finish(&mut self, deadline: Option<Instant>, now: Instant) {
        if matches!(self.phase, Phase::Over) {
            return;
        }
        self.intake.close(&mut self.buffer, &mut self.reports);
        self.hold = None;
        self.phase = Phase::Finishing { deadline };
        self.settle(now);
    }

    /// A call was answered.
    pub fn handle_response(&mut self, call: ControlRequestId, answer: ControlResponse, now: Instant) {
        self.connection.handle_response(call, answer, now, &mut self.reports);
        self.settle(now);
    }

    /// The service accepted a connection (status 200).
    pub fn handle_opened(&mut self, session: SessionId, now: Instant) {
        self.connection.handle_opened(session, now, &mut self.reports);
    }

    /// The transport took this many bytes of the body.
    pub fn handle_sent(&mut self, session: SessionId, bytes: usize, now: Instant) {
        self.connection.handle_sent(session, bytes, now);
    }

    /// Bytes of the answer, cut anywhere.
    pub fn handle_ack(&mut self, session: SessionId, bytes: &[u8], now: Instant) {
        self.connection.handle_ack(session, bytes, &mut self.buffer, now, &mut self.reports);
        self.settle(now);
    }

    /// A connection ended, or could not be made ([`CloseReason::Failed`]).
    pub fn handle_closed(&mut self, session: SessionId, reason: CloseReason, now: Instant) {
        self.connection.handle_closed(session, reason, &mut self.buffer, now, &mut self.reports);
        self.settle(now);
    }

    /// The clock on the wall was set, or measured against the service's.
    pub fn handle_clock(&mut self, wall: SystemTime, now: Instant) {
        self.intake.timeline.set_wall(now, wall.duration_since(UNIX_EPOCH).unwrap_or_default());
    }

    /// The time of [`poll_timeout`](Self::poll_timeout) came.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.intake.release(&mut self.buffer, now, &mut self.reports);
        if self.idle_at().is_some_and(|at| at <= now) {
            self.last_put = None;
            self.intake.close(&mut self.buffer, &mut self.reports);
        }
        self.connection.handle_timeout(&mut self.buffer, now, &mut self.reports);
        self.settle(now);
    }

    /// What to do next, in order; `None` when there is nothing to do now or the transport is full.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Transmit> {
        let wish = self.wish();
        let transmit = self.connection.poll_transmit(wish, &mut self.buffer, now, &mut self.reports);
        if transmit.is_none() && self.connection.is_resting() {
            self.settle(now);
            return self.connection.poll_transmit(wish, &mut self.buffer, now, &mut self.reports);
        }
        transmit
    }

    /// What happened, in order.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.reports.poll()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due, if ever.
    #[must_use]
    pub fn poll_timeout(&self, now: Instant) -> Option<Instant> {
        let deadline = match self.phase {
            Phase::Finishing { deadline } => deadline,
            Phase::Taking => None,
            Phase::Over => return None,
        };
        let idle = self.idle_at().filter(|_| !self.connection.is_finished());
        [self.connection.timeout(now), self.intake.timeout(), idle, deadline].into_iter().flatten().min()
    }

    /// Counts and sizes.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats {
            buffered_bytes: self.buffer.bytes() + self.intake.bytes(),
            buffered_fragments: self.buffer.len(),
            buffered_time: self.buffer.span(),
            buffered_bytes_peak: self.buffer.peak(),
            ..self.reports.stats.clone()
        }
    }

    /// Whether the stream and its endpoint were found once.
    #[must_use]
    pub const fn is_ready(&self) -> bool {
        self.connection.is_ready()
    }

    /// Why nothing is tried any more, after [`Event::Halted`].
    #[must_use]
    pub const fn halted(&self) -> Option<&HaltReason> {
        self.connection.halted()
    }

    /// Why the last call or connection failed, until a connection is open.
    #[must_use]
    pub const fn last_failure(&self) -> Option<&Failure> {
        self.connection.last_failure()
    }

    /// Whether [`Event::Finished`] was given.
    #[must_use]
    pub const fn is_finished(&self) -> bool {
        matches!(self.phase, Phase::Over)
    }

    fn wish(&self) -> Wish {
        Wish {
            hold: self.hold,
            rest: self.hold.is_some() || self.last_put.is_none(),
            finish: !matches!(self.phase, Phase::Taking),
        }
    }

    fn idle_at(&self) -> Option<Instant> {
        self.last_put.filter(|_| matches!(self.phase, Phase::Taking))?.checked_add(self.idle_after)
    }

    fn advance(&mut self, now: Instant) {
        let wish = self.wish();
        self.connection.advance(wish, &mut self.buffer, now);
    }

    fn trim_pre_roll(&mut self) {
        if let Some(hold) = self.hold {
            self.buffer.trim_from(hold, self.pre_roll, &mut self.reports);
        }
    }

    /// Takes the next step, and ends what is at its end.
    fn settle(&mut self, now: Instant) {
        self.advance(now);
        let Phase::Finishing { deadline } = self.phase else { return };
        let late = deadline.is_some_and(|deadline| deadline <= now);
        if !self.connection.is_finished()
            && (late || self.connection.halted().is_some() || self.is_settled_while_waiting())
        {
            self.connection.abandon(&mut self.buffer, now, &mut self.reports);
        }
        if self.connection.is_finished() {
            self.buffer.lose_all(&LossReason::Stopped, &mut self.reports);
            self.phase = Phase::Over;
            self.reports.push(Event::Finished(self.reports.stats.totals));
        }
    }

    /// Whether nothing is left although a wait or a call is under way.
    fn is_settled_while_waiting(&self) -> bool {
        self.buffer.is_empty() && self.connection.is_between_sessions()
    }
}

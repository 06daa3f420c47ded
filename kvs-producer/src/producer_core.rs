//! The core of a producer: the state machine of one stream, without I/O, without a clock and without ambient randomness.

use std::time::{Duration, Instant, SystemTime};

use kvs_mkv::Frame;

use crate::buffer::budget::BudgetShare;
use crate::buffer::fragment_buffer::FragmentBuffer;
#[cfg(feature = "spool")]
use crate::buffer::spill::Spill;
use crate::config::{ConfigError, ProducerConfig};
use crate::connection::{Connection, Intent};
use crate::context::Context;
use crate::io::control::{ControlRequestId, ControlResponse};
use crate::io::failure::Failure;
use crate::io::session_id::SessionId;
use crate::io::transmit::Transmit;
use crate::media::pipeline::Pipeline;
use crate::media::put_error::{PutFrameError, Refusal};
use crate::report::event::Event;
use crate::report::outcome::LossReason;
use crate::report::reason::{CloseReason, HaltReason};
use crate::report::span::FragmentId;
use crate::report::stats::Stats;
#[cfg(feature = "spool")]
use crate::spool::message::{SpoolRequest, SpoolResponse};
use crate::tags::{FragmentEvent, FragmentTag, PutTagError};
use crate::time::since_epoch;

/// One stream, from frames to acknowledgements, without I/O. Most programs use `Producer`, which drives it on tokio.
///
/// The methods belong to four families:
///
/// * *Commands* come from the user and may be rejected: [`put_frame`](Self::put_frame), [`put_tag`](Self::put_tag),
///   [`clear_tag`](Self::clear_tag), [`put_event`](Self::put_event), [`end_fragment`](Self::end_fragment),
///   [`pause`](Self::pause), [`resume`](Self::resume), [`finish`](Self::finish).
/// * *Inputs* (`handle_*`) come from the network and never fail; errors become events.
/// * *Outputs* (`poll_*`) are polled until they return `None`.
/// * Getters: [`stats`](Self::stats), [`is_ready`](Self::is_ready), [`halted`](Self::halted) and others.
///
/// After each command or input, poll [`poll_transmit`](Self::poll_transmit) until it returns `None` and execute the actions
/// in order, poll [`poll_event`](Self::poll_event), then sleep until [`poll_timeout`](Self::poll_timeout) and call
/// [`handle_timeout`](Self::handle_timeout). `now` must never decrease.
///
/// **Submitted = persisted + reported lost**, in frames and bytes, when [`Event::Finished`] is returned; with a spool, what is
/// left there is neither ([`Totals`](crate::Totals)). Media that the buffer retains is delivered at least once. The buffer never exceeds
/// [`ProducerConfig::buffer_bytes`].
///
/// Memory: the buffered media and about 16 KiB.
#[derive(Debug)]
pub struct ProducerCore {
    pipeline: Pipeline,
    connection: Connection,
    cx: Context,
    phase: Phase,
    /// While paused, fragments from this one on are not sent.
    hold: Option<FragmentId>,
    pre_roll: Duration,
    idle_after: Duration,
    last_put: Option<Instant>,
}

/// The phase of a producer's life.
///
/// ```text
/// Accepting --finish--> Finishing --everything settled, or deadline--> Flushing --the spool has the rest--> Finished
/// ```
#[derive(Clone, Copy, Debug)]
enum Phase {
    Accepting,
    Finishing {
        deadline: Option<Instant>,
    },
    /// Nothing more is sent. With a spool, what is left is written to it.
    Flushing {
        until: Instant,
    },
    Finished,
}

impl ProducerCore {
    /// Creates a producer, which immediately starts to look up its stream. `wall` is the wall-clock time at `now`.
    ///
    /// # Errors
    /// Returns an error if the configuration is invalid.
    pub fn new(config: ProducerConfig, now: Instant, wall: SystemTime) -> Result<Self, ConfigError> {
        config.check()?;
        let share = config.shared_budget.as_ref().map(BudgetShare::new);
        let buffer = FragmentBuffer::new(config.buffer_bytes, config.buffer_time, share);
        #[cfg(feature = "spool")]
        let buffer = buffer.with_spill(config.spool.as_ref().map(|spool| Spill::new(spool, now)));
        let mut producer = Self {
            pipeline: Pipeline::new(&config, now, since_epoch(wall)).expect("a checked configuration has a track"),
            connection: Connection::new(&config, now),
            cx: Context::new(buffer, now),
            phase: Phase::Accepting,
            hold: None,
            pre_roll: config.pre_roll,
            idle_after: config.idle_after,
            last_put: None,
        };
        producer.advance();
        Ok(producer)
    }

    /// Accepts a frame. A payload of more than 512 bytes is kept without a copy.
    ///
    /// # Errors
    /// Returns the frame with the reason. The producer continues.
    pub fn put_frame(&mut self, mut frame: Frame, now: Instant) -> Result<(), PutFrameError> {
        self.cx.now = now;
        if !self.is_accepting() {
            return Err(PutFrameError::new(Refusal::Finished, frame));
        }
        if let Err(refusal) = self.pipeline.put(&mut frame, &mut self.cx) {
            self.cx.sink.stats.refused_frames += 1;
            return Err(PutFrameError::new(refusal, frame));
        }
        self.last_put = Some(now);
        if self.hold.is_some() {
            self.trim_pre_roll();
        }
        if self.connection.is_idle() {
            self.advance();
        }
        Ok(())
    }

    /// Whether a refused frame changed something, so that the driver has to act. Usually it changes nothing.
    #[cfg(feature = "tokio")]
    pub(crate) const fn take_gave_way(&mut self) -> bool {
        self.pipeline.take_gave_way()
    }

    /// Puts a tag on the fragment of the last frame, or on the next fragment if none is open.
    ///
    /// # Errors
    /// Returns an error if the service would reject the name or the value, or if the fragment already has nine tags.
    pub fn put_tag(&mut self, tag: FragmentTag) -> Result<(), PutTagError> {
        if !self.is_accepting() {
            return Err(PutTagError::Finished);
        }
        self.pipeline.put_tag(tag, &mut self.cx.buffer)
    }

    /// Stops sending a persistent tag, from the next fragment on. Returns whether there was one with this name.
    pub fn clear_tag(&mut self, name: &str) -> bool {
        self.pipeline.clear_tag(name)
    }

    /// Requests images or a notification for the fragment of the last frame, or for the next fragment if none is open.
    ///
    /// # Errors
    /// Returns an error if the fragment already has such an event, if the service would reject a pair, or if the fragment
    /// would have more than nine tags.
    pub fn put_event(&mut self, event: impl Into<FragmentEvent>) -> Result<(), PutTagError> {
        if !self.is_accepting() {
            return Err(PutTagError::Finished);
        }
        self.pipeline.put_event(event.into(), &mut self.cx.buffer)
    }

    /// Ends the fragment after the last frame, so that the service stores it without waiting for the next one.
    pub fn end_fragment(&mut self) {
        self.pipeline.end_fragment(&mut self.cx);
    }

    /// Stops sending after the open fragment. Frames put from now on are kept as pre-roll.
    pub fn pause(&mut self, now: Instant) {
        self.cx.now = now;
        if self.hold.is_none() && self.is_accepting() {
            self.pipeline.close(&mut self.cx);
            self.hold = Some(self.cx.buffer.next_id());
            self.cx.buffer.hold(true);
            self.advance();
        }
    }

    /// Continues after [`pause`](Self::pause), starting with the pre-roll, or tries again after [`Event::Halted`].
    pub fn resume(&mut self, now: Instant) {
        self.cx.now = now;
        self.hold = None;
        self.cx.buffer.hold(false);
        self.connection.resume();
        self.advance();
    }

    /// Accepts no more frames, sends what is buffered, waits for the acknowledgements and then returns
    /// [`Event::Finished`]. Media that is not persisted at the deadline is reported lost.
    pub fn finish(&mut self, deadline: Option<Instant>, now: Instant) {
        self.cx.now = now;
        if matches!(self.phase, Phase::Flushing { .. } | Phase::Finished) {
            return;
        }
        self.pipeline.close(&mut self.cx);
        self.pipeline.lose_held(&mut self.cx);
        self.hold = None;
        self.cx.buffer.hold(false);
        self.phase = Phase::Finishing { deadline };
        self.settle();
    }

    /// Handles the result of a control request.
    pub fn handle_response(&mut self, request: ControlRequestId, response: ControlResponse, now: Instant) {
        self.cx.now = now;
        self.connection.handle_response(request, response, &mut self.cx);
        self.settle();
    }

    /// Handles an accepted connection (status 200).
    pub fn handle_opened(&mut self, session: SessionId, now: Instant) {
        self.cx.now = now;
        self.connection.handle_opened(session, &mut self.cx);
    }

    /// Handles that the transport accepted this many bytes of the body.
    pub fn handle_sent(&mut self, session: SessionId, bytes: usize, now: Instant) {
        self.cx.now = now;
        self.connection.handle_sent(session, bytes, &self.cx);
    }

    /// Handles bytes of the response, split at any position.
    pub fn handle_ack(&mut self, session: SessionId, bytes: &[u8], now: Instant) {
        self.cx.now = now;
        self.connection.handle_ack(session, bytes, &mut self.cx);
        self.settle();
    }

    /// Handles that a connection ended, or could not be established ([`CloseReason::Failed`]).
    pub fn handle_closed(&mut self, session: SessionId, reason: CloseReason, now: Instant) {
        self.cx.now = now;
        self.connection.handle_closed(session, reason, &mut self.cx);
        self.settle();
    }

    /// Handles a response of the spool to a request of [`Transmit::Spool`].
    #[cfg(feature = "spool")]
    pub fn handle_spool(&mut self, response: SpoolResponse, now: Instant) {
        self.cx.now = now;
        self.cx.buffer.handle_spool(response.0, now, &mut self.cx.sink);
        self.settle();
    }

    /// Handles that the wall clock was set, or was compared with the service's.
    pub fn handle_clock(&mut self, wall: SystemTime, now: Instant) {
        self.pipeline.timeline.set_wall(now, since_epoch(wall));
    }

    /// Handles that the time of [`poll_timeout`](Self::poll_timeout) has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.cx.now = now;
        self.pipeline.release(&mut self.cx);
        if self.idle_at().is_some_and(|at| at <= now) {
            self.last_put = None;
            self.pipeline.close(&mut self.cx);
        }
        self.connection.handle_timeout(&mut self.cx);
        self.cx.buffer.expire_spool(now, &mut self.cx.sink);
        self.settle();
    }

    /// Returns the next action for the driver, or `None` if there is nothing to do now or the transport is full.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Transmit> {
        self.cx.now = now;
        // One variable for every result, so that what it holds is not moved again.
        let mut next = None;
        #[cfg(feature = "spool")]
        if let Some(request) = self.cx.buffer.poll_spool(now, &mut self.cx.sink) {
            next = Some(Transmit::Spool(SpoolRequest(request)));
        }
        if next.is_none() {
            self.poll_connection(&mut next);
        }
        next
    }

    fn poll_connection(&mut self, next: &mut Option<Transmit>) {
        let intent = self.intent();
        self.connection.poll_transmit(&intent, next, &mut self.cx);
        if next.is_none() && self.connection.is_idle() {
            self.settle();
            self.connection.poll_transmit(&intent, next, &mut self.cx);
        }
    }

    /// Returns the next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.cx.sink.poll()
    }

    /// Whether [`poll_event`](Self::poll_event) returns an event.
    #[cfg(feature = "tokio")]
    pub(crate) fn has_events(&self) -> bool {
        self.cx.sink.has_events()
    }

    /// Returns when [`handle_timeout`](Self::handle_timeout) is due, if ever.
    #[must_use]
    pub fn poll_timeout(&self, now: Instant) -> Option<Instant> {
        let deadline = match self.phase {
            Phase::Finishing { deadline } => deadline.filter(|_| !self.connection.is_finished()),
            Phase::Flushing { until } => Some(until),
            Phase::Accepting => None,
            Phase::Finished => return None,
        };
        let idle = self.idle_at().filter(|_| !self.connection.is_finished());
        let spool = self.cx.buffer.spool_timeout();
        [self.connection.timeout(now), self.pipeline.timeout(), idle, spool, deadline].into_iter().flatten().min()
    }

    /// Returns a snapshot of the statistics.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let buffer = &self.cx.buffer;
        Stats {
            buffered_bytes: buffer.bytes() + self.pipeline.bytes(),
            buffered_fragments: buffer.len(),
            buffered_time: buffer.duration(),
            buffered_bytes_peak: buffer.peak(),
            ..self.cx.sink.stats.clone()
        }
    }

    /// Returns whether the stream and its endpoint were found.
    #[must_use]
    pub const fn is_ready(&self) -> bool {
        self.connection.is_ready()
    }

    /// Returns why sending is halted, after [`Event::Halted`].
    #[must_use]
    pub const fn halted(&self) -> Option<&HaltReason> {
        self.connection.halted()
    }

    /// Returns why the last request or connection attempt failed, until a connection is open.
    #[must_use]
    pub const fn last_failure(&self) -> Option<&Failure> {
        self.connection.last_failure()
    }

    /// Returns whether [`Event::Finished`] was queued.
    #[must_use]
    pub const fn is_finished(&self) -> bool {
        matches!(self.phase, Phase::Finished)
    }

    const fn is_accepting(&self) -> bool {
        matches!(self.phase, Phase::Accepting)
    }

    const fn intent(&self) -> Intent {
        Intent { hold: self.hold, pause: self.hold.is_some() || self.last_put.is_none(), finish: !self.is_accepting() }
    }

    fn idle_at(&self) -> Option<Instant> {
        self.last_put.filter(|_| self.is_accepting())?.checked_add(self.idle_after)
    }

    fn advance(&mut self) {
        self.connection.advance(&self.intent(), &mut self.cx);
    }

    fn trim_pre_roll(&mut self) {
        if let Some(hold) = self.hold {
            self.cx.buffer.trim_from(hold, self.pre_roll, &mut self.cx.sink);
        }
    }

    /// Takes the next step, and completes the stop if everything is settled or the deadline has passed.
    fn settle(&mut self) {
        self.advance();
        if let Phase::Finishing { deadline } = self.phase {
            let late = deadline.is_some_and(|deadline| deadline <= self.cx.now);
            if !self.connection.is_finished()
                && (late || self.connection.halted().is_some() || self.is_settled_while_waiting())
            {
                self.connection.abandon(&mut self.cx);
            }
            if self.connection.is_finished() {
                self.phase = Phase::Flushing { until: self.cx.now + FLUSH };
            }
        }
        let Phase::Flushing { until } = self.phase else { return };
        if self.cx.buffer.flush_spool() || until <= self.cx.now {
            self.cx.buffer.lose_all(&LossReason::Stopped, &mut self.cx.sink);
            self.phase = Phase::Finished;
            self.cx.sink.push(Event::Finished(self.cx.sink.stats.totals));
        }
    }

    /// Whether nothing is left although a wait or a request is in progress.
    fn is_settled_while_waiting(&self) -> bool {
        self.cx.buffer.is_empty() && self.connection.is_between_sessions()
    }
}

/// How long the disk of the spool may take at the end of a stop, for a buffer of 32 MiB on a slow memory card.
const FLUSH: Duration = Duration::from_secs(10);

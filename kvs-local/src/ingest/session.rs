//! The core of a PutMedia session: body in, acks and fragments out, deadlines in between.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use kvs_types::{Ack, AckEventType, ErrorId, FragmentNumber, FragmentTimecodeType};

use super::acked_fragment::{AckedFragment, error_ack};
use super::body::{Body, IngestEvent, Rejection};
use super::config::{AckMode, IngestConfig, Now, ProducerStart, Retention};
use super::fragment::IngestedFragment;

/// The service's side of a PutMedia session, without sockets, clocks and disks.
///
/// Inputs are the `handle_*` methods; none of them fails, since an error in the body becomes an ack. Outputs are
/// [`poll_ack`](Self::poll_ack), [`poll_fragment`](Self::poll_fragment) and [`poll_timeout`](Self::poll_timeout).
/// **After each input, poll acks and fragments until both return `None`, then the timeout.** `now.at` must not go back from
/// call to call.
///
/// The acks of a fragment are BUFFERING when its first bytes arrive, RECEIVED when it is complete, and, on streams with
/// retention, PERSISTED after [`handle_stored`](Self::handle_stored). PERSISTED acks are in the order of the fragments, even if
/// they are stored in another order. A fragment is complete at the next cluster, at the end-of-fragment tag, or at the end of
/// the body. Tags between it and the next cluster belong to it; tags after its end-of-fragment tag belong to the next one.
///
/// An error ends the session: fragments received before it still get their PERSISTED acks, then the ERROR ack is the last
/// line, [`is_finished`](Self::is_finished) becomes `true` and the caller ends the response. Later input is ignored.
///
/// Memory: at most [`IngestConfig::in_flight_bytes`], one fragment and one push, if the caller obeys
/// [`takes_body`](Self::takes_body).
///
/// ```
/// use std::time::{Instant, SystemTime};
/// use kvs_local::__internal::ingest::{Ingest, IngestConfig, Now, FragmentTimecodeType};
///
/// let now = Now { at: Instant::now(), wall: SystemTime::now() };
/// let mut ingest = Ingest::new(IngestConfig::new(FragmentTimecodeType::Absolute), now);
/// ingest.handle_body("not Matroska".into(), now);
/// let ack = ingest.poll_ack().unwrap();
/// assert_eq!(ack.to_line(), "{\"EventType\":\"ERROR\",\"ErrorCode\":\"INVALID_MKV_DATA\",\"ErrorId\":4006}\n");
/// assert!(ingest.poll_fragment().is_none() && ingest.is_finished());
/// ```
#[derive(Debug)]
pub struct Ingest {
    config: IngestConfig,
    state: State,
    timers: Timers,
    in_flight: VecDeque<InFlight>,
    acks: VecDeque<Ack>,
    fragments: VecDeque<IngestedFragment>,
}

/// ```text
///   Receiving ──end of body, error──> Draining ──all stored, or one not──> Finished
/// ```
#[derive(Debug)]
enum State {
    Receiving(Box<Body>),
    /// No more input; fragments are still being stored. `last` is the final error ack.
    Draining {
        last: Option<Ack>,
    },
    Finished,
}

/// A fragment that is received and not acked as stored yet.
#[derive(Debug)]
struct InFlight {
    acked: AckedFragment,
    bytes: u64,
    storing: Storing,
}

#[derive(Debug)]
enum Storing {
    Pending,
    Stored,
    Failed(ErrorId),
}

#[derive(Debug)]
struct Timers {
    opened: Instant,
    /// The time of the last byte.
    last_body: Instant,
    /// The time of the last IDLE ack or, if later, of the last byte.
    last_sign: Instant,
}

impl Ingest {
    /// Starts a session whose request head was read at `now`.
    #[must_use]
    pub fn new(config: IngestConfig, now: Now) -> Self {
        let mut ingest = Self {
            state: State::Receiving(Box::new(Body::new(&config))),
            timers: Timers { opened: now.at, last_body: now.at, last_sign: now.at },
            in_flight: VecDeque::new(),
            acks: VecDeque::new(),
            fragments: VecDeque::new(),
            config,
        };
        // The header is ignored for absolute timecodes: a published sink sends milliseconds there, and the service takes its media.
        let relative = ingest.config.timecode_type == FragmentTimecodeType::Relative;
        if relative && ingest.config.producer_start == ProducerStart::Invalid {
            tracing::info!("the start timestamp of relative timecodes is not a time in epoch seconds");
            ingest.handle_error(ErrorId::INVALID_PRODUCER_TIMESTAMP, now);
        }
        ingest
    }

    /// Handles the next bytes of the body, split anywhere.
    pub fn handle_body(&mut self, bytes: Bytes, now: Now) {
        if bytes.is_empty() {
            return;
        }
        self.timers.on_body(now.at);
        if let State::Receiving(body) = &mut self.state {
            body.push(bytes);
            self.handle_events(now);
        }
    }

    /// Handles the proper end of the body (the last chunk arrived): an open fragment is complete.
    pub fn handle_end(&mut self, now: Now) {
        self.handle_events(now);
        if let State::Receiving(body) = &mut self.state {
            if let Some(event) = body.finish() {
                self.on_event(event);
            }
            if matches!(self.state, State::Receiving(_)) {
                self.drain(None);
            }
        }
    }

    /// Handles a broken connection: an open fragment is lost.
    pub fn handle_broken(&mut self, now: Now) {
        self.handle_error(ErrorId::STREAM_READ_ERROR, now);
    }

    /// Ends the session for a reason outside the body, such as a deleted stream or a lost KMS key.
    pub fn handle_error(&mut self, id: ErrorId, now: Now) {
        if let State::Receiving(body) = &mut self.state {
            body.reject(id);
            self.handle_events(now);
        }
    }

    /// Handles the result of storing a fragment that [`poll_fragment`](Self::poll_fragment) returned.
    ///
    /// Call it for streams without retention too: it frees the memory that [`takes_body`](Self::takes_body) counts. An error
    /// becomes an ERROR ack for that fragment and ends the session. Unknown numbers are ignored.
    pub fn handle_stored(&mut self, number: &FragmentNumber, result: Result<(), ErrorId>, now: Now) {
        if !self.takes_body() {
            // The service paused the body, so the client was not silent.
            self.timers.on_body(now.at);
        }
        if let Some(fragment) = self.in_flight.iter_mut().find(|fragment| fragment.acked.number == *number) {
            fragment.storing = match result {
                Ok(()) => Storing::Stored,
                Err(id) => Storing::Failed(id),
            };
        }
        self.ack_stored();
    }

    /// Handles the timeout of [`poll_timeout`](Self::poll_timeout). An early call has no effect.
    pub fn handle_timeout(&mut self, now: Now) {
        if !self.takes_body() {
            self.timers.on_body(now.at);
        }
        let State::Receiving(body) = &self.state else { return };
        let inside_fragment = body.is_inside_fragment();
        if now.at >= self.timers.age_deadline(&self.config) {
            self.handle_error(ErrorId::MAX_CONNECTION_DURATION_REACHED, now);
        } else if now.at >= self.timers.close_deadline(&self.config) {
            // Between fragments nothing is lost. Inside one the fragment is lost, and the client must learn of it.
            if inside_fragment { self.handle_error(ErrorId::STREAM_READ_ERROR, now) } else { self.drain(None) }
        } else if now.at >= self.timers.idle_deadline(&self.config) {
            self.timers.last_sign = now.at;
            self.push_ack(Ack::new(AckEventType::Idle));
        }
    }

    /// Returns the next ack of the response.
    pub fn poll_ack(&mut self) -> Option<Ack> {
        self.acks.pop_front()
    }

    /// Returns the next complete fragment to store. Report the result to [`handle_stored`](Self::handle_stored).
    pub fn poll_fragment(&mut self) -> Option<IngestedFragment> {
        self.fragments.pop_front()
    }

    /// Returns when to call [`handle_timeout`](Self::handle_timeout); `None` if only storing is in progress.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Receiving(_) => {
                let ends = self.timers.age_deadline(&self.config).min(self.timers.close_deadline(&self.config));
                Some(ends.min(self.timers.idle_deadline(&self.config)))
            }
            State::Draining { .. } | State::Finished => None,
        }
    }

    /// Returns whether more of the body should be read: `false` while too many bytes wait to be stored, and after the end.
    #[must_use]
    pub fn takes_body(&self) -> bool {
        let waiting: u64 = self.in_flight.iter().map(|fragment| fragment.bytes).sum();
        matches!(self.state, State::Receiving(_)) && waiting < self.config.in_flight_bytes
    }

    /// Returns whether the session has ended and all output is polled.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        matches!(self.state, State::Finished) && self.acks.is_empty() && self.fragments.is_empty()
    }

    fn handle_events(&mut self, now: Now) {
        while let State::Receiving(body) = &mut self.state {
            match body.poll(now) {
                Some(event) => self.on_event(event),
                None => break,
            }
        }
    }

    fn on_event(&mut self, event: IngestEvent) {
        match event {
            IngestEvent::Opened(acked) => self.push_ack(acked.ack(AckEventType::Buffering)),
            IngestEvent::Closed(fragment) => self.on_closed(*fragment),
            IngestEvent::Rejected(Rejection { id, fragment }) => self.drain(Some(error_ack(fragment.as_ref(), id))),
        }
    }

    fn on_closed(&mut self, fragment: IngestedFragment) {
        let timecode_ms = u64::try_from(fragment.timecode.as_millis()).unwrap_or(u64::MAX);
        let acked = AckedFragment { timecode_ms, number: fragment.number.clone() };
        tracing::trace!(number = %acked.number, bytes = fragment.len(), "fragment received");
        self.push_ack(acked.ack(AckEventType::Received));
        self.in_flight.push_back(InFlight { acked, bytes: fragment.len() as u64, storing: Storing::Pending });
        self.fragments.push_back(fragment);
    }

    /// Ends the input: fragments in flight are acked first, then `last`.
    fn drain(&mut self, last: Option<Ack>) {
        self.state = State::Draining { last };
        self.ack_stored();
    }

    /// Acks stored fragments in their order, up to the first that is not stored.
    fn ack_stored(&mut self) {
        while let Some(InFlight { acked, storing, .. }) = self.in_flight.front() {
            match storing {
                Storing::Pending => return,
                Storing::Stored if self.config.retention == Retention::Kept => {
                    let persisted = acked.ack(AckEventType::Persisted);
                    self.push_ack(persisted);
                }
                Storing::Stored => {}
                Storing::Failed(id) => {
                    let error = error_ack(Some(acked), *id);
                    self.in_flight.clear();
                    self.finish(Some(error));
                    return;
                }
            }
            self.in_flight.pop_front();
        }
        if let State::Draining { last } = &mut self.state {
            let last = last.take();
            self.finish(last);
        }
    }

    fn finish(&mut self, last: Option<Ack>) {
        if let Some(ack) = last {
            self.push_ack(ack);
        }
        self.state = State::Finished;
    }

    fn push_ack(&mut self, ack: Ack) {
        match self.config.acks {
            AckMode::ErrorsOnly if ack.event_type != AckEventType::Error => {}
            AckMode::All | AckMode::ErrorsOnly => self.acks.push_back(ack),
        }
    }
}

impl Timers {
    fn on_body(&mut self, at: Instant) {
        (self.last_body, self.last_sign) = (at, at);
    }

    fn idle_deadline(&self, config: &IngestConfig) -> Instant {
        after(self.last_sign, config.idle_ack)
    }

    fn close_deadline(&self, config: &IngestConfig) -> Instant {
        after(self.last_body, config.idle_close)
    }

    fn age_deadline(&self, config: &IngestConfig) -> Instant {
        after(self.opened, config.max_age)
    }
}

/// Adds a duration; falls back to a century if an `Instant` cannot represent the result.
fn after(at: Instant, wait: Duration) -> Instant {
    at.checked_add(wait).or_else(|| at.checked_add(CENTURY)).unwrap_or(at)
}

const CENTURY: Duration = Duration::from_secs(100 * 366 * 24 * 3600);

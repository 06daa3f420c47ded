//! Simulation of one seed, from the first frame to the result.

mod camera;
mod control;
mod faults;
mod line;
mod outputs;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use fastrand::Rng;
use kvs_producer::{CloseReason, ControlRequestId, ControlResponse, Loss, Persisted, ProducerCore, SessionId, Stats};

use super::event_queue::EventQueue;
use super::final_check::FinalState;
use super::loss_checker::LossChecker;
use super::network::{Fate, LinkFaults, LinkModel, Uplink};
use super::payload_tracker::PayloadTracker;
use super::progress_checker::{ProgressChecker, drained_by};
use super::scenario::{Fault, Scenario};
use super::service::{Connection, Service};
use super::source::{EPOCH, Source};

/// Result of one seed.
#[derive(Debug)]
pub struct Outcome {
    /// Time that passed on the virtual clock.
    pub virtual_time: Duration,
    /// How often each fault was injected.
    pub faults: BTreeMap<Fault, u64>,
    /// The counters of the producer at the end.
    pub stats: Stats,
    /// The first violation, if there is one.
    pub verdict: Result<(), String>,
}

/// A scheduled event.
#[derive(Debug)]
enum SimEvent {
    Frames,
    Fault(Fault, Duration),
    FaultEnds(Fault),
    Answer(ControlRequestId, ControlResponse),
    Opened(SessionId),
    Failed(SessionId, CloseReason),
    Taken(SessionId, usize),
    /// A piece of the body, split in two by the network.
    Body(SessionId, [Bytes; 2]),
    BodyEnd(SessionId),
    Store(SessionId, Box<kvs_local::__internal::ingest::IngestedFragment>),
    /// A piece of the response, split at this offset by the network.
    Acks(SessionId, Bytes, usize),
    AnswerEnds(SessionId),
    /// The connection reaches the age at which the link breaks it.
    LinkBreaks(SessionId),
    Resume,
}

struct Line {
    service: Connection,
    up: Uplink,
    /// Acks arrive in order, also when they are delayed.
    acks_until: Instant,
    /// The producer closed its end.
    left: bool,
    /// When the link breaks it.
    fate: Fate,
}

struct World {
    verbose: bool,
    rng: Rng,
    /// Draws the fate of connections, so that the rest of a seed does not depend on them.
    link_rng: Rng,
    start: Instant,
    now: Instant,
    scenario: Scenario,
    producer: ProducerCore,
    source: Source,
    service: Service,
    link_faults: LinkFaults,
    line: Option<Line>,
    /// The connection that broke last, if the producer can still read its acks.
    echo: Option<SessionId>,
    payload_tracker: PayloadTracker,
    progress: ProgressChecker,
    /// Expiry of the credentials that sign the next connection.
    credentials_until: Option<Instant>,
    event_queue: EventQueue<SimEvent>,
    calm: bool,
    paused_source: bool,
    faults: BTreeMap<Fault, u64>,
    tags: BTreeMap<String, u64>,
    moved_tags: BTreeSet<String>,
    persisted: Vec<Persisted>,
    lost: Vec<Loss>,
    violation: Option<String>,
    loss_checker: LossChecker,
    /// The producer waits before its next attempt.
    retrying: bool,
}

/// Amount of output of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verbosity {
    /// Prints nothing.
    Quiet,
    /// Prints each step.
    Verbose,
}

/// Runs one seed to its end.
pub fn run(seed: u64, verbosity: Verbosity) -> Outcome {
    let mut rng = Rng::with_seed(seed);
    let scenario = Scenario::new(seed, &mut rng);
    let start = Instant::now();
    let producer = ProducerCore::new(scenario.config.clone(), start, SystemTime::UNIX_EPOCH + EPOCH);
    let producer = producer.expect("scenarios are valid configurations");
    if verbosity == Verbosity::Verbose {
        println!("{scenario:#?}");
    }
    let payload_tracker = PayloadTracker::default();
    let mut world = World {
        loss_checker: LossChecker::new(&scenario, payload_tracker.clone()),
        retrying: false,
        verbose: verbosity == Verbosity::Verbose,
        link_rng: Rng::with_seed(!seed),
        start,
        now: start,
        source: Source::new(&scenario, payload_tracker.clone()),
        service: Service { exists: scenario.stream_exists, ..Service::default() },
        link_faults: LinkFaults::default(),
        line: None,
        echo: None,
        payload_tracker,
        progress: ProgressChecker::default(),
        credentials_until: None,
        event_queue: EventQueue::default(),
        calm: false,
        paused_source: false,
        faults: BTreeMap::new(),
        tags: BTreeMap::new(),
        moved_tags: BTreeSet::new(),
        persisted: Vec::new(),
        lost: Vec::new(),
        violation: None,
        rng,
        producer,
        scenario,
    };
    world.live();
    world.verdict()
}

impl World {
    fn live(&mut self) {
        self.after(Duration::ZERO, SimEvent::Frames);
        for (at, fault, lasts) in self.scenario.faults.clone() {
            self.after(at, SimEvent::Fault(fault, lasts));
        }
        let end = self.start + self.scenario.length;
        self.run_until(end);
        // No fault is active any more: everything that can be delivered must be.
        self.calm = true;
        self.link_faults = LinkFaults::default();
        if let Some(line) = &mut self.line {
            line.fate = LinkModel::Sound.fate(self.now, &mut self.link_rng);
        }
        self.resume();
        self.network_is_back();
        // A response in transit may still report an error: a halt while stopping ends the stop.
        let drained = self.drained_by();
        self.run_until(drained.max(self.now + SETTLING));
        let held = self.payload_tracker.held();
        if held.frames > 0 && !self.producer.is_finished() {
            self.violation.get_or_insert_with(|| format!("{held:?} long after the network was good again"));
        }
        self.producer.finish(Some(self.now + STOP), self.now);
        self.drain();
        let deadline = self.now + STOP;
        self.run_until(deadline);
        if !self.producer.is_finished() {
            self.violation.get_or_insert_with(|| "the stop did not end within its deadline".to_owned());
        }
    }

    /// Runs all events that are due until this time.
    fn run_until(&mut self, end: Instant) {
        self.drain();
        while self.violation.is_none() && !self.producer.is_finished() {
            let planned = self.event_queue.next_time();
            let producer = self.producer.poll_timeout(self.now);
            let service = self.line.as_ref().and_then(|line| line.service.timeout());
            let Some(next) = [planned, producer, service].into_iter().flatten().min() else { break };
            if next > end {
                break;
            }
            self.now = self.now.max(next);
            let checked = self.loss_checker.check_time(self.now);
            self.record(checked);
            if producer.is_some_and(|at| at <= self.now) {
                self.producer_timeout();
            } else if service.is_some_and(|at| at <= self.now) {
                self.service_timeout();
            } else if let Some(happening) = self.event_queue.next() {
                self.happen(happening);
            }
        }
        if !self.producer.is_finished() {
            self.now = self.now.max(end);
        }
    }

    fn producer_timeout(&mut self) {
        self.producer.handle_timeout(self.now);
        if self.producer.poll_timeout(self.now).is_some_and(|at| at < self.now) {
            self.violation = Some("a timeout stays due after it was handled".to_owned());
        }
        self.drain();
        self.measure();
    }

    fn after(&mut self, wait: Duration, happening: SimEvent) {
        self.at(self.now + wait, happening);
    }

    fn at(&mut self, at: Instant, happening: SimEvent) {
        self.event_queue.schedule(at, happening);
    }

    fn happen(&mut self, happening: SimEvent) {
        let now = self.now;
        match happening {
            // The producer does not see these events.
            SimEvent::Body(session, pieces) => return self.on_body(session, pieces),
            SimEvent::BodyEnd(session) => return self.on_body_end(session),
            SimEvent::Store(session, fragment) => return self.on_stored(session, *fragment),
            SimEvent::Frames => self.put_frames(),
            SimEvent::Fault(fault, lasts) => self.begin(fault, lasts),
            SimEvent::FaultEnds(fault) => self.end(fault),
            SimEvent::Answer(id, answer) => self.producer.handle_response(id, answer, now),
            SimEvent::Opened(session) => self.producer.handle_opened(session, now),
            SimEvent::Failed(session, reason) => self.producer.handle_closed(session, reason, now),
            SimEvent::Taken(session, bytes) => self.producer.handle_sent(session, bytes, now),
            SimEvent::Acks(session, bytes, cut) => self.on_acks(session, &bytes, cut),
            SimEvent::AnswerEnds(session) => self.on_answer_end(session),
            SimEvent::LinkBreaks(session) => self.on_age(session),
            SimEvent::Resume => self.resume(),
        }
        self.drain();
    }

    fn record(&mut self, checked: Result<(), String>) {
        if let Err(text) = checked {
            self.violation.get_or_insert(text);
        }
    }

    fn resume(&mut self) {
        self.loss_checker.paused = false;
        self.producer.resume(self.now);
    }

    /// A producer that waits for its next attempt must be connected after the longest wait and a round trip.
    fn network_is_back(&mut self) {
        let waits = self.retrying && !self.loss_checker.paused && self.link_faults.lets_through(self.now);
        if waits && self.producer.stats().buffered_fragments > 0 {
            // Five calls and the opening of the connection, each at its slowest.
            let round = self.scenario.latency * 12 + Duration::from_millis(10);
            self.loss_checker.must_resume(Some(self.now + self.scenario.backoff_cap + round));
        }
    }

    /// When everything that is held must be persisted.
    fn drained_by(&self) -> Instant {
        let Scenario { latency, store_time, bytes_per_second, silence, idle_after, backoff_cap, .. } = self.scenario;
        let round = (latency * 2 + store_time) * 2;
        // A dead connection is noticed, and the producer learns how long a fragment takes on a slow line; the last fragment is
        // ended, the next connection is opened; twice, because an error ack may be under way.
        let waits = (silence * 8 + idle_after + backoff_cap + latency * 20) * 2;
        drained_by(self.now, self.payload_tracker.held().bytes, bytes_per_second, round, waits)
    }

    fn verdict(self) -> Outcome {
        let stats = self.producer.stats();
        let evidence = FinalState {
            scenario: &self.scenario,
            put: &self.source.put,
            tags: &self.tags,
            moved_tags: &self.moved_tags,
            stored: &self.service.stored,
            persisted: &self.persisted,
            lost: &self.lost,
            totals: stats.totals,
        };
        let verdict = match self.violation {
            Some(violation) => Err(violation),
            None => self.progress.check_resets().and_then(|()| evidence.check()),
        };
        Outcome { virtual_time: self.now.saturating_duration_since(self.start), faults: self.faults, stats, verdict }
    }
}

/// How long the effects of the last fault can take to arrive.
const SETTLING: Duration = Duration::from_secs(40);
/// Deadline of the stop: longer than any backlog here needs.
const STOP: Duration = Duration::from_secs(3600);

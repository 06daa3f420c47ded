//! One seed, from its first frame to the verdict.

mod calls;
mod camera;
mod ears;
mod faults;
mod line;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use fastrand::Rng;
use kvs_producer::{CloseReason, ControlRequestId, ControlResponse, Loss, Persisted, ProducerCore, SessionId, Stats};

use super::agenda::Agenda;
use super::checker::Evidence;
use super::judge::Judge;
use super::ledger::Ledger;
use super::network::{Uplink, Weather};
use super::scenario::{Fault, Scenario};
use super::service::{Connection, Service};
use super::source::{EPOCH, Source};

/// What one seed came to.
#[derive(Debug)]
pub struct Outcome {
    /// Time that passed on the virtual clock.
    pub virtual_time: Duration,
    /// How often each fault was injected.
    pub faults: BTreeMap<Fault, u64>,
    /// The counters of the producer at the end.
    pub stats: Stats,
    /// The first broken promise, if there is one.
    pub verdict: Result<(), String>,
}

/// Something that happens at its time.
#[derive(Debug)]
enum Happening {
    Frames,
    Fault(Fault, Duration),
    FaultEnds(Fault),
    Answer(ControlRequestId, ControlResponse),
    Opened(SessionId),
    Failed(SessionId, CloseReason),
    Taken(SessionId, usize),
    /// A piece of the body, cut in two by the network.
    Body(SessionId, [Bytes; 2]),
    BodyEnd(SessionId),
    Store(SessionId, Box<kvs_local::__internal::ingest::IngestedFragment>),
    /// A piece of the answer, cut there by the network.
    Acks(SessionId, Bytes, usize),
    AnswerEnds(SessionId),
    Resume,
}

struct Line {
    service: Connection,
    up: Uplink,
    /// Acks arrive in order, whatever delays them.
    acks_until: Instant,
    /// The producer's end is gone.
    left: bool,
}

struct World {
    loud: bool,
    rng: Rng,
    start: Instant,
    now: Instant,
    scenario: Scenario,
    producer: ProducerCore,
    source: Source,
    service: Service,
    weather: Weather,
    line: Option<Line>,
    /// Credentials the next connection is signed with are good until then.
    credentials_until: Option<Instant>,
    agenda: Agenda<Happening>,
    calm: bool,
    paused_source: bool,
    faults: BTreeMap<Fault, u64>,
    tags: BTreeMap<String, u64>,
    moved_tags: BTreeSet<String>,
    persisted: Vec<Persisted>,
    lost: Vec<Loss>,
    trouble: Option<String>,
    judge: Judge,
    /// A wait for the next attempt is under way.
    retrying: bool,
}

/// Whether a run tells what happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Voice {
    /// Prints nothing.
    Quiet,
    /// Prints each step.
    Loud,
}

/// Runs one seed to its end.
pub fn run(seed: u64, voice: Voice) -> Outcome {
    let mut rng = Rng::with_seed(seed);
    let scenario = Scenario::new(seed, &mut rng);
    let start = Instant::now();
    let producer = ProducerCore::new(scenario.config.clone(), start, SystemTime::UNIX_EPOCH + EPOCH);
    let producer = producer.expect("scenarios are valid configurations");
    if voice == Voice::Loud {
        println!("{scenario:#?}");
    }
    let ledger = Ledger::default();
    let mut world = World {
        judge: Judge::new(&scenario, ledger.clone()),
        retrying: false,
        loud: voice == Voice::Loud,
        start,
        now: start,
        source: Source::new(&scenario, ledger),
        service: Service { exists: scenario.stream_exists, ..Service::default() },
        weather: Weather::default(),
        line: None,
        credentials_until: None,
        agenda: Agenda::default(),
        calm: false,
        paused_source: false,
        faults: BTreeMap::new(),
        tags: BTreeMap::new(),
        moved_tags: BTreeSet::new(),
        persisted: Vec::new(),
        lost: Vec::new(),
        trouble: None,
        rng,
        producer,
        scenario,
    };
    world.live();
    world.verdict()
}

impl World {
    fn live(&mut self) {
        self.after(Duration::ZERO, Happening::Frames);
        for (at, fault, lasts) in self.scenario.faults.clone() {
            self.after(at, Happening::Fault(fault, lasts));
        }
        let end = self.start + self.scenario.length;
        self.run_until(end);
        // The weather clears; what can be delivered must be.
        self.calm = true;
        self.weather = Weather::default();
        self.resume();
        self.network_is_back();
        // What was under way may still bring bad news: a halt while stopping ends the stop.
        let settled = self.now + SETTLING;
        self.run_until(settled);
        self.producer.finish(Some(self.now + STOP), self.now);
        self.drain();
        let deadline = self.now + STOP;
        self.run_until(deadline);
        if !self.producer.is_finished() {
            self.trouble.get_or_insert_with(|| "the stop did not end within its deadline".to_owned());
        }
    }

    /// Lets everything happen that is due until then.
    fn run_until(&mut self, end: Instant) {
        self.drain();
        while self.trouble.is_none() && !self.producer.is_finished() {
            let planned = self.agenda.next_time();
            let producer = self.producer.poll_timeout(self.now);
            let service = self.line.as_ref().and_then(|line| line.service.timeout());
            let Some(next) = [planned, producer, service].into_iter().flatten().min() else { break };
            if next > end {
                break;
            }
            self.now = self.now.max(next);
            let judged = self.judge.check_time(self.now);
            self.blame(judged);
            if producer.is_some_and(|at| at <= self.now) {
                self.producer_timeout();
            } else if service.is_some_and(|at| at <= self.now) {
                self.service_timeout();
            } else if let Some(happening) = self.agenda.next() {
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
            self.trouble = Some("a timeout stays due after it was handled".to_owned());
        }
        self.drain();
        self.measure();
    }

    fn after(&mut self, wait: Duration, happening: Happening) {
        self.at(self.now + wait, happening);
    }

    fn at(&mut self, at: Instant, happening: Happening) {
        self.agenda.plan(at, happening);
    }

    fn happen(&mut self, happening: Happening) {
        let now = self.now;
        match happening {
            // Of these the producer hears nothing.
            Happening::Body(session, pieces) => return self.on_body(session, pieces),
            Happening::BodyEnd(session) => return self.on_body_end(session),
            Happening::Store(session, fragment) => return self.on_stored(session, *fragment),
            Happening::Frames => self.put_frames(),
            Happening::Fault(fault, lasts) => self.begin(fault, lasts),
            Happening::FaultEnds(fault) => self.end(fault),
            Happening::Answer(id, answer) => self.producer.handle_response(id, answer, now),
            Happening::Opened(session) => self.producer.handle_opened(session, now),
            Happening::Failed(session, reason) => self.producer.handle_closed(session, reason, now),
            Happening::Taken(session, bytes) => self.producer.handle_sent(session, bytes, now),
            Happening::Acks(session, bytes, cut) => self.on_acks(session, &bytes, cut),
            Happening::AnswerEnds(session) => self.on_answer_end(session),
            Happening::Resume => self.resume(),
        }
        self.drain();
    }

    fn blame(&mut self, judged: Result<(), String>) {
        if let Err(text) = judged {
            self.trouble.get_or_insert(text);
        }
    }

    fn resume(&mut self) {
        self.judge.paused = false;
        self.producer.resume(self.now);
    }

    /// A producer that waits for its next attempt must be connected after the longest wait and a round trip.
    fn network_is_back(&mut self) {
        let waits = self.retrying && !self.judge.paused && self.weather.lets_through(self.now);
        if waits && self.producer.stats().buffered_fragments > 0 {
            // Five calls and the opening, each at its slowest.
            let round = self.scenario.latency * 12 + Duration::from_millis(10);
            self.judge.must_resume(Some(self.now + self.scenario.backoff_cap + round));
        }
    }

    fn verdict(self) -> Outcome {
        let stats = self.producer.stats();
        let evidence = Evidence {
            scenario: &self.scenario,
            put: &self.source.put,
            tags: &self.tags,
            moved_tags: &self.moved_tags,
            stored: &self.service.stored,
            persisted: &self.persisted,
            lost: &self.lost,
            totals: stats.totals,
        };
        let verdict = match self.trouble {
            Some(trouble) => Err(trouble),
            None => evidence.check(),
        };
        Outcome { virtual_time: self.now.saturating_duration_since(self.start), faults: self.faults, stats, verdict }
    }
}

/// How long the last of the trouble takes to arrive.
const SETTLING: Duration = Duration::from_secs(40);
/// How long the stop may take: longer than any backlog here needs.
const STOP: Duration = Duration::from_secs(3600);

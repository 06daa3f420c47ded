//! Simulation of one seed of a producer with a spool: outages, bad disks, kills and power loss, over several runs.

mod disk_side;
mod line_side;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use fastrand::Rng;
use kvs_local::__internal::ingest::IngestedFragment;
use kvs_producer::{
    CloseReason, ControlRequestId, ControlResponse, Event, ProducerCore, SessionId, Spool, SpoolRequest, Stats,
    Transmit,
};

use super::event_queue::EventQueue;
use super::final_check::FinalState;
use super::network::{Fate, LinkModel, Uplink};
use super::payload_tracker::PayloadTracker;
use super::service::{Connection, Service};
use super::sim_disk::{SimDisk, Stop};
use super::source::{EPOCH, Source};
use super::spool_judge::SpoolJudge;
use super::spool_scenario::{SpoolFault, SpoolScenario};
use super::world::Verbosity;

/// Result of one seed.
#[derive(Debug)]
pub struct SpoolOutcome {
    /// Time that passed on the virtual clock.
    pub virtual_time: Duration,
    /// How often each fault was injected.
    pub faults: BTreeMap<SpoolFault, u64>,
    /// Number of fragments that were reported as spooled.
    pub spooled: u64,
    /// Number of fragments that a run left and the next one found.
    pub recovered: u64,
    /// The counters of the last run.
    pub stats: Stats,
    /// The first violation, if there is one.
    pub verdict: Result<(), String>,
}

/// A scheduled event.
#[derive(Debug)]
enum Step {
    Frames,
    Fault(SpoolFault, Duration),
    FaultEnds(SpoolFault),
    Store(SessionId, Box<IngestedFragment>),
    /// What ends with its run.
    OfRun(u64, RunStep),
}

#[derive(Debug)]
enum RunStep {
    /// The disk has executed the oldest request.
    Disk,
    Answer(ControlRequestId, ControlResponse),
    Opened(SessionId),
    Failed(SessionId, CloseReason),
    Taken(SessionId, usize),
    Body(SessionId, Bytes),
    BodyEnd(SessionId),
    Acks(SessionId, Bytes),
    AnswerEnds(SessionId),
}

struct Line {
    service: Connection,
    up: Uplink,
    acks_until: Instant,
    fate: Fate,
}

pub(super) struct SpoolWorld {
    verbosity: Verbosity,
    rng: Rng,
    start: Instant,
    now: Instant,
    scenario: SpoolScenario,
    /// Number of the run.
    run: u64,
    producer: ProducerCore,
    spool: Spool,
    disk: SimDisk,
    /// Requests that the disk has not executed.
    requests: VecDeque<SpoolRequest>,
    is_slow: bool,
    is_down: bool,
    /// No fault follows, and the camera is off.
    is_calm: bool,
    source: Source,
    service: Service,
    line: Option<Line>,
    queue: EventQueue<Step>,
    judge: SpoolJudge,
    faults: BTreeMap<SpoolFault, u64>,
    spooled: u64,
    recovered: u64,
    violation: Option<String>,
}

/// Runs one seed to its end.
pub fn run(seed: u64, verbosity: Verbosity) -> SpoolOutcome {
    let scenario = SpoolScenario::new(seed);
    if verbosity == Verbosity::Verbose {
        println!("{scenario:#?}");
    }
    let mut world = SpoolWorld::new(scenario, seed, verbosity);
    world.live();
    world.outcome()
}

/// A producer and a spool on this disk.
fn begin(scenario: &SpoolScenario, disk: &SimDisk, start: Instant, now: Instant) -> (ProducerCore, Spool) {
    let wall = SystemTime::UNIX_EPOCH + EPOCH + now.saturating_duration_since(start);
    let producer = ProducerCore::new(scenario.config.clone(), now, wall).expect("scenarios are valid configurations");
    (producer, Spool::__on(Box::new(disk.clone()), "cam", &scenario.spool, scenario.overflow))
}

impl SpoolWorld {
    pub(super) fn new(scenario: SpoolScenario, seed: u64, verbosity: Verbosity) -> Self {
        let (start, disk) = (Instant::now(), SimDisk::new(seed, u64::MAX));
        let (producer, spool) = begin(&scenario, &disk, start, start);
        let mut judge = SpoolJudge::default();
        judge.begins(0);
        Self {
            verbosity,
            rng: Rng::with_seed(!seed),
            start,
            now: start,
            run: 0,
            producer,
            spool,
            disk,
            requests: VecDeque::new(),
            is_slow: false,
            is_down: false,
            is_calm: false,
            source: Source::new(&scenario.media, PayloadTracker::default()),
            service: Service { exists: true, ..Service::default() },
            line: None,
            queue: EventQueue::default(),
            judge,
            faults: BTreeMap::new(),
            spooled: 0,
            recovered: 0,
            violation: None,
            scenario,
        }
    }

    /// The camera runs through an outage and is switched off. Returns how long it takes until everything is persisted.
    pub(super) fn drain_after_outage(mut self, outage: Duration) -> Result<Duration, String> {
        self.is_down = true;
        self.after(Duration::ZERO, Step::Frames);
        self.run_until(self.start + outage);
        let bytes: usize = self.source.put.iter().map(|put| put.length).sum();
        self.scenario.media.bytes_per_second = (bytes as f64 / outage.as_secs_f64() * 2.0) as u64;
        (self.is_calm, self.is_down) = (true, false);
        self.producer.end_fragment();
        let back = self.now;
        while self.producer.stats().totals.held().frames > 0 && self.violation.is_none() && self.now < back + DRAINED {
            self.run_until(self.now + Duration::from_millis(100));
        }
        let took = self.now.saturating_duration_since(back);
        let lost = self.producer.stats().totals.lost.frames;
        match self.violation {
            Some(violation) => Err(violation),
            None if lost > 0 => Err(format!("{lost} frames lost")),
            None => Ok(took),
        }
    }

    fn live(&mut self) {
        self.after(Duration::ZERO, Step::Frames);
        for (at, fault, lasts) in self.scenario.faults.clone() {
            self.after(at, Step::Fault(fault, lasts));
        }
        self.run_until(self.start + self.scenario.length);
        self.is_calm = true;
        self.mend();
        // Everything that was put or found must be persisted or reported lost.
        self.run_until(self.now + DRAINED);
        let held = self.producer.stats().totals.held();
        if self.violation.is_none() && held.frames > 0 {
            self.violate(format!("{held:?} are not sent long after link and disk were good again"));
        }
        self.stop(STOP);
    }

    /// Link and disk are good again.
    fn mend(&mut self) {
        for fault in [SpoolFault::Outage, SpoolFault::DiskFull, SpoolFault::SlowDisk] {
            self.end(fault);
        }
        self.scenario.media.link = LinkModel::Sound;
        if let Some(line) = &mut self.line {
            line.fate = LinkModel::Sound.fate(self.now, &mut self.rng);
        }
    }

    /// Runs all events that are due until this time.
    fn run_until(&mut self, end: Instant) {
        self.drain();
        while self.violation.is_none() && !self.producer.is_finished() {
            let planned = self.queue.next_time();
            let producer = self.producer.poll_timeout(self.now);
            let service = self.line.as_ref().and_then(|line| line.service.timeout());
            let Some(next) = [planned, producer, service].into_iter().flatten().min() else { break };
            if next > end {
                break;
            }
            self.now = self.now.max(next);
            if producer.is_some_and(|at| at <= self.now) {
                self.producer.handle_timeout(self.now);
                self.drain();
            } else if service.is_some_and(|at| at <= self.now) {
                self.service_timeout();
            } else if let Some(step) = self.queue.next() {
                self.take_step(step);
            }
        }
        if !self.producer.is_finished() {
            self.now = self.now.max(end);
        }
    }

    fn take_step(&mut self, step: Step) {
        match step {
            Step::Frames => self.put_frames(),
            Step::Fault(fault, lasts) => self.begin(fault, lasts),
            Step::FaultEnds(fault) => self.end(fault),
            Step::Store(session, fragment) => self.on_stored(session, *fragment),
            Step::OfRun(run, step) if run == self.run => self.take_run_step(step),
            Step::OfRun(..) => {}
        }
        self.drain();
    }

    fn take_run_step(&mut self, step: RunStep) {
        let now = self.now;
        match step {
            RunStep::Disk => self.execute(),
            RunStep::Answer(id, answer) => self.producer.handle_response(id, answer, now),
            RunStep::Opened(session) => self.producer.handle_opened(session, now),
            RunStep::Failed(session, reason) => self.producer.handle_closed(session, reason, now),
            RunStep::Taken(session, bytes) => self.producer.handle_sent(session, bytes, now),
            RunStep::Body(session, bytes) => self.on_body(session, bytes),
            RunStep::BodyEnd(session) => self.on_body_end(session),
            RunStep::Acks(session, bytes) => self.on_acks(session, &bytes),
            RunStep::AnswerEnds(session) => self.on_answer_end(session),
        }
    }

    fn put_frames(&mut self) {
        if self.is_calm {
            return;
        }
        let elapsed = self.now.saturating_duration_since(self.start);
        for (number, frame) in self.source.frames(elapsed, &mut self.rng) {
            if self.producer.put_frame(frame, self.now).is_ok() {
                self.source.taken(number);
            }
            self.drain();
        }
        self.after(self.source.frame_time(), Step::Frames);
    }

    /// Polls all transmits and events, and checks memory and disk.
    fn drain(&mut self) {
        while let Some(transmit) = self.producer.poll_transmit(self.now) {
            match transmit {
                Transmit::Control { id, request } => self.on_call(id, &request),
                Transmit::Open { session, request } => self.on_open(session, &request),
                Transmit::Body { session, chunks } => self.on_send(session, chunks.into_bytes()),
                Transmit::End { session } => self.on_send_end(session),
                Transmit::Abort { session } => self.leave(session),
                Transmit::Spool(request) => self.on_request(request),
                other => self.violate(format!("unknown {other:?}")),
            }
        }
        while let Some(event) = self.producer.poll_event() {
            self.on_event(&event);
        }
        let (buffered, bytes) = (self.producer.stats().buffered_bytes, self.disk.bytes());
        if buffered > self.scenario.memory + FRAME_SLACK {
            self.violate(format!("{buffered} bytes in memory, {} allowed", self.scenario.memory));
        }
        if bytes > self.scenario.limit {
            self.violate(format!("{bytes} bytes on disk, {} allowed", self.scenario.limit));
        }
    }

    fn on_event(&mut self, event: &Event) {
        if self.verbosity == Verbosity::Verbose {
            println!("{:9.3} {event:?}", self.now.saturating_duration_since(self.start).as_secs_f64());
        }
        match event {
            Event::Spooled { .. } => self.spooled += 1,
            Event::Recovered { fragments, .. } => self.recovered += fragments,
            _ => {}
        }
        // A small spool is full at times.
        let is_small = self.scenario.limit < 64 << 20;
        if let Err(text) = self.judge.event(event, is_small, self.now) {
            self.violate(text);
        }
    }

    fn begin(&mut self, fault: SpoolFault, lasts: Duration) {
        *self.faults.entry(fault).or_default() += 1;
        match fault {
            SpoolFault::Outage => {
                self.is_down = true;
                self.break_line();
            }
            SpoolFault::DiskFull | SpoolFault::ReadOnly | SpoolFault::NoSync | SpoolFault::SlowDisk => {
                self.judge.disk_is_bad(self.now + lasts);
                self.spoil(fault);
            }
            SpoolFault::Kill => return self.crash(Stop::Kill),
            SpoolFault::PowerLoss => return self.crash(Stop::PowerLoss),
            SpoolFault::Stop => {
                let (run, within) = (self.run, Duration::from_millis(self.rng.u64(..5_000)));
                self.stop(within);
                // It may have been killed meanwhile.
                if self.run == run {
                    self.restart();
                }
                return;
            }
        }
        self.after(lasts, Step::FaultEnds(fault));
    }

    fn end(&mut self, fault: SpoolFault) {
        match fault {
            SpoolFault::Outage => self.is_down = false,
            SpoolFault::SlowDisk => self.is_slow = false,
            _ => {
                self.disk.set_capacity(None);
                self.disk.set_read_only(false);
                self.disk.set_fails_to_sync(false);
            }
        }
    }

    /// Stops the producer in order.
    fn stop(&mut self, within: Duration) {
        let run = self.run;
        self.producer.finish(Some(self.now + within), self.now);
        self.run_until(self.now + within + FLUSHED);
        self.drain();
        if self.violation.is_some() || self.run != run {
            return;
        }
        if !self.producer.is_finished() {
            return self.violate("the stop did not end within its deadline".to_owned());
        }
        let checked = self.judge.ends(&self.producer.stats().totals);
        checked.unwrap_or_else(|text| self.violate(text));
    }

    /// The process ends at any byte of what the disk is doing.
    fn crash(&mut self, stop: Stop) {
        if let Some(request) = self.requests.pop_front() {
            self.disk.stop_after(self.rng.u64(..60_000));
            self.spool.handle(request).for_each(drop);
        }
        self.disk = self.disk.restart(stop);
        self.restart();
    }

    fn restart(&mut self) {
        if self.violation.is_some() {
            return;
        }
        if let Some(session) = self.line.as_ref().map(|line| line.service.session) {
            self.leave(session);
        }
        self.run += 1;
        self.requests.clear();
        (self.producer, self.spool) = begin(&self.scenario, &self.disk, self.start, self.now);
        self.judge.begins(self.source.put.len());
    }

    fn after(&mut self, wait: Duration, step: Step) {
        self.queue.schedule(self.now + wait, step);
    }

    fn in_run(&mut self, at: Instant, step: RunStep) {
        self.queue.schedule(at, Step::OfRun(self.run, step));
    }

    fn violate(&mut self, text: String) {
        self.violation.get_or_insert(text);
    }

    fn outcome(self) -> SpoolOutcome {
        let stats = self.producer.stats();
        let all = FinalState {
            scenario: &self.scenario.media,
            put: &self.source.put,
            tags: &BTreeMap::new(),
            moved_tags: &BTreeSet::new(),
            stored: &self.service.stored,
            persisted: &[],
            lost: &[],
            totals: stats.totals,
        };
        let verdict = match self.violation {
            Some(violation) => Err(violation),
            None => self.judge.check(&all),
        };
        SpoolOutcome {
            virtual_time: self.now.saturating_duration_since(self.start),
            faults: self.faults,
            spooled: self.spooled,
            recovered: self.recovered,
            stats,
            verdict,
        }
    }
}

/// Time in which everything must be sent after link and disk are good again.
const DRAINED: Duration = Duration::from_secs(3600);
/// Deadline of the last stop.
const STOP: Duration = Duration::from_secs(600);
/// How long the disk may take at the end of a stop.
const FLUSHED: Duration = Duration::from_secs(15);
/// What the frame that is being put may take beyond the limit of memory.
const FRAME_SLACK: usize = 16 << 10;

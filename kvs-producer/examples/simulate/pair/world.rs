//! One seed, from its first frame to the verdict.

mod faults;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::time::{Duration, Instant, SystemTime};

use bytes::{Buf, Bytes};
use fastrand::Rng;
use kvs_mkv::service::ErrorId;
use kvs_mkv::{Frame, TrackNumber};
use kvs_producer::{
    Answer, Call, CallId, CloseReason, Event, Failure, FailureKind, FragmentTag, Loss, Persisted, Producer, SessionId,
    Stats, StreamStatus, Transmit,
};

use super::checker::Evidence;
use super::judge::{Judge, SLACK};
use super::ledger::Ledger;
use super::network::{Uplink, Weather, holds};
use super::scenario::{Fault, Scenario};
use super::service::{Connection, Service, Stored, around, wall};
use super::source::{EPOCH, Source};

/// What one seed came to.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) virtual_time: Duration,
    pub(crate) faults: BTreeMap<Fault, u64>,
    pub(crate) stats: Stats,
    pub(crate) verdict: Result<(), String>,
}

/// Something that happens at its time.
#[derive(Debug)]
enum Happening {
    Frames,
    Fault(Fault, Duration),
    FaultEnds(Fault),
    Answer(CallId, Answer),
    Opened(SessionId),
    Failed(SessionId, CloseReason),
    Taken(SessionId, usize),
    Body(SessionId, Bytes),
    BodyEnd(SessionId),
    Store(SessionId, Box<kvs_local::ingest::IngestedFragment>),
    Acks(SessionId, Bytes),
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
    producer: Producer,
    source: Source,
    service: Service,
    weather: Weather,
    line: Option<Line>,
    /// Credentials the next connection is signed with are good until then.
    credentials_until: Option<Instant>,
    queue: BinaryHeap<Reverse<(Instant, u64)>>,
    happenings: BTreeMap<u64, Happening>,
    scheduled: u64,
    calm: bool,
    paused_source: bool,
    faults: BTreeMap<Fault, u64>,
    taken: BTreeSet<u64>,
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
pub(crate) enum Voice {
    Quiet,
    Loud,
}

/// Runs one seed to its end.
pub(crate) fn run(seed: u64, voice: Voice) -> Outcome {
    let mut rng = Rng::with_seed(seed);
    let scenario = Scenario::new(seed, &mut rng);
    let start = Instant::now();
    let producer = Producer::new(scenario.config.clone(), start, SystemTime::UNIX_EPOCH + EPOCH);
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
        queue: BinaryHeap::new(),
        happenings: BTreeMap::new(),
        scheduled: 0,
        calm: false,
        paused_source: false,
        faults: BTreeMap::new(),
        taken: BTreeSet::new(),
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
            let queued = self.queue.peek().map(|Reverse((at, _))| *at);
            let producer = self.producer.poll_timeout(self.now);
            let service = self.line.as_ref().and_then(|line| line.service.timeout());
            let Some(next) = [queued, producer, service].into_iter().flatten().min() else { break };
            if next > end {
                break;
            }
            self.now = self.now.max(next);
            if producer.is_some_and(|at| at <= self.now) {
                self.producer.handle_timeout(self.now);
                if self.producer.poll_timeout(self.now).is_some_and(|at| at < self.now) {
                    self.trouble = Some("a timeout stays due after it was handled".to_owned());
                }
            } else if service.is_some_and(|at| at <= self.now) {
                self.service_timeout();
            } else {
                self.happen_next();
            }
            self.drain();
        }
        self.now = self.now.max(end);
    }

    fn happen_next(&mut self) {
        let next = self.queue.pop().and_then(|Reverse((_, id))| self.happenings.remove(&id));
        if let Some(happening) = next {
            self.happen(happening);
        }
    }

    fn after(&mut self, wait: Duration, happening: Happening) {
        self.at(self.now + wait, happening);
    }

    fn at(&mut self, at: Instant, happening: Happening) {
        self.scheduled += 1;
        self.queue.push(Reverse((at, self.scheduled)));
        self.happenings.insert(self.scheduled, happening);
    }

    fn happen(&mut self, happening: Happening) {
        let now = self.now;
        match happening {
            Happening::Frames => self.put_frames(),
            Happening::Fault(fault, lasts) => self.begin(fault, lasts),
            Happening::FaultEnds(fault) => self.end(fault),
            Happening::Answer(id, answer) => self.producer.handle_answer(id, answer, now),
            Happening::Opened(session) => self.producer.handle_opened(session, now),
            Happening::Failed(session, reason) => self.producer.handle_closed(session, reason, now),
            Happening::Taken(session, bytes) => self.producer.handle_sent(session, bytes, now),
            Happening::Body(session, bytes) => self.on_body(session, bytes),
            Happening::BodyEnd(session) => self.on_body_end(session),
            Happening::Store(session, fragment) => self.on_stored(session, *fragment),
            Happening::Acks(session, bytes) => self.on_acks(session, &bytes),
            Happening::AnswerEnds(session) => self.on_answer_end(session),
            Happening::Resume => self.resume(),
        }
    }

    fn put_frames(&mut self) {
        if !self.paused_source {
            self.put_step();
        }
        if !self.calm {
            self.after(self.source.frame_time(), Happening::Frames);
        }
    }

    /// Puts the frames of one frame time.
    fn put_step(&mut self) {
        let elapsed = self.now.saturating_duration_since(self.start);
        for (number, frame) in self.source.frames(elapsed, &mut self.rng) {
            self.put(number, frame);
            self.drain();
        }
    }

    fn put(&mut self, number: u64, frame: Frame) {
        let lead = frame.track == TrackNumber::ONE;
        let (key, pts) = (frame.keyframe, frame.pts);
        let length = self.source.length(number);
        self.judge.before_put(number, pts, length, self.producer.stats().buffered_fragments, self.now);
        match self.producer.put_frame(frame, self.now) {
            Ok(()) => {
                self.judge.taken(pts, lead && key, self.now);
                self.hear_all();
                self.judge.after_put();
                self.taken.insert(number);
                if lead && self.rng.u8(..20) == 0 {
                    self.put_tag(number);
                }
            }
            Err(error) => {
                self.hear_all();
                if lead && key {
                    self.source.key_frame_refused(number);
                }
                let judged = self.judge.refused(&error.refusal, lead && key);
                self.blame(judged);
            }
        }
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

    fn put_tag(&mut self, frame: u64) {
        let name = format!("tag-{}", self.tags.len());
        if self.producer.put_tag(FragmentTag::once(name.clone(), "x")).is_ok() {
            self.tags.insert(name, frame);
        }
    }

    /// Does what the producer wants and hears what it tells.
    fn drain(&mut self) {
        while let Some(transmit) = self.producer.poll_transmit(self.now) {
            self.transmit(transmit);
        }
        self.hear_all();
        let stats = self.producer.stats();
        if stats.buffered_fragments == 0 || self.judge.holds_nothing() {
            self.judge.must_resume(None);
        }
        let judged = self.judge.check_memory().and_then(|()| self.judge.check_time(self.now));
        self.blame(judged);
        if stats.buffered_bytes > self.scenario.buffer_bytes + SLACK {
            let (has, may) = (stats.buffered_bytes, self.scenario.buffer_bytes);
            self.trouble.get_or_insert_with(|| format!("{has} bytes buffered, {may} allowed"));
        }
    }

    fn hear_all(&mut self) {
        while let Some(event) = self.producer.poll_event() {
            self.hear(event);
        }
    }

    fn hear(&mut self, event: Event) {
        if self.loud {
            println!("{:9.3} {event:?}", self.now.saturating_duration_since(self.start).as_secs_f64());
        }
        match event {
            Event::Persisted(persisted) => self.persisted.push(persisted),
            Event::Lost(loss) => {
                let judged = self.judge.lost(&loss);
                self.blame(judged);
                self.lost.push(loss);
            }
            Event::Opened { .. } => {
                self.retrying = false;
                self.judge.must_resume(None);
            }
            Event::TimeJump { .. } | Event::TrackSilent { .. } => self.judge.group_broken(),
            Event::TagMoved { name } => {
                self.moved_tags.insert(name);
            }
            Event::Halted(_) => {
                self.retrying = false;
                self.judge.must_resume(None);
                if self.calm {
                    self.resume();
                } else {
                    self.after(Duration::from_secs(7), Happening::Resume);
                }
            }
            Event::Retrying { wait, failure, .. } => {
                // After an error ack the fragment at hand may be gone, and nothing else there to send.
                self.retrying = failure.kind != FailureKind::Service;
                if wait > self.scenario.backoff_cap {
                    self.blame(Err(format!("a wait of {wait:?} is above the cap")));
                }
                // What is found out only by trying: the endpoint is another one, the credentials ended.
                if !matches!(failure.kind, FailureKind::TimedOut) {
                    self.judge.must_resume(None);
                    self.network_is_back();
                }
            }
            Event::Missed { count } => {
                self.trouble.get_or_insert_with(|| format!("{count} events missed although all are polled"));
            }
            _ => {}
        }
    }

    fn transmit(&mut self, transmit: Transmit) {
        match transmit {
            Transmit::Call { id, call } => {
                self.retrying = false;
                self.on_call(id, &call);
            }
            Transmit::Open { session, request } => {
                self.retrying = false;
                self.on_open(session, &request);
            }
            Transmit::Body { session, chunks } => self.on_send(session, chunks.into_bytes()),
            Transmit::End { session } => {
                let passage = self.carry(session, 5);
                if let Some(there) = passage {
                    self.at(there, Happening::BodyEnd(session));
                }
            }
            Transmit::Abort { session } => self.leave(session),
            other => self.trouble = Some(format!("unknown {other:?}")),
        }
    }

    fn on_call(&mut self, id: CallId, call: &Call) {
        let now = self.now;
        let wait = around(self.scenario.latency, &mut self.rng);
        if holds(self.weather.swallowed_until, now) {
            return;
        }
        let failed = |kind, text: &str| Answer::Failed(Failure::new(kind, text));
        let answer = match call {
            Call::Credentials(_) if holds(self.weather.no_credentials_until, now) => {
                failed(FailureKind::Unreachable, "no credentials")
            }
            Call::Credentials(_) => {
                let lasts = around(self.scenario.credentials_last, &mut self.rng);
                self.credentials_until = Some(now + lasts);
                Answer::Credentials { lasts: Some(lasts) }
            }
            _ if self.weather.obstacle(now).is_some() => {
                failed(FailureKind::Unreachable, self.weather.obstacle(now).unwrap_or_default())
            }
            _ if holds(self.weather.refusals_until, now) => Answer::Failed(self.refusal()),
            Call::DescribeStream if !self.service.exists => failed(FailureKind::NotFound, "no such stream"),
            Call::DescribeStream => {
                Answer::Described { status: StreamStatus::Active, retention: Duration::from_secs(3600) }
            }
            Call::CreateStream(_) => {
                self.service.exists = true;
                Answer::Created
            }
            _ => Answer::Endpoint(self.service.address()),
        };
        self.after(wait, Happening::Answer(id, answer));
    }

    fn refusal(&mut self) -> Failure {
        let kinds = [
            FailureKind::Throttled,
            FailureKind::Service,
            FailureKind::TimedOut,
            FailureKind::CredentialsExpired,
            FailureKind::ClockSkew,
            FailureKind::Refused,
        ];
        let kind = kinds[self.rng.usize(..kinds.len())];
        let asked = (kind == FailureKind::Throttled && self.rng.bool()).then(|| Duration::from_secs(3));
        Failure::new(kind, "by the script").with_retry_after(asked)
    }

    fn on_open(&mut self, session: SessionId, request: &kvs_producer::OpenRequest) {
        let now = self.now;
        let wait = around(self.scenario.latency, &mut self.rng) * 3;
        let failed = |kind, text: &str| CloseReason::Failed(Failure::new(kind, text));
        let reason = if holds(self.weather.swallowed_until, now) {
            return;
        } else if let Some(obstacle) = self.weather.obstacle(now) {
            failed(FailureKind::Unreachable, obstacle)
        } else if request.endpoint != self.service.address() {
            failed(FailureKind::Unreachable, "nobody lives here any more")
        } else if self.credentials_until.is_none_or(|until| until <= now) {
            failed(FailureKind::CredentialsExpired, "expired")
        } else if holds(self.weather.refusals_until, now) {
            CloseReason::Failed(self.refusal())
        } else {
            let service = self.service.accept(session, request, self.rng.u64(..), wall(self.start, now));
            let up = Uplink::new(self.scenario.latency, now);
            self.line = Some(Line { service, up, acks_until: now, left: false });
            return self.after(wait, Happening::Opened(session));
        };
        self.after(wait, Happening::Failed(session, reason));
    }

    fn line(&mut self, session: SessionId) -> Option<&mut Line> {
        self.line.as_mut().filter(|line| line.service.session == session)
    }

    /// Puts bytes on the line; when they will be there, if ever.
    fn carry(&mut self, session: SessionId, bytes: usize) -> Option<Instant> {
        let now = self.now;
        let slow = holds(self.weather.slow_until, now);
        let swallowed = holds(self.weather.swallowed_until, now);
        let speed = if slow { 2_000 } else { self.scenario.bytes_per_second };
        let up = &mut self.line(session)?.up;
        up.dead |= swallowed;
        let passage = up.carry(bytes, speed, now);
        if up.dead {
            return None;
        }
        self.at(passage.taken, Happening::Taken(session, bytes));
        Some(passage.there)
    }

    fn on_send(&mut self, session: SessionId, mut bytes: Bytes) {
        let Some(there) = self.carry(session, bytes.len()) else { return };
        // Packets know no frames.
        if bytes.len() > 1 && self.rng.bool() {
            let cut = self.rng.usize(1..bytes.len());
            let head = bytes.copy_to_bytes(cut);
            self.at(there, Happening::Body(session, head));
        }
        self.at(there, Happening::Body(session, bytes));
    }

    fn on_body(&mut self, session: SessionId, bytes: Bytes) {
        let now = wall(self.start, self.now);
        let Some(line) = self.line(session) else { return };
        line.service.ingest.handle_body(bytes, now);
        self.poll_service();
    }

    fn on_body_end(&mut self, session: SessionId) {
        let now = wall(self.start, self.now);
        let Some(line) = self.line(session) else { return };
        line.service.ingest.handle_end(now);
        self.poll_service();
    }

    fn service_timeout(&mut self) {
        let now = wall(self.start, self.now);
        if let Some(line) = &mut self.line {
            line.service.ingest.handle_timeout(now);
        }
        self.poll_service();
    }

    /// Takes what the ingest core gives.
    fn poll_service(&mut self) {
        let Some(line) = &mut self.line else { return };
        let session = line.service.session;
        let acks = line.service.acks();
        let fragments: Vec<_> = std::iter::from_fn(|| line.service.ingest.poll_fragment()).collect();
        let finished = line.service.ingest.is_finished();
        for fragment in fragments {
            let wait = around(self.scenario.store_time, &mut self.rng);
            self.after(wait, Happening::Store(session, Box::new(fragment)));
        }
        for ack in acks {
            self.send_acks(session, ack);
        }
        if finished {
            let at = self.line.as_ref().map_or(self.now, |line| line.acks_until.max(self.now + self.scenario.latency));
            self.at(at, Happening::AnswerEnds(session));
        }
    }

    fn send_acks(&mut self, session: SessionId, ack: Bytes) {
        let now = self.now;
        if let Some(id) = error_id(&ack) {
            self.judge.error_sent(id);
        }
        let weather = &self.weather;
        let dead = self.line.as_ref().is_none_or(|line| line.up.dead);
        if holds(weather.acks_lost_until, now) || holds(weather.swallowed_until, now) || dead {
            return;
        }
        let late = if holds(weather.acks_late_until, now) { Duration::from_secs(4) } else { Duration::ZERO };
        let copies = if holds(weather.acks_doubled_until, now) { 2 } else { 1 };
        let wait = self.scenario.latency + late;
        let Some(line) = &mut self.line else { return };
        let at = line.acks_until.max(now + wait);
        line.acks_until = at;
        for _ in 0..copies {
            let cut = self.rng.usize(..=ack.len());
            self.at(at, Happening::Acks(session, ack.slice(..cut)));
            self.at(at, Happening::Acks(session, ack.slice(cut..)));
        }
    }

    fn on_stored(&mut self, session: SessionId, fragment: kvs_local::ingest::IngestedFragment) {
        let number = fragment.number.clone();
        let fails = !self.calm && self.faults.contains_key(&Fault::StoreError) && self.rng.u8(..8) == 0;
        let result = if fails {
            let ids = [
                ErrorId::ARCHIVAL_ERROR,
                ErrorId::INTERNAL_ERROR,
                ErrorId::KMS_KEY_ACCESS_DENIED,
                ErrorId::KMS_KEY_UNAVAILABLE,
            ];
            Err(ids[self.rng.usize(..ids.len())])
        } else {
            // Stored even if the connection is gone by now: the service does not undo it.
            self.service.stored.push(Stored { session, fragment });
            Ok(())
        };
        let now = wall(self.start, self.now);
        let Some(line) = self.line(session) else { return };
        line.service.ingest.handle_stored(&number, result, now);
        self.poll_service();
    }

    fn on_acks(&mut self, session: SessionId, bytes: &[u8]) {
        if self.line(session).is_some_and(|line| !line.left) {
            self.producer.handle_ack(session, bytes, self.now);
        }
    }

    fn on_answer_end(&mut self, session: SessionId) {
        let swallowed = holds(self.weather.swallowed_until, self.now);
        if self.line(session).is_some_and(|line| !line.up.dead) && !swallowed {
            self.line = None;
            let reason = CloseReason::Broken("the service ended the session".to_owned());
            self.producer.handle_closed(session, reason, self.now);
        }
    }

    /// The producer lets go of the connection.
    fn leave(&mut self, session: SessionId) {
        let now = wall(self.start, self.now);
        if let Some(mut line) = self.line.take().filter(|line| line.service.session == session) {
            line.left = true;
            line.service.ingest.handle_broken(now);
            let fragments: Vec<_> = std::iter::from_fn(|| line.service.ingest.poll_fragment()).collect();
            for fragment in fragments {
                self.after(self.scenario.store_time, Happening::Store(session, Box::new(fragment)));
            }
        }
    }

    fn verdict(self) -> Outcome {
        let stats = self.producer.stats();
        let evidence = Evidence {
            scenario: &self.scenario,
            put: &self.source.put,
            taken: &self.taken,
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

/// The number in an error ack, as it stands on the wire.
fn error_id(line: &[u8]) -> Option<ErrorId> {
    let text = std::str::from_utf8(line).ok()?;
    let digits = text.split_once("\"ErrorId\":")?.1.trim_start();
    let end = digits.find(|letter: char| !letter.is_ascii_digit())?;
    digits.get(..end)?.parse().ok().map(ErrorId)
}

//! What the buffer has in the spool: which fragments are written, read back and sent, and in which order.
#![cfg_attr(not(feature = "spool"), allow(dead_code, reason = "without the feature there is no spool"))]

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use super::fragment::{DiskCopy, Fragment};
use super::fragment_buffer::FragmentBuffer;
use crate::config::SpoolOrder;
use crate::limits::UNCONFIRMED;
use crate::report::event::Event;
use crate::report::outcome::LossReason;
use crate::report::sink::ReportSink;
use crate::report::span::FragmentId;
use crate::report::spool::SpoolProblem;
#[cfg(feature = "spool")]
use crate::spool::config::SpoolConfig;
use crate::spool::message::{Held, Loaded, Parcel, RecordKey, Request, Response, SpoolLoss};

/// The buffer's view of the spool. Files are the driver's business: this side only sends requests and handles responses.
///
/// ```text
///  live media --half of the memory is used--> written --leaves memory--> on disk
///                                                ^                          |  the sender needs it
///                                                +---- read back <----------+
/// ```
#[derive(Debug)]
pub(crate) struct Spill {
    order: SpoolOrder,
    /// How much media waits in memory before it is written.
    after: Duration,
    phase: SpillPhase,
    requests: VecDeque<Request>,
    /// Number of fragments that are being written.
    writing: usize,
    /// Number of fragments that are on disk only.
    waiting: u64,
    /// Fragments that were read back and are not settled, by their number, with the order in which they were read.
    loaded: BTreeMap<u64, (u64, Fragment)>,
    reads: u64,
    recovered: u64,
    read_state: ReadState,
    /// When the request was made that is not answered yet.
    asked_at: Option<Instant>,
    /// The room that was granted with that request.
    asked_room: usize,
    /// Fragments that went back to the disk since that request.
    returned: u64,
    /// No request to write until then, because the last one failed.
    write_again_at: Option<Instant>,
    last_problem: Option<SpoolProblem>,
    /// The pre-roll of a paused producer is trimmed, so it is not written.
    is_held: bool,
    /// With [`SpoolOrder::NewestFirst`]: the backlog is being sent, not live media.
    in_backlog: bool,
}

/// The phase of a spool's life.
///
/// ```text
/// Opening --answered--> Open --end of the stop--> Flushing --written--> Closing --answered--> Closed
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SpillPhase {
    Opening,
    Open,
    /// Everything that waits in memory is written.
    Flushing,
    Closing,
    Closed,
}

/// Whether the next fragment comes from the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ReadState {
    Ready,
    Reading,
    /// The next fragment needs more memory than there is. Live media is sent meanwhile.
    NoRoom,
    /// The disk does not answer. Live media is sent meanwhile.
    Late,
}

/// Where the next fragment comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lane {
    Live,
    Backlog(FragmentId),
    /// The next fragment is being read.
    Reading,
}

impl Spill {
    #[cfg(feature = "spool")]
    pub(crate) fn new(config: &SpoolConfig, now: Instant) -> Self {
        Self {
            order: config.order_of_sending(),
            after: config.write_after(),
            phase: SpillPhase::Opening,
            requests: VecDeque::from([Request::Open]),
            writing: 0,
            waiting: 0,
            loaded: BTreeMap::new(),
            reads: 0,
            recovered: 0,
            read_state: ReadState::Reading,
            asked_at: Some(now),
            asked_room: 0,
            returned: 0,
            write_again_at: None,
            last_problem: None,
            is_held: false,
            in_backlog: false,
        }
    }

    pub(super) fn loaded(&self, id: FragmentId) -> Option<&Fragment> {
        self.loaded.get(&id.0).map(|(_, fragment)| fragment)
    }

    pub(super) fn loaded_mut(&mut self, id: FragmentId) -> Option<&mut Fragment> {
        self.loaded.get_mut(&id.0).map(|(_, fragment)| fragment)
    }

    pub(super) fn all_loaded_mut(&mut self) -> impl Iterator<Item = &mut Fragment> {
        self.loaded.values_mut().map(|(_, fragment)| fragment)
    }

    pub(super) fn forget(&mut self, id: FragmentId) {
        self.loaded.remove(&id.0);
    }

    pub(super) fn settle(&mut self, key: RecordKey) {
        self.requests.push_back(Request::Settle(key));
    }

    /// Memory was freed: what did not fit may fit now.
    pub(super) fn on_room(&mut self) {
        if self.read_state == ReadState::NoRoom {
            self.read_state = ReadState::Ready;
        }
    }

    pub(super) const fn hold(&mut self, is_held: bool) {
        self.is_held = is_held;
    }

    pub(super) fn is_writing(&self) -> bool {
        self.writing > 0
    }

    /// Whether nothing is left in it that could be sent.
    pub(super) fn is_settled(&self) -> bool {
        self.phase != SpillPhase::Opening && self.waiting == 0 && self.writing == 0 && self.loaded.is_empty()
    }

    /// Whether the next fragment of the backlog will be in memory soon.
    pub(super) fn awaits_disk(&self) -> bool {
        match self.read_state {
            ReadState::Reading => true,
            ReadState::Ready => self.waiting > 0 && self.phase == SpillPhase::Open,
            ReadState::NoRoom | ReadState::Late => false,
        }
    }

    fn first_queued(&self) -> Option<FragmentId> {
        self.queued().min_by_key(|(read, _)| *read).map(|(_, fragment)| fragment.id)
    }

    pub(super) fn last_queued(&self) -> Option<FragmentId> {
        self.queued().max_by_key(|(read, _)| *read).map(|(_, fragment)| fragment.id)
    }

    /// What was read and waits to be sent.
    fn queued(&self) -> impl Iterator<Item = &(u64, Fragment)> {
        self.loaded.values().filter(|(_, fragment)| fragment.is_queued())
    }

    fn loaded_bytes(&self) -> usize {
        self.loaded.values().map(|(_, fragment)| fragment.cost()).sum()
    }

    /// Decides where the next fragment comes from. `live` is the first one in memory that waits to be sent.
    pub(super) fn lane(&mut self, live: Option<FragmentId>, backed_up: LiveState) -> Lane {
        let (behind, coming) = (self.first_queued(), self.awaits_disk());
        match self.order {
            SpoolOrder::OldestFirst => match behind {
                Some(behind) if live.is_some_and(|live| !behind.is_recovered() && live < behind) => Lane::Live,
                Some(behind) => Lane::Backlog(behind),
                None if coming => Lane::Reading,
                None => Lane::Live,
            },
            SpoolOrder::NewestFirst => {
                if self.in_backlog {
                    self.in_backlog = backed_up != LiveState::Urgent && (behind.is_some() || coming);
                } else {
                    self.in_backlog = backed_up == LiveState::CaughtUp && behind.is_some();
                }
                match behind {
                    Some(behind) if self.in_backlog => Lane::Backlog(behind),
                    None if self.in_backlog => Lane::Reading,
                    _ => Lane::Live,
                }
            }
        }
    }

    fn report(&mut self, problem: SpoolProblem, sink: &mut ReportSink) {
        // A disk that stays full is reported once.
        if self.last_problem.as_ref() != Some(&problem) {
            sink.push(Event::SpoolProblem(problem.clone()));
            self.last_problem = Some(problem);
        }
    }

    fn lose(&mut self, held: &Held, why: SpoolLoss, sink: &mut ReportSink) {
        self.waiting = self.waiting.saturating_sub(held.fragments);
        sink.stats.totals.spooled.remove(held.frames, held.bytes);
        let reason = match why {
            SpoolLoss::Full => LossReason::SpoolFull,
            SpoolLoss::Damaged => LossReason::SpoolDamaged,
        };
        sink.lost(None, held.span(), reason);
    }

    fn deadline(&self) -> Option<Instant> {
        let asked_at = self.asked_at.filter(|_| self.read_state == ReadState::Reading);
        let late = asked_at.and_then(|at| at.checked_add(PATIENCE));
        late.into_iter().chain(self.write_again_at.filter(|_| self.phase == SpillPhase::Open)).min()
    }
}

/// How much live media waits to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LiveState {
    /// Nothing, or the beginning of a fragment.
    CaughtUp,
    Behind,
    /// So much that it goes before the backlog.
    Urgent,
}

impl FragmentBuffer {
    /// Returns the next request to the spool.
    pub(crate) fn poll_spool(&mut self, now: Instant, sink: &mut ReportSink) -> Option<Request> {
        if self.spill.as_ref()?.requests.is_empty() {
            self.request_write(now, sink);
            self.request_read(now);
        }
        self.spill.as_mut()?.requests.pop_front()
    }

    /// Writes the oldest fragment: because of its age, because memory is under pressure, or because the producer stops.
    fn request_write(&mut self, now: Instant, sink: &mut ReportSink) {
        let Some(spill) = &self.spill else { return };
        let (is_flushing, after) = (spill.phase == SpillPhase::Flushing, spill.after);
        let may_write = match spill.phase {
            SpillPhase::Open => !spill.is_held && spill.write_again_at.is_none_or(|at| at <= now),
            SpillPhase::Flushing => spill.write_again_at.is_none(),
            SpillPhase::Opening | SpillPhase::Closing | SpillPhase::Closed => false,
        };
        let is_due = is_flushing || self.is_pressed() || self.duration() > after;
        if !may_write || spill.writing >= WRITES || !is_due {
            return;
        }
        while let Some(id) = self.first_evictable(|disk| matches!(disk, DiskCopy::Stored(_))) {
            if is_flushing || !self.is_pressed() {
                break;
            }
            self.leave_memory(id, sink);
        }
        if let Some(id) = self.first_evictable(|disk| disk == DiskCopy::None)
            && (is_flushing || self.is_pressed() || self.age(id) > after)
        {
            self.write(id);
        }
    }

    /// The oldest fragment in memory that is complete, not being sent, and this far on its way to the disk.
    pub(super) fn first_evictable(&self, is_wanted: impl Fn(DiskCopy) -> bool) -> Option<FragmentId> {
        let wanted = |fragment: &&Fragment| fragment.is_evictable() && is_wanted(fragment.disk);
        self.fragments.iter().skip(self.first_holding()).find(wanted).map(|fragment| fragment.id)
    }

    /// Time from the start of a fragment to the newest frame.
    fn age(&self, id: FragmentId) -> Duration {
        match (self.live(id), self.fragments.back()) {
            (Some(fragment), Some(last)) => Duration::from_millis(last.latest.saturating_sub(fragment.start)),
            _ => Duration::ZERO,
        }
    }

    fn write(&mut self, id: FragmentId) {
        let parcel = self.live_mut(id).map(|fragment| {
            fragment.disk = DiskCopy::Writing;
            fragment.parcel()
        });
        if let (Some(parcel), Some(spill)) = (parcel, &mut self.spill) {
            spill.writing += 1;
            spill.requests.push_back(Request::Store(parcel));
        }
    }

    /// Whether fragments have to leave memory: half of its limit in bytes or in time is in use. The other half is there while
    /// the disk writes.
    fn is_pressed(&self) -> bool {
        self.bytes() > self.fair_limit() / 2 || self.duration() > self.time_limit() / 2
    }

    /// Reads the next fragment of the backlog ahead of the sender.
    fn request_read(&mut self, now: Instant) {
        let (limit, left) = (self.limit(), self.limit().saturating_sub(self.bytes()));
        let Some(spill) = &mut self.spill else { return };
        let share = limit / 4;
        let loaded = spill.loaded_bytes();
        let wanted = loaded == 0 || loaded < share;
        if spill.phase == SpillPhase::Open && spill.read_state == ReadState::Ready && spill.waiting > 0 && wanted {
            spill.read_state = ReadState::Reading;
            spill.asked_at = Some(now);
            (spill.asked_room, spill.returned) = (left, 0);
            spill.requests.push_back(Request::Load { room: left, limit });
        }
    }

    /// Handles a response of the spool.
    pub(crate) fn handle_spool(&mut self, response: Response, now: Instant, sink: &mut ReportSink) {
        let left = self.limit().saturating_sub(self.bytes());
        let Some(spill) = &mut self.spill else { return };
        match response {
            Response::Opened(held) => {
                spill.waiting = held.fragments;
                spill.read_state = ReadState::Ready;
                if spill.phase == SpillPhase::Opening {
                    spill.phase = SpillPhase::Open;
                }
                sink.stats.totals.recovered.add(held.frames, held.bytes);
                sink.stats.totals.spooled.add(held.frames, held.bytes);
                if held.fragments > 0 {
                    sink.push(Event::Recovered { fragments: held.fragments, span: held.span() });
                }
            }
            Response::Stored { id, key } => self.on_stored(id, key, sink),
            Response::NotStored { id } => {
                spill.writing = spill.writing.saturating_sub(1);
                spill.write_again_at = Some(now + WRITE_AGAIN);
                if let Some(fragment) = self.live_mut(id) {
                    fragment.disk = DiskCopy::None;
                }
            }
            // It does not hold up those behind it.
            Response::Unfit { id } => {
                spill.writing = spill.writing.saturating_sub(1);
                if let Some(fragment) = self.live_mut(id) {
                    fragment.disk = DiskCopy::Unfit;
                }
            }
            Response::Loaded(loaded) => self.on_loaded(loaded, sink),
            // Memory that was freed during the read does not call again.
            Response::NoRoom if left > spill.asked_room => spill.read_state = ReadState::Ready,
            Response::NoRoom => spill.read_state = ReadState::NoRoom,
            Response::Nothing => {
                spill.read_state = ReadState::Ready;
                spill.waiting = spill.returned;
            }
            Response::Lost { held, why, source } => {
                spill.lose(&held, why, sink);
                spill.requests.extend(source.map(Request::Reported));
            }
            Response::Closed => spill.phase = SpillPhase::Closed,
            Response::Problem(problem) => spill.report(problem, sink),
        }
    }

    fn on_stored(&mut self, id: FragmentId, key: RecordKey, sink: &mut ReportSink) {
        let mut may_leave = false;
        if let Some(fragment) = self.live_mut(id).filter(|fragment| !fragment.is_settled()) {
            fragment.disk = DiskCopy::Stored(key);
            may_leave = fragment.is_evictable();
        }
        let span = self.live(id).filter(|fragment| !fragment.is_settled()).map(Fragment::span);
        let Some(spill) = &mut self.spill else { return };
        spill.writing = spill.writing.saturating_sub(1);
        spill.last_problem = None;
        let Some(span) = span else {
            // It was persisted or lost in the meantime.
            return spill.settle(key);
        };
        sink.push(Event::Spooled { fragment: id, span });
        if may_leave && spill.phase == SpillPhase::Open && self.is_pressed() {
            self.leave_memory(id, sink);
        }
    }

    /// Frees the memory of a fragment that is on disk.
    pub(super) fn leave_memory(&mut self, id: FragmentId, sink: &mut ReportSink) {
        let is_sent = self.live(id).is_some_and(Fragment::is_sent);
        if is_sent && self.released() < UNCONFIRMED {
            // The service probably has it. If the session ends before the acknowledgement, it is sent again from the disk.
            self.release(id);
        } else {
            self.return_to_disk(id, sink);
        }
    }

    /// The fragment is on disk only, and is read back when it is sent.
    pub(super) fn return_to_disk(&mut self, id: FragmentId, sink: &mut ReportSink) {
        let Some((span, DiskCopy::Stored(key))) = self.get(id).map(|fragment| (fragment.span(), fragment.disk)) else {
            return;
        };
        self.settle(id);
        if let Some(spill) = &mut self.spill {
            spill.waiting += 1;
            spill.returned += 1;
            spill.requests.push_back(Request::Return(key));
            sink.stats.totals.spooled.add(span.frames, span.bytes);
        }
    }

    fn on_loaded(&mut self, loaded: Loaded, sink: &mut ReportSink) {
        let Loaded { key, parcel, is_recovered } = loaded;
        let Some(spill) = &mut self.spill else { return };
        spill.read_state = ReadState::Ready;
        let id = if is_recovered { FragmentId::recovered(spill.recovered + 1) } else { parcel.id };
        let fragment = Fragment::of_parcel(id, parcel, key);
        let (cost, amount) = (fragment.cost(), (fragment.frame_count, fragment.bytes));
        if !self.has_room_for(cost) {
            // Live media took the room in the meantime.
            if let Some(spill) = &mut self.spill {
                spill.read_state = ReadState::NoRoom;
                spill.requests.push_back(Request::Return(key));
            }
            return;
        }
        self.recount(0, cost);
        if let Some(spill) = &mut self.spill {
            spill.recovered += u64::from(is_recovered);
            spill.waiting = spill.waiting.saturating_sub(1);
            spill.reads += 1;
            spill.loaded.insert(id.0, (spill.reads, fragment));
            sink.stats.totals.spooled.remove(amount.0, amount.1);
        }
    }

    /// When [`expire_spool`](Self::expire_spool) has something to do.
    pub(crate) fn spool_timeout(&self) -> Option<Instant> {
        self.spill.as_ref()?.deadline()
    }

    /// A disk that does not answer must not stop live media.
    pub(crate) fn expire_spool(&mut self, now: Instant, sink: &mut ReportSink) {
        let Some(spill) = &mut self.spill else { return };
        if spill.phase == SpillPhase::Open {
            spill.write_again_at = spill.write_again_at.filter(|at| *at > now);
        }
        let is_late = spill.asked_at.is_some_and(|at| at + PATIENCE <= now);
        if spill.read_state == ReadState::Reading && is_late {
            spill.read_state = ReadState::Late;
            spill.report(SpoolProblem::Slow { seconds: PATIENCE.as_secs() }, sink);
        }
    }

    /// Writes everything that waits in memory and releases the folder, at the end of a stop. Returns whether that is done.
    pub(crate) fn flush_spool(&mut self) -> bool {
        let Some(spill) = &mut self.spill else { return true };
        match spill.phase {
            SpillPhase::Opening => false,
            SpillPhase::Open => {
                spill.phase = SpillPhase::Flushing;
                spill.write_again_at = None;
                self.flush_spool()
            }
            SpillPhase::Flushing => {
                let has_failed = spill.write_again_at.is_some();
                let is_written = spill.writing == 0 && (has_failed || !self.has_unwritten());
                if let Some(spill) = self.spill.as_mut().filter(|_| is_written) {
                    spill.phase = SpillPhase::Closing;
                    spill.requests.push_back(Request::Close);
                }
                false
            }
            SpillPhase::Closing => false,
            SpillPhase::Closed => true,
        }
    }

    fn has_unwritten(&self) -> bool {
        self.fragments.iter().any(|fragment| fragment.is_evictable() && fragment.disk == DiskCopy::None)
    }

    /// At the end of a stop: what is on disk stays there. The rest is the caller's to report.
    pub(super) fn leave_in_spool(&mut self, sink: &mut ReportSink) {
        let on_disk = |fragment: &&Fragment| matches!(fragment.disk, DiskCopy::Stored(_)) && !fragment.is_settled();
        let ids: Vec<FragmentId> = self.fragments.iter().filter(on_disk).map(|fragment| fragment.id).collect();
        for id in ids {
            self.return_to_disk(id, sink);
        }
        let loaded = self.spill.as_ref().map(|spill| spill.loaded.keys().copied().collect::<Vec<_>>());
        for id in loaded.into_iter().flatten() {
            self.return_to_disk(FragmentId(id), sink);
        }
    }
}

impl Fragment {
    /// A copy of all that is needed to send it. Payload bytes are shared.
    fn parcel(&self) -> Parcel {
        Parcel {
            id: self.id,
            epoch: self.epoch.clone(),
            start: self.start,
            earliest: self.earliest,
            latest: self.latest,
            blocks: self.blocks.clone(),
            frames: self.frame_count,
            bytes: self.bytes,
            tags: self.tags.clone(),
            end: self.end(),
        }
    }
}

/// Most fragments that are being written: enough to keep the disk busy.
const WRITES: usize = 4;
/// How long writing pauses after a failure.
const WRITE_AGAIN: Duration = Duration::from_secs(2);
/// How long the sender waits for the disk before it sends live media.
const PATIENCE: Duration = Duration::from_secs(5);

#[cfg(all(test, feature = "spool"))]
mod tests;

//! Checks each loss and each refusal when it happens: was it justified by the user's actions, the responses of the service and
//! the state of the buffer? Uses no code of the producer.

use std::collections::VecDeque;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use kvs_producer::__internal::{FRAGMENT_OVERHEAD, FRAME_OVERHEAD, USER_TAGS};
use kvs_producer::{Loss, LossReason, MissingTrack, Refusal};
use kvs_types::ErrorId;

use super::payload_tracker::{HeldPayloads, PayloadTracker};
use super::scenario::{Fault, Scenario};

/// Role of a frame in the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// A key frame of the leading track.
    Key,
    /// Another frame of the leading track.
    Lead,
    /// A frame of another track.
    Beside,
}

/// State that can justify a loss.
#[derive(Debug)]
pub(crate) struct LossChecker {
    payload_tracker: PayloadTracker,
    limit: usize,
    time: Duration,
    pre_roll: Duration,
    fragment_max: Duration,
    idle_after: Duration,
    tracks: usize,
    missing_track: MissingTrack,
    /// Payloads held before the current frame was submitted, and the bytes that it needs.
    putting: Option<(HeldPayloads, usize)>,
    /// How often the buffer was too full for a frame.
    tight: u32,
    /// Newest accepted timestamp in ms.
    newest: u64,
    /// Timestamp of the current frame in ms.
    at: u64,
    /// Newest accepted timestamp of the leading track in ms.
    lead: Option<u64>,
    last_put: Option<Instant>,
    last_key: Option<Duration>,
    /// Whether each frame follows the key frame of its group.
    groups: Settling,
    /// Whether each fragment declares the tracks of its frames.
    declared: Settling,
    /// Frames with tags that are still held.
    tagged: VecDeque<u64>,
    pub(crate) paused: bool,
    /// Times are no measure any more: the source's clock jumped.
    jumped: bool,
    errors: Vec<ErrorId>,
    rejected: usize,
    resume_by: Option<Instant>,
}

/// What a disturbance upsets until enough key frames came, one of which must have begun a fragment.
#[derive(Debug, Default)]
struct Settling {
    /// Key frames since the last disturbance.
    keys: u32,
    /// The time of the first of them.
    first: Duration,
    /// The time of the first that came after enough of them, in ms.
    from: Option<u64>,
}

impl Settling {
    fn disturb(&mut self) {
        *self = Self::default();
    }

    fn key(&mut self, pts: Duration) {
        if self.keys == 0 {
            self.first = pts;
        }
        self.keys += 1;
        if self.keys > ENOUGH_KEYS && pts >= self.first + SHORTEST {
            self.from.get_or_insert(ms(pts));
        }
    }

    /// Whether what has this time is past all that was upset.
    fn settled_at(&self, pts: Duration) -> bool {
        self.from.is_some_and(|from| ms(pts) >= from)
    }
}

macro_rules! ensure {
    ($condition:expr, $($text:tt)*) => {
        if !$condition {
            return Err(format!($($text)*));
        }
    };
}

impl LossChecker {
    pub(crate) fn new(scenario: &Scenario, payload_tracker: PayloadTracker) -> Self {
        Self {
            payload_tracker,
            limit: scenario.buffer_bytes,
            time: scenario.buffer_time,
            pre_roll: scenario.pre_roll,
            fragment_max: scenario.fragment_max,
            idle_after: scenario.idle_after,
            tracks: scenario.tracks,
            missing_track: scenario.missing_track,
            putting: None,
            tight: 0,
            newest: 0,
            at: 0,
            lead: None,
            last_put: None,
            last_key: None,
            groups: Settling::default(),
            declared: Settling::default(),
            tagged: VecDeque::new(),
            paused: false,
            jumped: false,
            errors: Vec::new(),
            rejected: 0,
            resume_by: None,
        }
    }

    /// The frame of this number and of so many bytes is about to be put.
    pub(crate) fn before_put(&mut self, number: u64, pts: Duration, bytes: usize, fragments: usize, now: Instant) {
        self.at = ms(pts);
        let held = self.payload_tracker.held();
        self.payload_tracker.hand_over(number, ms(pts), bytes);
        let overhead = (held.frames + 1) * FRAME_OVERHEAD + (fragments + 1) * FRAGMENT_OVERHEAD + self.tags(held.first);
        self.tight += u32::from(self.is_full(held, bytes + overhead) || self.is_too_long(held));
        self.putting = Some((held, bytes + overhead));
        let idle = self.last_put.is_some_and(|last| now.saturating_duration_since(last) >= self.idle_after);
        // A fragment is longer than its last group: by short groups before it, and by pictures shown before their key frame.
        let before = SHORTEST + LEADING;
        let long = self.last_key.is_some_and(|last| pts.saturating_sub(last) + before > self.fragment_max);
        if idle || long {
            self.group_broken();
        }
    }

    /// Records that all events of a put were handled.
    pub(crate) fn after_put(&mut self) {
        self.putting = None;
    }

    pub(crate) fn taken(&mut self, pts: Duration, part: Part, now: Instant) {
        self.newest = self.newest.max(ms(pts));
        self.last_put = Some(now);
        if part != Part::Beside {
            self.lead = self.lead.max(Some(ms(pts)));
        }
        if part == Part::Key {
            self.last_key = Some(pts);
            self.groups.key(pts);
            self.declared.key(pts);
        }
    }

    pub(crate) fn refused(&mut self, refusal: &Refusal, part: Part) -> Result<(), String> {
        let putting = self.putting.take();
        self.payload_tracker.refused();
        let settled = self.declared.settled_at(Duration::from_millis(self.at));
        // To the producer, a track whose frames are refused is a track without frames.
        self.declared.disturb();
        if part == Part::Key {
            // What follows has lost its beginning.
            self.group_broken();
        }
        match refusal {
            Refusal::BufferFull { .. } => {
                let (held, needs) = putting.unwrap_or_default();
                ensure!(self.is_full(held, needs) || self.is_too_long(held), "refused as full with {held:?}");
            }
            Refusal::TrackDrift { .. } => {
                // A leading track whose frames were refused for another reason stays behind the others.
                let behind = self.lead.is_some_and(|lead| lead.abs_diff(self.at) > ms(APART));
                let apart = self.jumped || part == Part::Beside && behind;
                ensure!(apart, "refused for its time although near the leading track: {refusal}");
            }
            Refusal::TrackLate { .. } => {
                // As for frames that are lost as "track joining".
                let away = self.tracks > 1 && (self.jumped || !settled);
                ensure!(part == Part::Beside && away, "refused as late although no track was away: {refusal}");
            }
            Refusal::TimestampRegression { .. } | Refusal::TimestampInFuture { .. } => {
                ensure!(self.jumped, "refused for its time although the clock never jumped: {refusal}");
            }
            other => return Err(format!("a good frame was refused: {other}")),
        }
        Ok(())
    }

    /// A tag was put with the frame of this number.
    pub(crate) fn tag_put(&mut self, frame: u64) {
        self.tagged.push_back(frame);
    }

    /// What the tags of held frames may count for, and those of lost ones that went on to the next fragment.
    fn tags(&mut self, first: u64) -> usize {
        while self.tagged.front().is_some_and(|frame| *frame < first) {
            self.tagged.pop_front();
        }
        (self.tagged.len() + USER_TAGS) * TAG
    }

    fn is_full(&self, held: HeldPayloads, needs: usize) -> bool {
        held.bytes.saturating_add(needs) > self.limit
    }

    fn is_too_long(&self, held: HeldPayloads) -> bool {
        let span = held.oldest.map_or(0, |oldest| self.newest.saturating_sub(oldest));
        self.jumped || Duration::from_millis(span) > self.time
    }

    /// From here to the next key frame, frames may have no picture to build on, and a header is not begun.
    pub(crate) fn group_broken(&mut self) {
        self.groups.disturb();
        self.declared.disturb();
    }

    /// Records the start of a fault.
    pub(crate) fn fault(&mut self, fault: Fault) {
        match fault {
            Fault::ClockJump => {
                self.jumped = true;
                self.group_broken();
            }
            Fault::Pause | Fault::LongGroup | Fault::SourcePause => self.group_broken(),
            Fault::Burst | Fault::TrackStall | Fault::NewSets => self.declared.disturb(),
            _ => {}
        }
    }

    /// Records the end of a fault, after which tracks resume.
    pub(crate) fn fault_ended(&mut self, fault: Fault) {
        match fault {
            Fault::Pause | Fault::SourcePause | Fault::Burst | Fault::TrackStall => self.declared.disturb(),
            _ => {}
        }
    }

    /// The service sent an error ack; it may or may not arrive.
    pub(crate) fn error_sent(&mut self, id: ErrorId) {
        self.errors.push(id);
    }

    pub(crate) fn lost(&mut self, loss: &Loss) -> Result<(), String> {
        match &loss.reason {
            LossReason::BufferFull => self.lost_for_room(loss),
            LossReason::TooOld => {
                let long = self.putting.is_some_and(|(held, _)| self.is_too_long(held));
                ensure!(long, "lost as too old although the buffer was short enough: {loss:?}");
                Ok(())
            }
            LossReason::Unconfirmed => {
                ensure!(self.tight > 0, "given up although there was always room: {loss:?}");
                Ok(())
            }
            LossReason::Rejected(error) => self.lost_by_service(error.id),
            LossReason::NoKeyframe => {
                // A frame that waits for other tracks is reported later; its timestamp tells what was missing.
                let early = !self.groups.settled_at(since_epoch(loss.span.end));
                ensure!(early, "{} key frames came, and still frames lack one: {loss:?}", self.groups.keys);
                Ok(())
            }
            LossReason::TrackJoining => {
                let away = self.tracks > 1 && self.is_upset(loss);
                ensure!(away, "no track was away within {} key frames: {loss:?}", self.declared.keys);
                Ok(())
            }
            LossReason::TrackMissing => {
                let asked = self.missing_track == MissingTrack::Drop && self.tracks > 1;
                let lacking = asked && self.is_upset(loss);
                ensure!(lacking, "every track had frames, or their want was to be borne: {loss:?}");
                Ok(())
            }
            LossReason::Paused => {
                let young = since_epoch(loss.span.end) + self.pre_roll > Duration::from_millis(self.newest);
                ensure!(self.paused && (self.jumped || !young), "lost for a pause: {loss:?}");
                Ok(())
            }
            LossReason::Stopped => {
                let halted = self.errors.last().is_some_and(|id| errors_that_cost_a_fragment(*id).is_none());
                ensure!(halted, "given up at the stop although the link_faults had cleared: {loss:?}");
                Ok(())
            }
            other => Err(format!("an unknown reason: {other:?}")),
        }
    }

    /// Whether tracks came and went about the time of this loss. A jump that was taken out of the times leaves none to compare.
    fn is_upset(&self, loss: &Loss) -> bool {
        self.jumped || !self.declared.settled_at(since_epoch(loss.span.end))
    }

    /// Checks that each fragment lost for space has a reason of its own.
    fn lost_for_room(&mut self, loss: &Loss) -> Result<(), String> {
        let Some((held, needs)) = self.putting else { return Err(format!("lost for room without a put: {loss:?}")) };
        let (bytes, limit) = (held.bytes + needs, self.limit);
        ensure!(self.is_full(held, needs), "lost for room with at most {bytes} of {limit} bytes in use: {loss:?}");
        let frames = usize::try_from(loss.span.frames).unwrap_or(usize::MAX);
        let freed = usize::try_from(loss.span.bytes).unwrap_or(usize::MAX);
        let held = HeldPayloads { bytes: held.bytes.saturating_sub(freed), ..held };
        self.putting = Some((held, needs.saturating_sub(frames * FRAME_OVERHEAD)));
        Ok(())
    }

    /// Checks that a fragment is lost to a service error only if the error is permanent or repeated.
    fn lost_by_service(&mut self, id: ErrorId) -> Result<(), String> {
        self.rejected += 1;
        let (lost, errors) = (self.rejected, self.errors.len());
        ensure!(self.errors.contains(&id), "lost to {id}, which never came");
        ensure!(lost <= errors, "{lost} fragments lost to {errors} errors");
        let Some(enough) = errors_that_cost_a_fragment(id) else {
            return Err(format!(
                "lost to {id}: the user can repair the key or the stream, and media must be kept until then"
            ));
        };
        ensure!(errors >= enough, "lost to {id} after {errors} errors, {enough} would have been reason enough");
        Ok(())
    }

    /// Sets the time by which a producer that waits for its next attempt must be connected again.
    pub(crate) fn must_resume(&mut self, by: Option<Instant>) {
        self.resume_by = by;
    }

    pub(crate) fn check_time(&self, now: Instant) -> Result<(), String> {
        let late = self.resume_by.is_some_and(|by| now > by);
        ensure!(!late, "no connection within the longest wait and a round trip after the network was back");
        Ok(())
    }

    pub(crate) const fn waits_for_resumption(&self) -> bool {
        self.resume_by.is_some()
    }

    pub(crate) fn holds_nothing(&self) -> bool {
        self.payload_tracker.held().frames == 0
    }

    /// Checks the payload bytes that are really held.
    pub(crate) fn check_memory(&self) -> Result<(), String> {
        let held = self.payload_tracker.held().large_bytes;
        ensure!(held <= self.limit + SLACK, "{held} payload bytes held, {} allowed", self.limit);
        Ok(())
    }
}

/// How many errors a fragment survives, less one, by what the service's documentation says of the id; `None`: any number.
fn errors_that_cost_a_fragment(id: ErrorId) -> Option<usize> {
    match id {
        ErrorId::MAX_FRAGMENT_SIZE_REACHED
        | ErrorId::MAX_FRAGMENT_DURATION_REACHED
        | ErrorId::FRAGMENT_TIMECODE_LESSER_THAN_PREVIOUS
        | ErrorId::FRAGMENT_METADATA_LIMIT_REACHED
        | ErrorId::TRACK_NUMBER_MISMATCH
        | ErrorId::FRAMES_MISSING_FOR_TRACK
        | ErrorId::INVALID_FRAGMENT_METADATA => Some(1),
        ErrorId::INVALID_MKV_DATA => Some(2),
        ErrorId::STREAM_READ_ERROR
        | ErrorId::MAX_CONNECTION_DURATION_REACHED
        | ErrorId::STREAM_NOT_ACTIVE
        | ErrorId::KMS_KEY_UNAVAILABLE
        | ErrorId::INTERNAL_ERROR
        | ErrorId::ARCHIVAL_ERROR => Some(5),
        _ => None,
    }
}

fn since_epoch(time: SystemTime) -> Duration {
    time.duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// How far from the leading track's time another track's may lie, by the documentation.
const APART: Duration = Duration::from_secs(10);
/// Key frames that come sooner after a fragment's first do not end it, by the documentation.
const SHORTEST: Duration = Duration::from_secs(1);
/// How much earlier than its key frame a fragment may begin.
const LEADING: Duration = Duration::from_millis(500);
/// What a tag of the kind put here may count for.
const TAG: usize = 128;
/// Until so many key frames came, frames may belong to a group that lost its own.
const ENOUGH_KEYS: u32 = 2;
/// Memory outside the buffer, as documented.
pub(crate) const SLACK: usize = 16 << 10;

//! Where fragments begin and end, and what their frames' times must be for the service to take them.

use std::sync::Arc;
use std::time::Duration;

use kvs_mkv::rules::FragmentCheck;
use kvs_mkv::{Frame, Track, TrackKind, TrackNumber};
use kvs_types::limits;

use crate::buffer::fragment::{Delivery, Epoch, Filling, Fragment};
use crate::buffer::fragment_buffer::Buffer;
use crate::config::{LongGop, MissingTrack, ProducerConfig};
use crate::io::transmit::Timecodes;
use crate::media::timeline::millis;
use crate::report::event::{Event, FragmentId, LossReason, Span};
use crate::report::sink::Reports;
use crate::tags::WaitingTags;

/// Cuts frames, in the order they go out, into fragments that the service takes.
#[derive(Debug)]
pub(crate) struct Fragmenter {
    rules: Rules,
    tracks: Vec<Track>,
    lead: TrackNumber,
    /// Tracks that give no frames.
    silent: Vec<TrackNumber>,
    epoch: Option<Arc<Epoch>>,
    epochs: u64,
    /// The first time a frame may have: past the last of the fragment before. Zero at the start of an epoch.
    floor: u64,
    /// The next frame opens a fragment whatever it is: a key frame opened the group it belongs to.
    may_split: bool,
    /// Pictures come that are shown before one that came earlier.
    reorders: bool,
    /// Frames of the fragment before: most have as many.
    usual: usize,
    current: Current,
}

#[derive(Debug)]
struct Rules {
    cut: Cut,
    min: u64,
    max: u64,
    audio: u64,
    long_gop: LongGop,
    missing_track: MissingTrack,
    timecodes: Timecodes,
}

impl Rules {
    /// From here on a fragment is cut at the first clean place: further on there may be none.
    fn clean_cut(&self) -> u64 {
        self.max - CLEAN_CUT.min(self.max / 8)
    }
}

/// What begins a fragment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cut {
    AtKeyframes,
    ByTime,
}

/// What is known of the open fragment beside what it holds.
#[derive(Debug, Default)]
struct Current {
    seen: Vec<TrackNumber>,
    adjusted: u32,
    adjusted_most: u64,
    last_key: u64,
    asked_for_keyframe: bool,
    /// The latest time of the leading track.
    latest_lead: u64,
}

/// Whether a frame begins a new fragment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Stay,
    Cut,
    Forced,
}

impl Fragmenter {
    pub(crate) fn new(config: &ProducerConfig) -> Option<Self> {
        let lead = config.lead()?;
        let cut = if lead.kind == TrackKind::Audio { Cut::ByTime } else { Cut::AtKeyframes };
        let rules = Rules {
            cut,
            min: millis(config.fragment_min),
            max: millis(config.fragment_max),
            audio: millis(config.audio_fragment),
            long_gop: config.long_gop,
            missing_track: config.missing_track,
            timecodes: config.timecodes,
        };
        Some(Self {
            rules,
            tracks: config.tracks.clone(),
            lead: lead.number,
            silent: Vec::new(),
            epoch: None,
            epochs: 0,
            floor: 0,
            may_split: false,
            reorders: false,
            usual: 0,
            current: Current::default(),
        })
    }

    pub(crate) const fn lead(&self) -> TrackNumber {
        self.lead
    }

    pub(crate) fn knows(&self, track: TrackNumber) -> bool {
        self.tracks.iter().any(|known| known.number == track)
    }

    /// A track is set up differently from the next fragment on; where the leading one is, that begins with the next frame.
    pub(crate) fn set_track(&mut self, track: &Track, buffer: &mut Buffer, reports: &mut Reports) {
        for known in self.tracks.iter_mut().filter(|known| known.number == track.number) {
            known.clone_from(track);
        }
        if track.number == self.lead {
            self.break_epoch(buffer, reports);
        }
    }

    /// Whether this frame may begin a fragment by itself.
    fn begins(&self, frame: &Frame) -> bool {
        match self.rules.cut {
            Cut::AtKeyframes => frame.track == self.lead && frame.keyframe,
            Cut::ByTime => frame.track == self.lead,
        }
    }

    /// Ends the epoch: the next key frame begins another session.
    pub(crate) fn break_epoch(&mut self, buffer: &mut Buffer, reports: &mut Reports) {
        self.seal(Filling::Sealed, buffer, reports);
        self.epoch = None;
        self.floor = 0;
        self.may_split = false;
    }

    /// A track went silent or came back; takes effect with the next fragment.
    pub(crate) fn set_silent(&mut self, track: TrackNumber, silent: bool) {
        self.silent.retain(|&known| known != track);
        if silent {
            self.silent.push(track);
        }
    }

    /// Puts a frame, its time in ms since the epoch, where it belongs.
    pub(crate) fn place(&mut self, frame: Frame, buffer: &mut Buffer, tags: &mut WaitingTags, reports: &mut Reports) {
        let wanted = millis(frame.pts);
        match self.verdict(&frame, wanted, buffer) {
            Verdict::Stay => {}
            Verdict::Cut => self.seal(Filling::Sealed, buffer, reports),
            Verdict::Forced => self.force(wanted, buffer, reports),
        }
        if buffer.open().is_none() {
            if let Some(reason) = self.cannot_open(&frame) {
                return lose_frame(&frame, reason, reports);
            }
            self.open(&frame, wanted, buffer, tags);
        } else if self.epoch.as_ref().is_some_and(|epoch| !epoch.has(frame.track)) {
            return lose_frame(&frame, LossReason::TrackJoining, reports);
        }
        self.append(frame, wanted, buffer, reports);
    }

    fn verdict(&self, frame: &Frame, at: u64, buffer: &Buffer) -> Verdict {
        let Some(open) = buffer.open() else { return Verdict::Stay };
        let least = match self.rules.cut {
            Cut::AtKeyframes => self.rules.min,
            Cut::ByTime => self.rules.audio,
        };
        let long_enough = at.saturating_sub(open.start) >= least;
        if self.begins(frame) && long_enough && self.complete(&open.epoch) {
            return Verdict::Cut;
        }
        let bytes = open.bytes.saturating_add(frame.data.len() as u64);
        let length = at.saturating_sub(open.earliest);
        let too_long = length > self.rules.max || self.is_clean(frame, at) && length > self.rules.clean_cut();
        if too_long || bytes > FRAGMENT_BYTES { Verdict::Forced } else { Verdict::Stay }
    }

    /// Whether a cut before this frame leaves no picture of the next fragment in this one's time. Where no fragment follows
    /// until the next key frame, an early cut would only cost frames.
    fn is_clean(&self, frame: &Frame, at: u64) -> bool {
        self.reorders
            && self.rules.long_gop == LongGop::Split
            && frame.track == self.lead
            && at > self.current.latest_lead
    }

    /// Whether a cut without a key frame will be needed soon.
    pub(crate) fn nears_the_limit(&self, buffer: &Buffer) -> bool {
        buffer.open().is_some_and(|open| open.latest.saturating_sub(open.earliest) > self.rules.max / 4 * 3)
    }

    /// Whether the open fragment has a frame of each track it declares, or will never have: a silent track is not waited for.
    fn complete(&self, epoch: &Epoch) -> bool {
        let settled = |track: &Track| self.current.seen.contains(&track.number) || self.silent.contains(&track.number);
        epoch.tracks.iter().all(settled)
    }

    /// Cuts where no key frame allows it, and says what rule would have been broken.
    fn force(&mut self, at: u64, buffer: &mut Buffer, reports: &mut Reports) {
        if let Some(open) = buffer.open() {
            let mut check = FragmentCheck::new(&open.epoch.tracks).ok();
            if let Some(check) = &mut check {
                check.start();
                let _ = check.frame(self.lead, Duration::from_millis(open.earliest), open.bytes);
                if let Err(violation) = check.frame(self.lead, Duration::from_millis(at), 0) {
                    reports.push(Event::RuleViolated { fragment: open.id, violation });
                }
            }
        }
        // Where nothing follows at once, only a mark tells the service that the fragment is complete.
        let filling = match self.rules.long_gop {
            LongGop::Split => Filling::Sealed,
            LongGop::Drop => Filling::Ended,
        };
        self.seal(filling, buffer, reports);
    }

    /// Ends the open fragment, if there is one.
    pub(crate) fn seal(&mut self, filling: Filling, buffer: &mut Buffer, reports: &mut Reports) {
        let Some(open) = buffer.open_mut() else { return };
        self.floor = open.latest.saturating_add(1);
        self.usual = open.frames.len();
        let id = open.id;
        let missing = open.epoch.tracks.iter().any(|track| !self.current.seen.contains(&track.number));
        if missing {
            self.leave_out_missing_tracks(id, buffer, reports);
        }
        if self.current.adjusted > 0 {
            let most = Duration::from_millis(self.current.adjusted_most);
            reports.push(Event::TimestampsAdjusted { fragment: id, frames: self.current.adjusted, most });
        }
        self.may_split = self.rules.long_gop == LongGop::Split;
        self.current = Current::default();
        buffer.seal(filling, reports);
        if missing && self.rules.missing_track == MissingTrack::Drop {
            buffer.lose(id, LossReason::TrackMissing, reports);
        }
    }

    /// A fragment without a frame of a declared track would be refused: it goes out under a header without that track.
    fn leave_out_missing_tracks(&mut self, id: FragmentId, buffer: &mut Buffer, reports: &mut Reports) {
        let Some(open) = buffer.open_mut() else { return };
        if let Ok(mut check) = FragmentCheck::new(&open.epoch.tracks) {
            check.start();
            for &track in &self.current.seen {
                let _ = check.frame(track, Duration::from_millis(open.start), 0);
            }
            if let Err(violation) = check.finish() {
                reports.push(Event::RuleViolated { fragment: id, violation });
            }
        }
        let seen = &self.current.seen;
        let tracks = open.epoch.tracks.iter().filter(|track| seen.contains(&track.number)).cloned().collect();
        self.epochs += 1;
        open.epoch = Arc::new(Epoch { id: self.epochs, tracks, origin: open.epoch.origin });
        self.epoch = None;
        self.floor = 0;
    }

    fn cannot_open(&self, frame: &Frame) -> Option<LossReason> {
        if self.begins(frame) {
            return None;
        }
        if !self.may_split || self.silent.contains(&frame.track) {
            return Some(LossReason::NoKeyframe);
        }
        // Only a key frame begins another header: until then a track that came back has no place.
        let declared = self.epoch.as_ref().is_none_or(|epoch| epoch.has(frame.track));
        (!declared).then_some(LossReason::TrackJoining)
    }

    fn open(&mut self, frame: &Frame, wanted: u64, buffer: &mut Buffer, tags: &mut WaitingTags) {
        let changed = self.epoch.as_ref().is_some_and(|epoch| !self.is_current(epoch));
        if changed && self.begins(frame) {
            self.epoch = None;
            self.floor = 0;
        }
        let at = wanted.max(self.floor);
        let epoch = match &self.epoch {
            Some(epoch) => Arc::clone(epoch),
            None => self.begin_epoch(at),
        };
        buffer.begin(Fragment::new(buffer.next_id(), epoch, at, tags.open(at), self.usual.min(ROOM)));
        self.current = Current { last_key: at, ..Current::default() };
    }

    fn active(&self) -> impl Iterator<Item = &Track> {
        self.tracks.iter().filter(|track| !self.silent.contains(&track.number))
    }

    fn is_current(&self, epoch: &Epoch) -> bool {
        self.active().eq(&epoch.tracks)
    }

    fn begin_epoch(&mut self, at: u64) -> Arc<Epoch> {
        self.epochs += 1;
        let origin = match self.rules.timecodes {
            Timecodes::Absolute => 0,
            Timecodes::Relative => at,
        };
        let tracks = self.active().cloned().collect();
        let epoch = Arc::new(Epoch { id: self.epochs, tracks, origin });
        self.epoch = Some(Arc::clone(&epoch));
        epoch
    }

    fn append(&mut self, mut frame: Frame, wanted: u64, buffer: &mut Buffer, reports: &mut Reports) {
        let at = wanted.max(self.floor);
        if at > wanted {
            self.current.adjusted += 1;
            self.current.adjusted_most = self.current.adjusted_most.max(at - wanted);
            reports.stats.adjusted_frames += 1;
        }
        frame.pts = Duration::from_millis(at);
        if frame.track == self.lead {
            self.reorders |= at < self.current.latest_lead;
            self.current.latest_lead = self.current.latest_lead.max(at);
        }
        if !self.current.seen.contains(&frame.track) {
            self.current.seen.push(frame.track);
        }
        if self.begins(&frame) {
            self.current.last_key = at;
        } else {
            self.ask_for_keyframe(at, reports);
        }
        buffer.append(frame, at);
    }

    /// Half way to the limit is early enough to change something.
    fn ask_for_keyframe(&mut self, at: u64, reports: &mut Reports) {
        let elapsed = at.saturating_sub(self.current.last_key);
        if elapsed > self.rules.max / 2 && !self.current.asked_for_keyframe {
            self.current.asked_for_keyframe = true;
            let limit = Duration::from_millis(self.rules.max);
            reports.push(Event::KeyframeNeeded { elapsed: Duration::from_millis(elapsed), limit });
        }
    }
}

fn lose_frame(frame: &Frame, reason: LossReason, reports: &mut Reports) {
    let span = Span { start: frame.pts, end: frame.pts, frames: 1, bytes: frame.data.len() as u64 };
    reports.lost(None, span, reason);
}

/// Whether a fragment that is on the wire is lost, or has another header than the one it was begun under.
pub(crate) fn changed_under_way(fragment: &Fragment, epoch: &Epoch) -> bool {
    match fragment.delivery {
        Delivery::Sending { .. } => fragment.epoch.id != epoch.id,
        delivery => delivery == Delivery::Done,
    }
}

/// Before the limit, in ms: longer than encoders let pictures be shown after the one they were decoded before.
const CLEAN_CUT: u64 = 500;
/// Most frames that room is made for in advance: 8 KiB, whatever the fragment before had.
const ROOM: usize = 64;
/// The service's limit less what headers may add.
const FRAGMENT_BYTES: u64 = limits::FRAGMENT_BYTES - (1 << 20);

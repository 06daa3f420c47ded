//! Decides where fragments begin and end.

use kvs_mkv::{Frame, TrackKind, TrackNumber};
use kvs_types::limits;

use crate::buffer::epoch::Epoch;
use crate::buffer::fragment::{Fragment, FragmentEnd};
use crate::config::{LongGop, ProducerConfig};
use crate::time::millis;

/// The only place that decides where fragments begin and end.
///
/// Frames pass it twice: when they arrive, so that the interleaver knows which frames may become a boundary, and when they
/// are placed into a fragment in their final order.
#[derive(Debug)]
pub(crate) struct CutPolicy {
    lead: TrackNumber,
    trigger: Trigger,
    /// Shortest fragment, in ms.
    min: u64,
    /// Longest fragment, in ms.
    max: u64,
    /// Duration of fragments without the leading track, in ms.
    alone: u64,
    long_gop: LongGop,
    /// Order of the leading track's frames as they arrive.
    arrived: DisplayOrder,
    /// Order of the leading track's frames within the open fragment.
    placed: DisplayOrder,
    /// The open fragment nears the longest duration.
    cut_is_near: bool,
    /// A frame that is no key frame may begin a fragment, because it belongs to a group whose key frame is already sent.
    may_continue_gop: bool,
    keyframes: KeyframeWatch,
}

/// What begins a fragment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trigger {
    /// A key frame of the leading video track.
    Keyframe,
    /// Any frame of the leading audio track, after a fixed time.
    Time,
}

/// Whether pictures of a track are displayed in another order than they are decoded (B-frames).
#[derive(Debug, Default)]
struct DisplayOrder {
    /// Latest time so far, in ms.
    latest: u64,
    /// A picture was displayed before one that came earlier.
    reorders: bool,
}

impl DisplayOrder {
    fn add(&mut self, at: u64) {
        self.reorders |= at < self.latest;
        self.latest = self.latest.max(at);
    }
}

/// The key frames of the open fragment.
#[derive(Debug, Default)]
struct KeyframeWatch {
    latest: u64,
    requested: bool,
}

/// What the interleaver must know of a frame that arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Arrival {
    /// The frame may begin a fragment.
    pub(crate) may_begin: bool,
    /// The track reorders pictures, so pictures displayed before this one may follow.
    pub(crate) reorders: bool,
}

/// Whether a frame begins a new fragment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CutDecision {
    /// It belongs to the open fragment.
    Stay,
    /// It begins a new fragment.
    Cut,
    /// It begins a new fragment because the open one would violate a limit of the service.
    Forced,
}

/// No key frame arrived for half of the longest fragment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeyframeOverdue {
    /// Time since the last key frame, in ms.
    pub(crate) elapsed: u64,
    /// Longest fragment, in ms.
    pub(crate) limit: u64,
}

impl CutPolicy {
    /// Returns `None` for a configuration without tracks.
    pub(crate) fn new(config: &ProducerConfig) -> Option<Self> {
        let lead = config.lead()?;
        let (trigger, min) = match lead.kind {
            TrackKind::Audio => (Trigger::Time, config.audio_fragment),
            _ => (Trigger::Keyframe, config.fragment_min),
        };
        Some(Self {
            lead: lead.number,
            trigger,
            min: millis(min),
            max: millis(config.fragment_max),
            alone: millis(config.audio_fragment),
            long_gop: config.long_gop,
            arrived: DisplayOrder::default(),
            placed: DisplayOrder::default(),
            cut_is_near: false,
            may_continue_gop: false,
            keyframes: KeyframeWatch::default(),
        })
    }

    /// The track whose frames begin fragments.
    pub(crate) const fn lead(&self) -> TrackNumber {
        self.lead
    }

    /// Handles a frame that arrives, its time in ms.
    pub(crate) fn on_arrival(&mut self, frame: &Frame, at: u64) -> Arrival {
        if frame.track != self.lead {
            return Arrival { may_begin: false, reorders: false };
        }
        let follows_all = at > self.arrived.latest;
        self.arrived.add(at);
        let reorders = self.arrived.reorders;
        // Near a forced cut, a picture displayed after all before it may begin the next fragment without a key frame.
        let may_begin = frame.keyframe || self.cut_is_near && reorders && follows_all;
        Arrival { may_begin, reorders }
    }

    /// Forgets the times so far: what arrives next is unrelated.
    pub(crate) const fn restart(&mut self) {
        self.arrived.latest = 0;
    }

    /// Decides for a frame at `at` ms that is about to be placed. `is_complete` says whether the open fragment has all its
    /// tracks, `joins` whether another track waits for the next fragment to declare it.
    pub(crate) fn decide(
        &self,
        frame: &Frame,
        at: u64,
        open: Option<&Fragment>,
        is_complete: impl FnOnce(&Epoch) -> bool,
        joins: impl FnOnce(&Epoch) -> bool,
    ) -> CutDecision {
        let Some(open) = open else { return CutDecision::Stay };
        let lasted = at.saturating_sub(open.start);
        if self.begins(frame) && (lasted >= self.min || joins(&open.epoch)) && is_complete(&open.epoch) {
            return CutDecision::Cut;
        }
        if !open.epoch.has(self.lead) && (self.begins(frame) || frame.track != self.lead && lasted >= self.alone) {
            // The leading track is back, and only a new header declares it; or this fragment is without it, like one of
            // audio only.
            return CutDecision::Cut;
        }
        let bytes = open.bytes.saturating_add(frame.data.len() as u64);
        let length = at.saturating_sub(open.earliest);
        let too_long = length > self.max || self.is_clean(frame, at) && length > self.clean_cut();
        if too_long || bytes > FRAGMENT_BYTES { CutDecision::Forced } else { CutDecision::Stay }
    }

    /// Whether a frame may begin a fragment by itself.
    pub(crate) fn begins(&self, frame: &Frame) -> bool {
        match self.trigger {
            Trigger::Keyframe => frame.track == self.lead && frame.keyframe,
            Trigger::Time => frame.track == self.lead,
        }
    }

    /// Whether a frame may begin a fragment that continues the group of the previous one.
    pub(crate) const fn may_continue_gop(&self) -> bool {
        self.may_continue_gop
    }

    /// Whether a cut without a key frame costs no frame.
    pub(crate) fn splits(&self) -> bool {
        self.long_gop == LongGop::Split
    }

    /// What completes a fragment after a forced cut. If frames are dropped until the next key frame, no cluster follows
    /// soon, and only a mark tells the service that the fragment is complete.
    pub(crate) const fn forced_end(&self) -> FragmentEnd {
        match self.long_gop {
            LongGop::Split => FragmentEnd::NextCluster,
            LongGop::Drop => FragmentEnd::Mark,
        }
    }

    /// A fragment begins at `at` ms.
    pub(crate) fn on_open(&mut self, at: u64) {
        self.placed.latest = 0;
        self.keyframes = KeyframeWatch { latest: at, requested: false };
    }

    /// The open fragment is complete.
    pub(crate) fn on_seal(&mut self) {
        self.placed.latest = 0;
        self.may_continue_gop = self.long_gop == LongGop::Split;
    }

    /// The next fragment must begin with a key frame.
    pub(crate) const fn break_gop(&mut self) {
        self.may_continue_gop = false;
    }

    /// A frame was placed into the open fragment at `at` ms.
    pub(crate) fn on_placed(&mut self, frame: &Frame, at: u64) -> Option<KeyframeOverdue> {
        if frame.track == self.lead {
            self.placed.add(at);
        }
        if self.begins(frame) {
            self.keyframes.latest = at;
            return None;
        }
        let elapsed = at.saturating_sub(self.keyframes.latest);
        // Half of the limit leaves the application time to request a key frame.
        let overdue = elapsed > self.max / 2 && !self.keyframes.requested;
        self.keyframes.requested |= overdue;
        overdue.then_some(KeyframeOverdue { elapsed, limit: self.max })
    }

    /// Remembers whether a cut without a key frame is near, for the frames that arrive next.
    pub(crate) fn observe(&mut self, open: Option<&Fragment>) {
        self.cut_is_near = open.is_some_and(|open| open.latest.saturating_sub(open.earliest) > self.max / 4 * 3);
    }

    /// Whether a cut before this frame leaves no picture of the next fragment within the time range of this one. If frames
    /// are dropped until the next key frame, an early cut would only lose more of them.
    fn is_clean(&self, frame: &Frame, at: u64) -> bool {
        self.placed.reorders && self.long_gop == LongGop::Split && frame.track == self.lead && at > self.placed.latest
    }

    /// From this length on, a fragment is cut at the first clean place, because there may be none before the limit.
    fn clean_cut(&self) -> u64 {
        self.max - CLEAN_CUT.min(self.max / 8)
    }
}

/// Time before the limit in ms: longer than encoders delay the display of a picture.
const CLEAN_CUT: u64 = 500;
/// The service's limit without 1 MiB for headers and tags.
const FRAGMENT_BYTES: u64 = limits::FRAGMENT_BYTES - (1 << 20);

//! Puts frames, in their final order, into fragments that the service accepts.

use std::mem;
use std::sync::Arc;
use std::time::Duration;

use kvs_mkv::rules::FragmentCheck;
use kvs_mkv::{BlockRoom, Chunks, Frame, Track, TrackNumber};
use kvs_types::FragmentTimecodeType;

use super::cut_policy::{CutDecision, CutPolicy, KeyframeOverdue};
use crate::buffer::epoch::Epoch;
use crate::buffer::fragment::{Fragment, FragmentEnd};
use crate::config::{MissingTrack, ProducerConfig};
use crate::context::Context;
use crate::report::event::Event;
use crate::report::outcome::LossReason;
use crate::report::span::{FragmentId, Span};
use crate::tags::WaitingTags;
use crate::time::{millis, system_time};

/// Executes the cuts that [`CutPolicy`] decides, keeps timestamps rising across boundaries, and keeps the tracks of each
/// fragment equal to those that its header declares.
#[derive(Debug)]
pub(crate) struct Fragmenter {
    pub(crate) cuts: CutPolicy,
    missing_track: MissingTrack,
    timecode_type: FragmentTimecodeType,
    tracks: Vec<Track>,
    /// Tracks that deliver no frames.
    silent: Vec<TrackNumber>,
    epoch: Option<Arc<Epoch>>,
    epochs: u64,
    /// The earliest time that a frame may have, in ms: later than the previous fragment. Zero at the start of an epoch.
    floor: u64,
    /// What the frames of the previous fragment took; those of most fragments take as much.
    usual: BlockRoom,
    current: Current,
}

/// Whether the leading track has frames about the time of a frame that is placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LeadTrack {
    Near,
    /// It is silent, or its next frame comes much later: what other tracks have until then is sent without it.
    Away,
}

/// How a frame begins a fragment.
#[derive(Debug)]
enum Opening {
    WithLead,
    /// In a session without the leading track.
    Alone,
    /// It cannot.
    Lost(LossReason),
}

/// What is known of the open fragment in addition to its content.
#[derive(Debug, Default)]
struct Current {
    /// Tracks that have a frame in it.
    seen: Vec<TrackNumber>,
    adjusted: u32,
    adjusted_most: u64,
}

impl Fragmenter {
    /// Returns `None` for a configuration without tracks.
    pub(crate) fn new(config: &ProducerConfig, tracks: Vec<Track>) -> Option<Self> {
        Some(Self {
            cuts: CutPolicy::new(config)?,
            missing_track: config.missing_track,
            timecode_type: config.fragment_timecode_type,
            tracks,
            silent: Vec::new(),
            epoch: None,
            epochs: 0,
            floor: 0,
            usual: BlockRoom::default(),
            current: Current::default(),
        })
    }

    /// Whether the leading track is silent.
    pub(crate) fn silent_lead(&self) -> LeadTrack {
        if self.silent.contains(&self.cuts.lead()) { LeadTrack::Away } else { LeadTrack::Near }
    }

    /// Changes the description of a track from the next frame on, which begins a new session. If it is the leading track, that
    /// frame must be a key frame; the others need not wait for one.
    pub(crate) fn set_track(&mut self, track: &Track, cx: &mut Context) {
        for known in self.tracks.iter_mut().filter(|known| known.number == track.number) {
            known.clone_from(track);
        }
        if track.number == self.cuts.lead() {
            self.break_epoch(cx);
        } else {
            self.seal(FragmentEnd::NextCluster, cx);
            self.epoch = None;
            self.floor = 0;
        }
    }

    /// Ends the epoch: the next key frame begins a new session.
    pub(crate) fn break_epoch(&mut self, cx: &mut Context) {
        self.seal(FragmentEnd::NextCluster, cx);
        self.epoch = None;
        self.floor = 0;
        self.cuts.break_gop();
    }

    /// Sets whether a track is silent, from the next fragment on.
    pub(crate) fn set_silent(&mut self, track: TrackNumber, silent: bool) {
        self.silent.retain(|&known| known != track);
        if silent {
            self.silent.push(track);
        }
    }

    /// Places a frame whose time is in ms since the Unix epoch, and takes its payload.
    pub(crate) fn place(&mut self, frame: &mut Frame, lead: LeadTrack, tags: &mut WaitingTags, cx: &mut Context) {
        let wanted = millis(frame.pts);
        let joins = |epoch: &Epoch| self.active().any(|track| !epoch.has(track.number));
        match self.cuts.decide(frame, wanted, cx.buffer.open(), |epoch| self.is_complete(epoch), joins) {
            CutDecision::Stay => {}
            CutDecision::Cut => self.seal(FragmentEnd::NextCluster, cx),
            CutDecision::Forced => self.force_cut(wanted, cx),
        }
        if cx.buffer.open().is_none() {
            match self.opening(frame, lead) {
                Opening::Lost(reason) => return lose_frame(frame, reason, cx),
                Opening::WithLead => self.open(frame, wanted, tags, cx),
                Opening::Alone => {
                    self.leave_lead_out(wanted);
                    self.open(frame, wanted, tags, cx);
                }
            }
        } else if self.epoch.as_ref().is_some_and(|epoch| !epoch.has(frame.track)) {
            return lose_frame(frame, self.undeclared(frame.track), cx);
        }
        self.append(frame, wanted, cx);
    }

    /// Whether the open fragment has a frame of each track it declares. A silent track is not waited for.
    fn is_complete(&self, epoch: &Epoch) -> bool {
        let has = |track: &Track| self.current.seen.contains(&track.number) || self.silent.contains(&track.number);
        epoch.tracks.iter().all(has)
    }

    /// Completes the open fragment without a key frame, and reports the rule that would have been violated.
    fn force_cut(&mut self, at: u64, cx: &mut Context) {
        if let Some(open) = cx.buffer.open()
            && let Ok(mut check) = FragmentCheck::new(&open.epoch.tracks)
        {
            let lead = self.cuts.lead();
            check.start();
            let _ = check.frame(lead, Duration::from_millis(open.earliest), open.bytes);
            if let Err(violation) = check.frame(lead, Duration::from_millis(at), 0) {
                cx.sink.push(Event::RuleViolated { fragment: open.id, violation });
            }
        }
        self.seal(self.cuts.forced_end(), cx);
    }

    /// Completes the open fragment, if there is one.
    pub(crate) fn seal(&mut self, end: FragmentEnd, cx: &mut Context) {
        let Some(open) = cx.buffer.open() else { return };
        self.floor = open.latest.saturating_add(1);
        self.usual = open.blocks.room();
        let id = open.id;
        let missing = open.epoch.tracks.iter().any(|track| !self.current.seen.contains(&track.number));
        if missing {
            self.omit_missing_tracks(id, cx);
        }
        if self.current.adjusted > 0 {
            let most = Duration::from_millis(self.current.adjusted_most);
            cx.sink.push(Event::TimestampsAdjusted { fragment: id, frames: self.current.adjusted, most });
        }
        self.cuts.on_seal();
        self.current = Current::default();
        cx.buffer.seal(end, &mut cx.sink);
        if missing && self.missing_track == MissingTrack::Drop {
            cx.buffer.lose(id, LossReason::TrackMissing, &mut cx.sink);
        }
    }

    /// The service rejects a fragment without a frame of a declared track (error 4011): this one is sent with a header that
    /// does not declare it.
    fn omit_missing_tracks(&mut self, id: FragmentId, cx: &mut Context) {
        let Some(open) = cx.buffer.open_mut() else { return };
        if let Ok(mut check) = FragmentCheck::new(&open.epoch.tracks) {
            check.start();
            for &track in &self.current.seen {
                let _ = check.frame(track, Duration::from_millis(open.start), 0);
            }
            if let Err(violation) = check.finish() {
                cx.sink.push(Event::RuleViolated { fragment: id, violation });
            }
        }
        let seen = &self.current.seen;
        let tracks = open.epoch.tracks.iter().filter(|track| seen.contains(&track.number)).cloned().collect();
        self.epochs += 1;
        open.epoch = Arc::new(Epoch { id: self.epochs, tracks, origin: open.epoch.origin });
        self.epoch = None;
        self.floor = 0;
    }

    /// How a frame begins a fragment, if it can.
    fn opening(&self, frame: &Frame, lead: LeadTrack) -> Opening {
        if self.cuts.begins(frame) {
            return Opening::WithLead;
        }
        if self.cuts.may_continue_gop() && !self.silent.contains(&frame.track) {
            // Only a key frame begins a new header, so a track that resumed has to wait for one.
            let declared = self.epoch.as_ref().is_none_or(|epoch| epoch.has(frame.track));
            return if declared { Opening::WithLead } else { Opening::Lost(self.undeclared(frame.track)) };
        }
        if frame.track == self.cuts.lead() || self.silent.contains(&frame.track) {
            return Opening::Lost(LossReason::NoKeyframe);
        }
        let is_alone = self.epoch.as_ref().is_some_and(|epoch| !epoch.has(self.cuts.lead()) && epoch.has(frame.track));
        if lead == LeadTrack::Away || is_alone { Opening::Alone } else { Opening::Lost(LossReason::NoKeyframe) }
    }

    /// Why a frame of a track that the open fragment does not declare is lost.
    fn undeclared(&self, track: TrackNumber) -> LossReason {
        if track == self.cuts.lead() { LossReason::NoKeyframe } else { LossReason::TrackJoining }
    }

    /// Begins a session without the leading track, unless there is one.
    fn leave_lead_out(&mut self, at: u64) {
        let lead = self.cuts.lead();
        if self.epoch.as_ref().is_none_or(|epoch| epoch.has(lead)) {
            self.floor = 0;
            self.begin_epoch(at, Some(lead));
        }
    }

    fn open(&mut self, frame: &Frame, wanted: u64, tags: &mut WaitingTags, cx: &mut Context) {
        let changed = self.epoch.as_ref().is_some_and(|epoch| !self.is_current(epoch));
        if changed && self.cuts.begins(frame) {
            self.epoch = None;
            self.floor = 0;
        }
        let at = wanted.max(self.floor);
        let epoch = match &self.epoch {
            Some(epoch) => Arc::clone(epoch),
            None => self.begin_epoch(at, None),
        };
        cx.buffer.begin(Fragment::new(cx.buffer.next_id(), epoch, at, tags.open(at), &self.usual));
        self.cuts.on_open(at);
        self.current = Current::default();
    }

    fn active(&self) -> impl Iterator<Item = &Track> {
        self.tracks.iter().filter(|track| !self.silent.contains(&track.number))
    }

    fn is_current(&self, epoch: &Epoch) -> bool {
        self.active().eq(&epoch.tracks)
    }

    fn begin_epoch(&mut self, at: u64, without: Option<TrackNumber>) -> Arc<Epoch> {
        self.epochs += 1;
        let origin = match self.timecode_type {
            FragmentTimecodeType::Absolute => 0,
            FragmentTimecodeType::Relative => at,
        };
        let tracks = self.active().filter(|track| Some(track.number) != without).cloned().collect();
        let epoch = Arc::new(Epoch { id: self.epochs, tracks, origin });
        self.epoch = Some(Arc::clone(&epoch));
        epoch
    }

    #[inline]
    fn append(&mut self, frame: &mut Frame, wanted: u64, cx: &mut Context) {
        let at = wanted.max(self.floor);
        if at > wanted {
            self.current.adjusted += 1;
            self.current.adjusted_most = self.current.adjusted_most.max(at - wanted);
            cx.sink.stats.adjusted_frames += 1;
        }
        frame.pts = Duration::from_millis(at);
        if !self.current.seen.contains(&frame.track) {
            self.current.seen.push(frame.track);
        }
        if let Some(KeyframeOverdue { elapsed, limit }) = self.cuts.on_placed(frame, at) {
            let (elapsed, limit) = (Duration::from_millis(elapsed), Duration::from_millis(limit));
            cx.sink.push(Event::KeyframeNeeded { elapsed, limit });
        }
        cx.buffer.append(frame, at);
    }
}

/// Takes a frame and leaves one without a payload.
#[inline]
pub(super) fn take(frame: &mut Frame) -> Frame {
    mem::replace(frame, Frame::new(frame.track, frame.pts, Chunks::new()))
}

fn lose_frame(frame: &Frame, reason: LossReason, cx: &mut Context) {
    let at = system_time(millis(frame.pts));
    let span = Span { start: at, end: at, frames: 1, bytes: frame.data.len() as u64 };
    cx.sink.lost(None, span, reason);
}

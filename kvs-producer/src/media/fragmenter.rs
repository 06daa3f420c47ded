//! Puts frames, in their final order, into fragments that the service accepts.

use std::sync::Arc;
use std::time::Duration;

use kvs_mkv::rules::FragmentCheck;
use kvs_mkv::{Frame, Track, TrackNumber};
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
    /// Number of frames of the previous fragment; most fragments have as many.
    usual: usize,
    current: Current,
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
    pub(crate) fn new(config: &ProducerConfig) -> Option<Self> {
        Some(Self {
            cuts: CutPolicy::new(config)?,
            missing_track: config.missing_track,
            timecode_type: config.fragment_timecode_type,
            tracks: config.tracks.clone(),
            silent: Vec::new(),
            epoch: None,
            epochs: 0,
            floor: 0,
            usual: 0,
            current: Current::default(),
        })
    }

    pub(crate) fn knows(&self, track: TrackNumber) -> bool {
        self.tracks.iter().any(|known| known.number == track)
    }

    /// Changes the description of a track from the next fragment on. For the leading track that is the next frame.
    pub(crate) fn set_track(&mut self, track: &Track, cx: &mut Context) {
        for known in self.tracks.iter_mut().filter(|known| known.number == track.number) {
            known.clone_from(track);
        }
        if track.number == self.cuts.lead() {
            self.break_epoch(cx);
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

    /// Places a frame whose time is in ms since the Unix epoch.
    pub(crate) fn place(&mut self, frame: Frame, tags: &mut WaitingTags, cx: &mut Context) {
        let wanted = millis(frame.pts);
        match self.cuts.decide(&frame, wanted, cx.buffer.open(), |epoch| self.is_complete(epoch)) {
            CutDecision::Stay => {}
            CutDecision::Cut => self.seal(FragmentEnd::NextCluster, cx),
            CutDecision::Forced => self.force_cut(wanted, cx),
        }
        if cx.buffer.open().is_none() {
            if let Some(reason) = self.cannot_open(&frame) {
                return lose_frame(&frame, reason, cx);
            }
            self.open(&frame, wanted, tags, cx);
        } else if self.epoch.as_ref().is_some_and(|epoch| !epoch.has(frame.track)) {
            return lose_frame(&frame, LossReason::TrackJoining, cx);
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
        self.usual = open.frames.len();
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

    /// Why a frame cannot begin a fragment, if it cannot.
    fn cannot_open(&self, frame: &Frame) -> Option<LossReason> {
        if self.cuts.begins(frame) {
            return None;
        }
        if !self.cuts.may_continue_gop() || self.silent.contains(&frame.track) {
            return Some(LossReason::NoKeyframe);
        }
        // Only a key frame begins a new header, so a track that resumed has to wait for one.
        let declared = self.epoch.as_ref().is_none_or(|epoch| epoch.has(frame.track));
        (!declared).then_some(LossReason::TrackJoining)
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
            None => self.begin_epoch(at),
        };
        cx.buffer.begin(Fragment::new(cx.buffer.next_id(), epoch, at, tags.open(at), self.usual.min(ROOM)));
        self.cuts.on_open(at);
        self.current = Current::default();
    }

    fn active(&self) -> impl Iterator<Item = &Track> {
        self.tracks.iter().filter(|track| !self.silent.contains(&track.number))
    }

    fn is_current(&self, epoch: &Epoch) -> bool {
        self.active().eq(&epoch.tracks)
    }

    fn begin_epoch(&mut self, at: u64) -> Arc<Epoch> {
        self.epochs += 1;
        let origin = match self.timecode_type {
            FragmentTimecodeType::Absolute => 0,
            FragmentTimecodeType::Relative => at,
        };
        let tracks = self.active().cloned().collect();
        let epoch = Arc::new(Epoch { id: self.epochs, tracks, origin });
        self.epoch = Some(Arc::clone(&epoch));
        epoch
    }

    fn append(&mut self, mut frame: Frame, wanted: u64, cx: &mut Context) {
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
        if let Some(KeyframeOverdue { elapsed, limit }) = self.cuts.on_placed(&frame, at) {
            let (elapsed, limit) = (Duration::from_millis(elapsed), Duration::from_millis(limit));
            cx.sink.push(Event::KeyframeNeeded { elapsed, limit });
        }
        cx.buffer.append(frame, at);
    }
}

fn lose_frame(frame: &Frame, reason: LossReason, cx: &mut Context) {
    let at = system_time(millis(frame.pts));
    let span = Span { start: at, end: at, frames: 1, bytes: frame.data.len() as u64 };
    cx.sink.lost(None, span, reason);
}

/// Most frames for which capacity is reserved in advance: 8 KiB, however many the previous fragment had.
const ROOM: usize = 64;

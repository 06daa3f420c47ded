//! What arrives in a session becomes what the caller gets: frames with wall-clock times, from key frame to key frame. No I/O, no
//! clock.
//!
//! ```text
//! Settling (frames are held) --anchor chosen--> Running --times jump--> Settling
//! ```

mod clock;
mod jump;
mod least_delay;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use kvs_mkv::{Frame, Track, TrackNumber};

use clock::{Clock, since_epoch};
pub(crate) use clock::{LEAD, SOUND, ntp_to_wall};
use jump::JumpDetector;

use crate::event::{CameraEvent, DropReason, SessionReason, SkippedTrack};
use crate::options::{ClockSource, OnLoss};
use crate::stats::ClockStats;

/// A depacketized frame.
#[derive(Clone, Debug)]
pub(crate) struct RawFrame {
    /// [`LEAD`] or [`SOUND`].
    pub(crate) track: usize,
    /// Presentation time from the origin of the session, in ns.
    pub(crate) media: i64,
    /// When its first packet arrived, in ns since 1970.
    pub(crate) arrival: i64,
    pub(crate) keyframe: bool,
    /// Packets lost before it.
    pub(crate) lost: u16,
    pub(crate) data: Bytes,
}

/// The state machine.
#[derive(Debug)]
pub(crate) struct Intake {
    on_loss: OnLoss,
    settle: Duration,
    clock: Clock,
    jumps: JumpDetector,
    /// When frames stop being held; `None` before the first one, and later.
    settles_at: Option<Instant>,
    /// When frames stop being held for a sender report.
    report_until: Option<Instant>,
    is_settled: bool,
    held: VecDeque<Held>,
    held_bytes: usize,
    /// Why frames are not passed on before the next key frame.
    waiting: Option<Waiting>,
    dropped: u64,
    /// The next key frame may have a time that was passed on before.
    may_repeat: bool,
    /// The time of the key frame after which pictures that need an earlier one are left out.
    joined_at: Option<i64>,
    skipped: Vec<SkippedTrack>,
    tracks: Vec<Track>,
    announce: Option<Vec<Track>>,
    is_connected: bool,
    /// The times of the last frames, of all sessions.
    last_times: [Option<i64>; 2],
    /// When the last frame arrived, of all sessions.
    last_arrival: Option<i64>,
    events: VecDeque<CameraEvent>,
}

#[derive(Debug)]
enum Held {
    Tracks(Vec<Track>),
    Frame(RawFrame),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waiting {
    /// The session has just begun: what came before the first key frame is of no use and not told.
    Join,
    For(DropReason),
}

/// How long frames are held for the first sender report.
const REPORT_WAIT: Duration = Duration::from_secs(5);
/// How long to wait for the first frame of the leading track before looking again.
const AGAIN: Duration = Duration::from_millis(100);
/// Most bytes that are held.
const HELD_BYTES: usize = 8 << 20;
/// Most frames that are held.
const HELD_FRAMES: usize = 4096;
/// A key frame up to this much before the last frame repeats what was passed on: a camera begins a session with frames that it has
/// kept. More is a clock that was set back.
const REPEATED: i64 = 10_000_000_000;

impl Intake {
    pub(crate) fn new(on_loss: OnLoss, source: ClockSource, settle: Duration) -> Self {
        Self {
            on_loss,
            settle,
            clock: Clock::new(source),
            jumps: JumpDetector::default(),
            settles_at: None,
            report_until: None,
            is_settled: false,
            held: VecDeque::new(),
            held_bytes: 0,
            waiting: Some(Waiting::Join),
            dropped: 0,
            may_repeat: true,
            joined_at: None,
            skipped: Vec::new(),
            tracks: Vec::new(),
            announce: None,
            is_connected: false,
            last_times: [None; 2],
            last_arrival: None,
            events: VecDeque::new(),
        }
    }

    /// A session begins. What was held of the last one is passed on before.
    pub(crate) fn begin_session(&mut self, skipped: Vec<SkippedTrack>) {
        self.skipped = skipped;
        self.is_connected = false;
        self.announce = None;
        self.restart(Waiting::Join);
    }

    /// The session has ended: frames that are held are passed on.
    pub(crate) fn end_session(&mut self) {
        self.finish_settling();
        self.report_dropped();
    }

    /// Whether a key frame was passed on in this session.
    pub(crate) const fn is_connected(&self) -> bool {
        self.is_connected
    }

    pub(crate) const fn clock_stats(&self) -> ClockStats {
        self.clock.stats()
    }

    /// The frames that follow have these tracks.
    pub(crate) fn handle_tracks(&mut self, tracks: Vec<Track>) {
        if self.is_settled { self.announce = Some(tracks) } else { self.held.push_back(Held::Tracks(tracks)) }
    }

    /// A frame has arrived.
    pub(crate) fn handle_frame(&mut self, frame: RawFrame, now: Instant) {
        if let Some(reason) = self.jumps.check(&frame) {
            self.handle_jump(frame.track, reason);
        }
        self.clock.observe(frame.track, frame.media, frame.arrival);
        if self.is_settled {
            self.tell_clock();
            self.pass(frame);
            return;
        }
        self.settles_at.get_or_insert(now + self.settle);
        self.report_until.get_or_insert(now + self.settle.max(REPORT_WAIT));
        self.held_bytes += frame.data.len();
        self.held.push_back(Held::Frame(frame));
        if self.held_bytes > HELD_BYTES || self.held.len() > HELD_FRAMES {
            self.finish_settling();
        }
        self.handle_timeout(now);
    }

    /// A sender report says that a media time was this time on the camera's wall, both in ns.
    pub(crate) fn handle_report(&mut self, track: usize, media: i64, wall: i64, arrival: i64, now: Instant) {
        self.clock.handle_report(track, media, wall, arrival);
        if self.is_settled {
            self.tell_clock();
        }
        self.handle_timeout(now);
    }

    /// When to call [`handle_timeout`](Self::handle_timeout).
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        if self.is_settled {
            return None;
        }
        if self.clock.wants_report() { self.report_until } else { self.settles_at }
    }

    /// Time has passed.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if self.poll_timeout().is_some_and(|at| now >= at) {
            self.finish_settling();
            if !self.is_settled {
                (self.settles_at, self.report_until) = (Some(now + self.settle.max(AGAIN)), Some(now + REPORT_WAIT));
            }
        }
    }

    /// Returns what the caller gets next.
    pub(crate) fn poll_event(&mut self) -> Option<CameraEvent> {
        self.events.pop_front()
    }

    fn restart(&mut self, waiting: Waiting) {
        self.clock.restart();
        self.jumps = JumpDetector::default();
        (self.settles_at, self.report_until, self.is_settled) = (None, None, false);
        let held = self.held.drain(..).filter(|held| matches!(held, Held::Frame(_))).count();
        self.held_bytes = 0;
        self.dropped += if waiting == Waiting::Join { 0 } else { u64::try_from(held).unwrap_or(0) };
        self.waiting = Some(waiting);
        self.may_repeat = true;
    }

    fn handle_jump(&mut self, track: usize, reason: SessionReason) {
        if track != LEAD {
            self.clock.restart_sound();
            return;
        }
        let tracks = self.held.iter().rev().find_map(|held| match held {
            Held::Tracks(tracks) => Some(tracks.clone()),
            Held::Frame(_) => None,
        });
        let waiting = if self.is_connected { Waiting::For(DropReason::Jump) } else { Waiting::Join };
        self.restart(waiting);
        self.announce = tracks.or(self.announce.take());
        if self.is_connected {
            self.events.push_back(CameraEvent::NewSession { reason });
        }
    }

    /// Passes on what was held, if the leading track has begun.
    fn finish_settling(&mut self) {
        if self.is_settled || !self.clock.settle() {
            // A camera may send sound long before its first picture.
            self.hold_less();
            return;
        }
        self.is_settled = true;
        self.tell_clock();
        self.held_bytes = 0;
        for held in std::mem::take(&mut self.held) {
            match held {
                Held::Tracks(tracks) => self.announce = Some(tracks),
                Held::Frame(frame) => self.pass(frame),
            }
        }
    }

    fn hold_less(&mut self) {
        while self.held_bytes > HELD_BYTES || self.held.len() > HELD_FRAMES {
            let Some(at) = self.held.iter().position(|held| matches!(held, Held::Frame(_))) else { return };
            if let Some(Held::Frame(frame)) = self.held.remove(at) {
                self.held_bytes -= frame.data.len();
            }
        }
    }

    fn tell_clock(&mut self) {
        match self.clock.poll_fault() {
            Some(Some(reason)) => self.events.push_back(CameraEvent::ClockOff { reason }),
            Some(None) => self.events.push_back(CameraEvent::ClockRight),
            None => {}
        }
    }

    fn pass(&mut self, frame: RawFrame) {
        if frame.lost > 0 {
            self.events.push_back(CameraEvent::Lost { track: number(frame.track), packets: frame.lost.into() });
        }
        if frame.track == LEAD { self.pass_lead(frame) } else { self.pass_sound(frame) }
    }

    fn pass_lead(&mut self, frame: RawFrame) {
        if frame.lost > 0 && self.on_loss == OnLoss::DropToKeyframe {
            self.waiting.get_or_insert(Waiting::For(DropReason::Loss));
        }
        if let Some(step) = self.clock.follow(frame.media)
            && frame.keyframe
        {
            self.clock.step();
            self.may_repeat = true;
            let by = Duration::from_nanos(step.unsigned_abs());
            self.events.push_back(CameraEvent::NewSession { reason: SessionReason::ClockSet(by) });
        }
        let Some(time) = self.clock.time(LEAD, frame.media) else { return };
        if frame.keyframe {
            self.handle_keyframe(time, frame.arrival);
        }
        // Pictures that are shown before the first key frame need an earlier one (open GOP).
        let is_leading = self.joined_at.is_some_and(|joined| time < joined) && !frame.keyframe;
        if self.waiting.is_some() || is_leading {
            self.dropped += u64::from(matches!(self.waiting, Some(Waiting::For(_))));
            return;
        }
        if self.joined_at.is_some_and(|joined| time > joined) && self.announce.is_none() {
            self.joined_at = None;
        }
        self.emit(frame, time);
    }

    /// Decides whether frames are passed on from this key frame.
    fn handle_keyframe(&mut self, time: i64, arrival: i64) {
        let repeats = |last: i64| time <= last && last.saturating_sub(time) <= REPEATED;
        if self.may_repeat && self.last_times[LEAD].is_some_and(repeats) {
            self.waiting = Some(Waiting::For(DropReason::Repeated));
            return;
        }
        self.report_dropped();
        if self.waiting.take().is_some() || self.may_repeat {
            self.joined_at = Some(time);
        }
        self.may_repeat = false;
        self.announce(arrival);
    }

    fn report_dropped(&mut self) {
        let frames = std::mem::take(&mut self.dropped);
        if frames > 0 {
            let reason = match self.waiting {
                Some(Waiting::For(reason)) => reason,
                Some(Waiting::Join) | None => DropReason::Loss,
            };
            self.events.push_back(CameraEvent::Dropped { frames, reason });
        }
    }

    /// Tells the tracks of the key frame that follows.
    fn announce(&mut self, arrival: i64) {
        if let Some(tracks) = self.announce.take() {
            let have_changed = self.tracks != tracks;
            self.tracks = tracks;
            if self.is_connected && have_changed {
                self.events.push_back(CameraEvent::ParametersChanged { tracks: self.tracks.clone() });
            }
        }
        if !self.is_connected {
            self.is_connected = true;
            let (tracks, skipped) = (self.tracks.clone(), self.skipped.clone());
            self.events.push_back(CameraEvent::Connected { tracks, skipped });
            if let Some(last) = self.last_arrival {
                self.events.push_back(CameraEvent::CameraBack { gap: since_epoch(arrival.saturating_sub(last)) });
            }
        }
    }

    fn pass_sound(&mut self, frame: RawFrame) {
        let waits = self.waiting.is_some_and(|waiting| waiting != Waiting::For(DropReason::Loss));
        let Some(time) = self.clock.time(SOUND, frame.media) else { return };
        if waits || self.last_times[SOUND].is_some_and(|last| time <= last && last.saturating_sub(time) <= REPEATED) {
            self.dropped += u64::from(self.waiting != Some(Waiting::Join) && waits);
            return;
        }
        self.emit(frame, time);
    }

    fn emit(&mut self, raw: RawFrame, time: i64) {
        self.last_times[raw.track] = Some(if raw.track == LEAD && !raw.keyframe {
            self.last_times[LEAD].map_or(time, |last| last.max(time))
        } else {
            time
        });
        self.last_arrival = Some(raw.arrival);
        let frame = Frame::new(number(raw.track), since_epoch(time), raw.data).with_keyframe(raw.keyframe);
        self.events.push_back(CameraEvent::Frame(frame));
    }
}

const fn number(track: usize) -> TrackNumber {
    if track == LEAD { TrackNumber::ONE } else { TrackNumber::TWO }
}

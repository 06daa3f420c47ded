//! Media times to wall-clock times: one anchor for all tracks.
//!
//! ```text
//! Settling --settled--> Running: the offset follows its target by 500 ppm at most
//!    ^                     |
//!    `------restart--------+--target too far: step, at the next key frame
//! ```

use std::time::Duration;

use super::least_delay::LeastDelay;
use crate::event::ClockFault;
use crate::options::ClockSource;
use crate::stats::ClockStats;

/// The clock of a session. All times are ns: media times from any origin, wall-clock times since 1970.
#[derive(Debug)]
pub(crate) struct Clock {
    source: ClockSource,
    /// The leading track, which has the anchor, and the sound.
    tracks: [TrackClock; 2],
    /// What is added to media times of the leading track; `None` while settling.
    offset: Option<i64>,
    /// The media time up to which the offset has followed its target.
    followed: i64,
    /// Whether the offset comes from sender reports.
    by_camera: bool,
    fault: Option<ClockFault>,
    /// Sender reports of this session.
    reports: u64,
    ahead: Option<i64>,
}

#[derive(Clone, Copy, Debug, Default)]
struct TrackClock {
    least: LeastDelay,
    /// What the last sender report adds to media times.
    reported: Option<i64>,
    /// What is added to media times before the anchor's offset; `None` until it is known.
    skew: Option<i64>,
}

/// The most by which the offset is changed, in parts per million: more than any quartz is off.
const SLEW_PPM: i64 = 500;
/// Sender reports this far from the local clock are those of a camera that was never set.
const TRUST: i64 = 5_000_000_000;
/// A camera that was not trusted is trusted again within this.
const TRUST_AGAIN: i64 = 4_000_000_000;
/// Frames this long before their arrival was possible have a wrong anchor.
const AHEAD: i64 = 1_000_000_000;
/// Frames this late have a wrong anchor, or a clock was set. Less is a slow network.
const BEHIND: i64 = 5_000_000_000;
/// Sender reports are exact: more than this is a step of the camera's clock.
const REPORT_STEP: i64 = 1_000_000_000;
/// When the source changes, less than this is slewed.
const SOURCE_STEP: i64 = 20_000_000;
/// Media times of two tracks that agree with their arrival within this are on one time line.
const SAME_LINE: i64 = 500_000_000;

impl Clock {
    pub(crate) fn new(source: ClockSource) -> Self {
        Self {
            source,
            tracks: <[TrackClock; 2]>::default(),
            offset: None,
            followed: i64::MIN,
            by_camera: false,
            fault: None,
            reports: 0,
            ahead: None,
        }
    }

    /// Forgets the anchor: media times have another origin now.
    pub(crate) fn restart(&mut self) {
        *self = Self { fault: self.fault, ..Self::new(self.source) };
    }

    /// The media times of the sound have another origin now.
    pub(crate) fn restart_sound(&mut self) {
        self.tracks[SOUND] = TrackClock::default();
    }

    pub(crate) const fn stats(&self) -> ClockStats {
        let ahead_millis = match self.ahead {
            Some(ahead) => Some(ahead / 1_000_000),
            None => None,
        };
        ClockStats { reports: self.reports, ahead_millis, fault: self.fault }
    }

    /// A frame of this track has arrived.
    pub(crate) fn observe(&mut self, track: usize, media: i64, arrival: i64) {
        self.tracks[track].least.observe(media, arrival);
    }

    /// A sender report says that this media time was this time on the camera's wall.
    pub(crate) fn handle_report(&mut self, track: usize, media: i64, wall: i64, arrival: i64) {
        self.reports = self.reports.saturating_add(1);
        self.ahead = Some(wall.saturating_sub(arrival));
        self.tracks[track].reported = Some(wall.saturating_sub(media));
    }

    /// Whether frames should be held a little longer, for a sender report.
    pub(crate) fn wants_report(&self) -> bool {
        let is_known_to_send_none = self.fault == Some(ClockFault::NoReports);
        self.source == ClockSource::Camera && self.tracks[LEAD].reported.is_none() && !is_known_to_send_none
    }

    /// Chooses the anchor after the first frames; returns false if none of the leading track has come.
    pub(crate) fn settle(&mut self) -> bool {
        let Some((target, by_camera)) = self.target() else { return false };
        (self.offset, self.by_camera) = (Some(target), by_camera);
        true
    }

    /// Whether the camera's clock was found right or wrong since the last call; `Some(None)` is right.
    pub(crate) fn poll_fault(&mut self) -> Option<Option<ClockFault>> {
        if self.source == ClockSource::Local {
            return None;
        }
        let found = match (self.reported(), self.tracks[LEAD].least.offset()) {
            (None, _) if self.offset.is_none() => return None,
            (None, _) => Some(ClockFault::NoReports),
            (Some(_), None) => return None,
            (Some(reported), Some(local)) if !self.is_trusted(reported, local) => {
                Some(ClockFault::Off { millis: reported.saturating_sub(local) / 1_000_000 })
            }
            (Some(_), Some(_)) => None,
        };
        let has_changed = match (self.fault, found) {
            (Some(ClockFault::Off { .. }), Some(ClockFault::Off { .. })) => false,
            (before, now) => before != now,
        };
        self.fault = found;
        has_changed.then_some(found)
    }

    /// Lets the offset follow its target up to this media time of the leading track. Returns by how far a step is due at the next
    /// key frame.
    pub(crate) fn follow(&mut self, media: i64) -> Option<i64> {
        let ((target, by_camera), offset) = (self.target()?, self.offset?);
        let difference = target.saturating_sub(offset);
        let allowed = if by_camera == self.by_camera {
            let (ahead, behind) = if by_camera { (REPORT_STEP, REPORT_STEP) } else { (AHEAD, BEHIND) };
            (-ahead..=behind).contains(&difference)
        } else {
            difference.abs() <= SOURCE_STEP
        };
        if !allowed {
            return Some(difference);
        }
        self.by_camera = by_camera;
        let elapsed = if self.followed == i64::MIN { 0 } else { media.saturating_sub(self.followed).max(0) };
        self.followed = self.followed.max(media);
        self.offset = Some(offset.saturating_add(slew(difference, elapsed)));
        self.follow_sound(elapsed);
        None
    }

    /// Takes the target as it is.
    pub(crate) fn step(&mut self) {
        self.settle();
    }

    /// Returns the wall-clock time of a media time.
    pub(crate) fn time(&mut self, track: usize, media: i64) -> Option<i64> {
        let skew = if track == LEAD { 0 } else { self.skew()? };
        Some(media.saturating_add(skew).saturating_add(self.offset?))
    }

    /// What the offset should be, and whether that comes from sender reports.
    fn target(&self) -> Option<(i64, bool)> {
        let local = self.tracks[LEAD].least.offset()?;
        match self.reported() {
            Some(reported) if self.source == ClockSource::Camera && self.is_trusted(reported, local) => {
                Some((reported, true))
            }
            _ => Some((local, false)),
        }
    }

    /// What sender reports add to media times of the leading track.
    fn reported(&self) -> Option<i64> {
        let of_sound = || Some(self.tracks[SOUND].reported?.saturating_sub(self.tracks[SOUND].skew?));
        self.tracks[LEAD].reported.or_else(of_sound)
    }

    fn is_trusted(&self, reported: i64, local: i64) -> bool {
        let limit = if matches!(self.fault, Some(ClockFault::Off { .. })) { TRUST_AGAIN } else { TRUST };
        reported.saturating_sub(local).saturating_abs() <= limit
    }

    /// What is added to media times of the sound to be on the time line of the leading track.
    fn skew(&mut self) -> Option<i64> {
        if self.tracks[SOUND].skew.is_none() {
            self.tracks[SOUND].skew = self.exact_skew().or_else(|| self.rough_skew());
        }
        self.tracks[SOUND].skew
    }

    /// By sender reports: both tracks have them from one clock, right or wrong.
    fn exact_skew(&self) -> Option<i64> {
        Some(self.tracks[SOUND].reported?.saturating_sub(self.tracks[LEAD].reported?))
    }

    /// By RTP-Info, which puts both tracks on one time line, unless their arrival shows that it is wrong.
    fn rough_skew(&self) -> Option<i64> {
        let difference = self.tracks[SOUND].least.offset()?.saturating_sub(self.tracks[LEAD].least.offset()?);
        Some(if difference.saturating_abs() <= SAME_LINE { 0 } else { difference })
    }

    fn follow_sound(&mut self, elapsed: i64) {
        if let (Some(skew), Some(exact)) = (self.tracks[SOUND].skew, self.exact_skew()) {
            let difference = exact.saturating_sub(skew);
            let change = if difference.saturating_abs() > SAME_LINE { difference } else { slew(difference, elapsed) };
            self.tracks[SOUND].skew = Some(skew.saturating_add(change));
        }
    }
}

/// The leading track: the video, or the sound of a camera without video.
pub(crate) const LEAD: usize = 0;
/// The sound beside the video.
pub(crate) const SOUND: usize = 1;

fn slew(difference: i64, elapsed: i64) -> i64 {
    let most = elapsed / 1_000_000 * SLEW_PPM;
    difference.clamp(-most, most)
}

/// Converts an NTP timestamp to ns since 1970. Seconds below 2^31 are those after 2036 (RFC 4330 §3).
pub(crate) fn ntp_to_wall(ntp: u64) -> i64 {
    let (seconds, fraction) = (ntp >> 32, ntp & 0xffff_ffff);
    let era = if seconds < 1 << 31 { 1_i64 << 32 } else { 0 };
    let seconds = i64::try_from(seconds).unwrap_or(0) + era - SECONDS_TO_1970;
    let nanos = i64::try_from((fraction * 1_000_000_000) >> 32).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(nanos)
}

/// Seconds from 1900, where NTP begins, to 1970.
const SECONDS_TO_1970: i64 = 2_208_988_800;

/// Converts a wall-clock time to the time of a frame.
pub(crate) fn since_epoch(wall: i64) -> Duration {
    Duration::from_nanos(u64::try_from(wall).unwrap_or(0))
}

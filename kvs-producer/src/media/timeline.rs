//! Maps the timestamps of a source to milliseconds since the Unix epoch and detects jumps.

use std::time::{Duration, Instant};

use kvs_types::__internal::epoch_millis;

use crate::config::{TimeJump, Timestamps};
use crate::limits::{AHEAD_OF_CLOCK, CLOCK_WAS_SET, STEP_BACK, TRACKS_APART};
use crate::report::reason::JumpHandling;
use crate::time::millis;

/// Maps the presentation times of all tracks to one time axis.
///
/// Until a jump, all times are shifted by the same whole number of milliseconds, so rounding errors do not accumulate.
#[derive(Debug)]
pub(crate) struct Timeline {
    timestamps: Timestamps,
    time_jump: TimeJump,
    /// The wall time at an instant: later wall times follow from it without reading a clock.
    wall: (Instant, Duration),
    /// Times up to this one were checked not to be ahead of the clock.
    near: u64,
    /// The times are those of a recording, which no clock disturbed.
    recorded: bool,
    /// How far another track may be behind the leading one.
    behind: Duration,
    mapping: Option<Mapping>,
}

/// The mapping in use.
#[derive(Clone, Copy, Debug)]
struct Mapping {
    /// Added to a source's milliseconds.
    shift: i64,
    /// The latest time of the leading track; of any track as long as the leading one has no frame.
    newest: u64,
    /// When it was put.
    put: Instant,
    lead_seen: bool,
}

/// A mapping that was in use.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark(Option<Mapping>);

/// The mapped time of a frame.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Placement {
    pub(crate) at: u64,
    /// On the heap: every frame would carry the size of it.
    pub(crate) jump: Option<Box<Jump>>,
}

/// A time jump and how it was handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Jump {
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) handling: JumpHandling,
}

/// A time that cannot be used, in ms since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TimeError {
    Regression { from: u64, to: u64 },
    Drift { from: u64, to: u64 },
    InFuture { to: u64, now: u64 },
}

/// Whether the track of a frame decides where fragments begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TrackRole {
    Lead,
    Other,
}

impl Timeline {
    pub(crate) const fn new(timestamps: Timestamps, time_jump: TimeJump, now: Instant, wall: Duration) -> Self {
        Self { timestamps, time_jump, wall: (now, wall), near: 0, recorded: false, behind: TRACKS_APART, mapping: None }
    }

    /// Sets that the times are those of a recording: its tracks may lie any time apart. Frames wait for so long for those of other
    /// tracks.
    pub(crate) fn recorded(mut self, interleave_span: Duration) -> Self {
        self.recorded = true;
        self.behind = TRACKS_APART.max(interleave_span);
        self
    }

    /// The latest time of the leading track, in ms since the Unix epoch; zero before the first frame.
    pub(crate) fn newest(&self) -> u64 {
        self.mapping.map_or(0, |mapping| mapping.newest)
    }

    /// The mapping, for [`reset`](Self::reset).
    #[inline]
    pub(crate) const fn mark(&self) -> Mark {
        Mark(self.mapping)
    }

    /// Forgets the frames that were placed since the mark, because they were refused.
    pub(crate) const fn reset(&mut self, mark: Mark) {
        self.mapping = mark.0;
    }

    /// Returns the wall time at an instant, in ms since the Unix epoch.
    pub(crate) fn wall_at(&self, now: Instant) -> u64 {
        millis(self.wall.1.saturating_add(now.saturating_duration_since(self.wall.0)))
    }

    /// Sets the wall time, after the clock was corrected.
    pub(crate) fn set_wall(&mut self, now: Instant, wall: Duration) {
        self.wall = (now, wall);
        self.near = 0;
    }

    /// Maps the time of a frame. On an error nothing changes.
    pub(crate) fn place(&mut self, pts: Duration, role: TrackRole, now: Instant) -> Result<Placement, TimeError> {
        let raw = signed(millis(pts));
        let Some(mapping) = self.mapping else { return self.begin(raw, role, now) };
        let at = shifted(raw, mapping.shift);
        let back = mapping.newest.saturating_sub(at);
        if role == TrackRole::Other && mapping.lead_seen {
            return self.place_other(raw, at, mapping, now);
        }
        if back <= millis(STEP_BACK) {
            self.not_ahead(at, now)?;
            self.advance(at, role, now);
            return Ok(Placement { at, jump: None });
        }
        self.jump_back(raw, at, mapping, role, now)
    }

    /// The first frame decides what the times of the source count from.
    fn begin(&mut self, raw: i64, role: TrackRole, now: Instant) -> Result<Placement, TimeError> {
        let wall = self.wall_at(now);
        let unset = |at: u64| at < millis(CLOCK_WAS_SET);
        let given = shifted(raw, 0);
        let (at, jump) = match self.timestamps {
            Timestamps::Epoch if unset(given) && !unset(wall) => {
                let jump = Jump { from: wall, to: given, handling: JumpHandling::FromWallClock };
                (wall, Some(jump))
            }
            Timestamps::Epoch => (given, None),
            Timestamps::Live => (wall, None),
            Timestamps::StartAt(start) => (epoch_millis(start), None),
        };
        self.not_ahead(at, now)?;
        let shift = signed(at).saturating_sub(raw);
        self.mapping = Some(Mapping { shift, newest: at, put: now, lead_seen: role == TrackRole::Lead });
        Ok(Placement { at, jump: jump.map(Box::new) })
    }

    /// Other tracks must stay near the leading one, unless that one stands still: a screen recorder or a camera with motion
    /// detection sends no pictures for a while, and sound goes on.
    fn place_other(&mut self, raw: i64, at: u64, mapping: Mapping, now: Instant) -> Result<Placement, TimeError> {
        if at.abs_diff(mapping.newest) <= millis(TRACKS_APART) {
            return Ok(Placement { at, jump: None });
        }
        if at < mapping.newest {
            // The counter of this track may wrap a little later than that of the leading track.
            let unwrapped = WRAPS.iter().map(|wrap| shifted(raw, mapping.shift.saturating_add(*wrap)));
            if let Some(at) = unwrapped.into_iter().find(|at| at.abs_diff(mapping.newest) <= millis(TRACKS_APART)) {
                return Ok(Placement { at, jump: None });
            }
            if mapping.newest - at <= millis(self.behind) {
                return Ok(Placement { at, jump: None });
            }
        }
        self.not_ahead(at, now)?;
        let still = TRACKS_APART.saturating_add(now.saturating_duration_since(mapping.put));
        if at > mapping.newest && (self.recorded || at - mapping.newest <= millis(still)) {
            return Ok(Placement { at, jump: None });
        }
        Err(TimeError::Drift { from: mapping.newest, to: at })
    }

    fn jump_back(
        &mut self,
        raw: i64,
        at: u64,
        mapping: Mapping,
        role: TrackRole,
        now: Instant,
    ) -> Result<Placement, TimeError> {
        let from = mapping.newest;
        let wrapped = WRAPS.iter().map(|wrap| mapping.shift.saturating_add(*wrap));
        let near = |shift: &i64| shifted(raw, *shift).abs_diff(from) <= millis(TRACKS_APART);
        if let Some(shift) = wrapped.into_iter().find(near) {
            return Ok(self.rebase(raw, shift, role, now, Jump { from, to: at, handling: JumpHandling::Unwrapped }));
        }
        match self.time_jump {
            TimeJump::Refuse => Err(TimeError::Regression { from, to: at }),
            TimeJump::NewSession => {
                let jump = Jump { from, to: at, handling: JumpHandling::NewSession };
                Ok(self.rebase(raw, mapping.shift, role, now, jump))
            }
            TimeJump::Rebase => {
                let shift = signed(from).saturating_add(REBASE_STEP).saturating_sub(raw);
                Ok(self.rebase(raw, shift, role, now, Jump { from, to: at, handling: JumpHandling::Rebased }))
            }
        }
    }

    fn rebase(&mut self, raw: i64, shift: i64, role: TrackRole, now: Instant, jump: Jump) -> Placement {
        let at = shifted(raw, shift);
        self.mapping = Some(Mapping { shift, newest: at, put: now, lead_seen: role == TrackRole::Lead });
        Placement { at, jump: Some(Box::new(jump)) }
    }

    fn advance(&mut self, at: u64, role: TrackRole, now: Instant) {
        if let Some(mapping) = &mut self.mapping {
            let first_of_lead = role == TrackRole::Lead && !mapping.lead_seen;
            mapping.newest = if first_of_lead { at } else { mapping.newest.max(at) };
            mapping.put = now;
            mapping.lead_seen |= role == TrackRole::Lead;
        }
    }

    /// Rejects times far ahead of the wall clock, if that was ever set.
    fn not_ahead(&mut self, at: u64, now: Instant) -> Result<(), TimeError> {
        if at <= self.near {
            return Ok(());
        }
        let wall = self.wall_at(now);
        let bounded = wall >= millis(CLOCK_WAS_SET);
        if bounded && at.saturating_sub(wall) > millis(AHEAD_OF_CLOCK) {
            return Err(TimeError::InFuture { to: at, now: wall });
        }
        self.near = at.saturating_add(NEAR);
        Ok(())
    }
}

fn signed(at: u64) -> i64 {
    i64::try_from(at).unwrap_or(i64::MAX)
}

fn shifted(raw: i64, shift: i64) -> u64 {
    u64::try_from(raw.saturating_add(shift)).unwrap_or(0)
}

/// Where timestamp counters wrap, in ms: 32 bits of milliseconds, 32 bits of microseconds, 32 bits (RTP) and 33 bits
/// (MPEG-TS) at 90 kHz.
const WRAPS: [i64; 4] = [1 << 32, (1 << 32) / 1000, (1 << 32) / 90, (1 << 33) / 90];
/// How far beyond a checked time no new check is needed, in ms; small compared to how far ahead a source may be.
const NEAR: u64 = 60_000;
/// Time in ms between the last frame before a jump and the first after it, if times continue: one frame at 25 fps.
const REBASE_STEP: i64 = 40;

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    /// 2024-05-01T00:00:00Z.
    const WALL: Duration = Duration::from_secs(1_714_521_600);
    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn timeline(timestamps: Timestamps, jump: TimeJump) -> (Timeline, Instant) {
        let now = Instant::now();
        (Timeline::new(timestamps, jump, now, WALL), now)
    }

    fn at(timeline: &mut Timeline, pts: Duration, now: Instant) -> u64 {
        timeline.place(pts, TrackRole::Lead, now).unwrap().at
    }

    #[test]
    fn rounding_errors_do_not_accumulate() {
        let (mut line, now) = timeline(Timestamps::Live, TimeJump::NewSession);
        let start = at(&mut line, Duration::ZERO, now);
        assert_eq!(start, millis(WALL));
        for n in 1..100_000u64 {
            let pts = Duration::from_nanos(n * 1_001_000_000 / 30);
            assert_eq!(at(&mut line, pts, now) - start, millis(pts));
        }
    }

    #[test]
    fn times_of_an_unset_clock_count_from_the_wall_clock() {
        let (mut line, now) = timeline(Timestamps::Epoch, TimeJump::NewSession);
        let placed = line.place(MS(5000), TrackRole::Lead, now).unwrap();
        assert_eq!(placed.at, millis(WALL));
        assert_eq!(placed.jump.unwrap().handling, JumpHandling::FromWallClock);
        assert_eq!(at(&mut line, MS(5040), now), millis(WALL) + 40);
    }

    #[test]
    fn start_at_maps_the_first_frame_to_the_given_time() {
        let recorded = Duration::from_secs(1_500_000_000);
        let (mut line, now) = timeline(Timestamps::StartAt(UNIX_EPOCH + recorded), TimeJump::NewSession);
        assert_eq!(at(&mut line, MS(80), now), millis(recorded));
        assert_eq!(at(&mut line, MS(120), now), millis(recorded) + 40);
    }

    #[test]
    fn wrapped_counters_continue() {
        for wrap in WRAPS {
            let (mut line, now) = timeline(Timestamps::Live, TimeJump::Refuse);
            let top = u64::try_from(wrap).unwrap();
            let before = at(&mut line, MS(top - 20), now);
            let placed = line.place(MS(20), TrackRole::Lead, now).unwrap();
            assert_eq!((placed.at, placed.jump.unwrap().handling), (before + 40, JumpHandling::Unwrapped));
            assert_eq!(at(&mut line, MS(60), now), before + 80);
        }
    }

    #[test]
    fn reordered_pictures_are_not_a_jump() {
        let (mut line, now) = timeline(Timestamps::Live, TimeJump::Refuse);
        let start = at(&mut line, MS(10_000), now);
        assert_eq!(at(&mut line, MS(10_120), now), start + 120);
        assert_eq!(at(&mut line, MS(10_040), now), start + 40);
    }

    #[test]
    fn a_backward_jump_is_handled_by_the_policy() {
        let (mut line, now) = timeline(Timestamps::Live, TimeJump::Refuse);
        let start = at(&mut line, MS(100_000), now);
        let refused = line.place(MS(50_000), TrackRole::Lead, now);
        assert_eq!(refused, Err(TimeError::Regression { from: start, to: start - 50_000 }));
        line.time_jump = TimeJump::NewSession;
        assert_eq!(at(&mut line, MS(50_000), now), start - 50_000);
        assert_eq!(at(&mut line, MS(50_040), now), start - 49_960);
        line.time_jump = TimeJump::Rebase;
        assert_eq!(at(&mut line, MS(1_000), now), start - 49_920);
    }

    #[test]
    fn implausible_times_are_rejected() {
        let (mut line, now) = timeline(Timestamps::Epoch, TimeJump::NewSession);
        let wall = millis(WALL);
        at(&mut line, WALL, now);
        let wild = WALL + Duration::from_secs(400 * 365 * 86_400);
        assert_eq!(line.place(wild, TrackRole::Lead, now), Err(TimeError::InFuture { to: millis(wild), now: wall }));
        let apart = line.place(WALL + Duration::from_secs(11), TrackRole::Other, now);
        assert_eq!(apart, Err(TimeError::Drift { from: wall, to: wall + 11_000 }));
        assert_eq!(at(&mut line, WALL + MS(40), now), wall + 40);
    }
}

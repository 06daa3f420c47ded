//! From the times a source gives to milliseconds since the Unix epoch, with jumps seen at the door.

use std::time::{Duration, Instant};

use crate::config::{TimeJump, Timestamps};
use crate::limits::{AHEAD_OF_CLOCK, CLOCK_WAS_SET, STEP_BACK, TRACKS_APART};
use crate::report::event::JumpHandling;

/// Maps presentation times of all tracks onto one axis.
///
/// A time is moved by a whole number of milliseconds, the same for all frames until a jump, so rounding never adds up.
#[derive(Debug)]
pub(crate) struct Timeline {
    timestamps: Timestamps,
    time_jump: TimeJump,
    /// Wall time at an instant: what "now" means without reading a clock.
    wall: (Instant, Duration),
    /// Times up to here are not ahead of the clock: it was read once when they were nearly due.
    near: u64,
    axis: Option<Axis>,
}

/// The mapping in force.
#[derive(Clone, Copy, Debug)]
struct Axis {
    /// Added to a source's milliseconds.
    shift: i64,
    /// The latest time of the leading track, or of any while that has none.
    newest: u64,
    lead_seen: bool,
}

/// A frame's place on the axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Placed {
    pub(crate) at: u64,
    pub(crate) jump: Option<Jump>,
}

/// A jump and what was made of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Jump {
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) handling: JumpHandling,
}

/// A time that cannot be used, in ms since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TimeError {
    Regression { from: u64, to: u64 },
    Drift { from: u64, to: u64 },
    InFuture { to: u64, now: u64 },
}

/// Whether a frame's track decides where fragments begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Lead,
    Other,
}

impl Timeline {
    pub(crate) const fn new(timestamps: Timestamps, time_jump: TimeJump, now: Instant, wall: Duration) -> Self {
        Self { timestamps, time_jump, wall: (now, wall), near: 0, axis: None }
    }

    /// Wall time at an instant, in ms since the epoch.
    pub(crate) fn wall_at(&self, now: Instant) -> u64 {
        millis(self.wall.1.saturating_add(now.saturating_duration_since(self.wall.0)))
    }

    /// Sets what "now" is, after the clock was corrected.
    pub(crate) fn set_wall(&mut self, now: Instant, wall: Duration) {
        self.wall = (now, wall);
        self.near = 0;
    }

    /// Finds a frame's place. Nothing changes when it has none.
    pub(crate) fn place(&mut self, pts: Duration, role: Role, now: Instant) -> Result<Placed, TimeError> {
        let raw = signed(millis(pts));
        let Some(axis) = self.axis else { return self.begin(raw, role, now) };
        let at = shifted(raw, axis.shift);
        let back = axis.newest.saturating_sub(at);
        if role == Role::Other && axis.lead_seen {
            return self.place_other(raw, at, axis, now);
        }
        if back <= millis(STEP_BACK) {
            self.not_ahead(at, now)?;
            self.advance(at, axis.shift, role);
            return Ok(Placed { at, jump: None });
        }
        self.jump_back(raw, at, axis, role)
    }

    /// The first frame decides what the source's times count from.
    fn begin(&mut self, raw: i64, role: Role, now: Instant) -> Result<Placed, TimeError> {
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
            Timestamps::StartAt(start) => (millis(start), None),
        };
        self.not_ahead(at, now)?;
        self.axis = Some(Axis { shift: signed(at).saturating_sub(raw), newest: at, lead_seen: role == Role::Lead });
        Ok(Placed { at, jump })
    }

    /// Tracks beside the leading one must stay near it.
    fn place_other(&mut self, raw: i64, at: u64, axis: Axis, now: Instant) -> Result<Placed, TimeError> {
        if at.abs_diff(axis.newest) <= millis(TRACKS_APART) {
            return Ok(Placed { at, jump: None });
        }
        if at < axis.newest {
            // Its counter may have wrapped a little after the leading track's did, or not yet.
            let unwrapped = WRAPS.iter().map(|wrap| shifted(raw, axis.shift.saturating_add(*wrap)));
            if let Some(at) = unwrapped.into_iter().find(|at| at.abs_diff(axis.newest) <= millis(TRACKS_APART)) {
                return Ok(Placed { at, jump: None });
            }
        }
        self.not_ahead(at, now)?;
        Err(TimeError::Drift { from: axis.newest, to: at })
    }

    fn jump_back(&mut self, raw: i64, at: u64, axis: Axis, role: Role) -> Result<Placed, TimeError> {
        let from = axis.newest;
        let wrapped = WRAPS.iter().map(|wrap| axis.shift.saturating_add(*wrap));
        let near = |shift: &i64| shifted(raw, *shift).abs_diff(from) <= millis(TRACKS_APART);
        if let Some(shift) = wrapped.into_iter().find(near) {
            return Ok(self.rebase(raw, shift, role, Jump { from, to: at, handling: JumpHandling::Unwrapped }));
        }
        match self.time_jump {
            TimeJump::Refuse => Err(TimeError::Regression { from, to: at }),
            TimeJump::NewSession => {
                let jump = Jump { from, to: at, handling: JumpHandling::NewSession };
                Ok(self.rebase(raw, axis.shift, role, jump))
            }
            TimeJump::Rebase => {
                let shift = signed(from).saturating_add(REBASE_STEP).saturating_sub(raw);
                Ok(self.rebase(raw, shift, role, Jump { from, to: at, handling: JumpHandling::Rebased }))
            }
        }
    }

    fn rebase(&mut self, raw: i64, shift: i64, role: Role, jump: Jump) -> Placed {
        let at = shifted(raw, shift);
        self.axis = Some(Axis { shift, newest: at, lead_seen: role == Role::Lead });
        Placed { at, jump: Some(jump) }
    }

    fn advance(&mut self, at: u64, shift: i64, role: Role) {
        if let Some(axis) = &mut self.axis {
            let first_of_lead = role == Role::Lead && !axis.lead_seen;
            axis.newest = if first_of_lead { at } else { axis.newest.max(at) };
            axis.lead_seen |= role == Role::Lead;
            axis.shift = shift;
        }
    }

    /// A set clock bounds what a source may claim.
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

/// Whole milliseconds, the most there are in 64 bits where it has more.
#[inline]
pub(crate) const fn millis(duration: Duration) -> u64 {
    duration.as_secs().saturating_mul(1000).saturating_add(duration.subsec_millis() as u64)
}

fn signed(at: u64) -> i64 {
    i64::try_from(at).unwrap_or(i64::MAX)
}

fn shifted(raw: i64, shift: i64) -> u64 {
    u64::try_from(raw.saturating_add(shift)).unwrap_or(0)
}

/// Where counters wrap, in ms: 32 bits of milliseconds, 32 bits of microseconds, 32 and 33 bits at 90 kHz.
const WRAPS: [i64; 4] = [1 << 32, (1 << 32) / 1000, (1 << 32) / 90, (1 << 33) / 90];
/// How far beyond a checked time the clock is not read again; small beside what a source may be ahead.
const NEAR: u64 = 60_000;
/// Between the last frame before a jump and the first after it, where the times go on: one frame at 25 a second.
const REBASE_STEP: i64 = 40;

#[cfg(test)]
mod tests {
    use super::*;

    /// 2024-05-01T00:00:00Z.
    const WALL: Duration = Duration::from_secs(1_714_521_600);
    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn timeline(timestamps: Timestamps, jump: TimeJump) -> (Timeline, Instant) {
        let now = Instant::now();
        (Timeline::new(timestamps, jump, now, WALL), now)
    }

    fn at(timeline: &mut Timeline, pts: Duration, now: Instant) -> u64 {
        timeline.place(pts, Role::Lead, now).unwrap().at
    }

    #[test]
    fn rounding_never_adds_up() {
        let (mut line, now) = timeline(Timestamps::Live, TimeJump::NewSession);
        let start = at(&mut line, Duration::ZERO, now);
        assert_eq!(start, millis(WALL));
        for n in 1..100_000u64 {
            let pts = Duration::from_nanos(n * 1_001_000_000 / 30);
            assert_eq!(at(&mut line, pts, now) - start, millis(pts));
        }
    }

    #[test]
    fn clock_1970() {
        let (mut line, now) = timeline(Timestamps::Epoch, TimeJump::NewSession);
        let placed = line.place(MS(5000), Role::Lead, now).unwrap();
        assert_eq!(placed.at, millis(WALL));
        assert_eq!(placed.jump.unwrap().handling, JumpHandling::FromWallClock);
        assert_eq!(at(&mut line, MS(5040), now), millis(WALL) + 40);
    }

    #[test]
    fn file_at_recorded_time() {
        let recorded = Duration::from_secs(1_500_000_000);
        let (mut line, now) = timeline(Timestamps::StartAt(recorded), TimeJump::NewSession);
        assert_eq!(at(&mut line, MS(80), now), millis(recorded));
        assert_eq!(at(&mut line, MS(120), now), millis(recorded) + 40);
    }

    #[test]
    fn u32_wrap_and_negative_ts() {
        for wrap in WRAPS {
            let (mut line, now) = timeline(Timestamps::Live, TimeJump::Refuse);
            let top = u64::try_from(wrap).unwrap();
            let before = at(&mut line, MS(top - 20), now);
            let placed = line.place(MS(20), Role::Lead, now).unwrap();
            assert_eq!((placed.at, placed.jump.unwrap().handling), (before + 40, JumpHandling::Unwrapped));
            assert_eq!(at(&mut line, MS(60), now), before + 80);
        }
    }

    #[test]
    fn reordered_pictures_are_no_jump() {
        let (mut line, now) = timeline(Timestamps::Live, TimeJump::Refuse);
        let start = at(&mut line, MS(10_000), now);
        assert_eq!(at(&mut line, MS(10_120), now), start + 120);
        assert_eq!(at(&mut line, MS(10_040), now), start + 40);
    }

    #[test]
    fn a_jump_back_is_handled_as_the_policy_says() {
        let (mut line, now) = timeline(Timestamps::Live, TimeJump::Refuse);
        let start = at(&mut line, MS(100_000), now);
        let refused = line.place(MS(50_000), Role::Lead, now);
        assert_eq!(refused, Err(TimeError::Regression { from: start, to: start - 50_000 }));
        line.time_jump = TimeJump::NewSession;
        assert_eq!(at(&mut line, MS(50_000), now), start - 50_000);
        assert_eq!(at(&mut line, MS(50_040), now), start - 49_960);
        line.time_jump = TimeJump::Rebase;
        assert_eq!(at(&mut line, MS(1_000), now), start - 49_920);
    }

    #[test]
    fn wild_times_are_refused_at_the_door() {
        let (mut line, now) = timeline(Timestamps::Epoch, TimeJump::NewSession);
        let wall = millis(WALL);
        at(&mut line, WALL, now);
        let wild = WALL + Duration::from_secs(400 * 365 * 86_400);
        assert_eq!(line.place(wild, Role::Lead, now), Err(TimeError::InFuture { to: millis(wild), now: wall }));
        let apart = line.place(WALL + Duration::from_secs(11), Role::Other, now);
        assert_eq!(apart, Err(TimeError::Drift { from: wall, to: wall + 11_000 }));
        assert_eq!(at(&mut line, WALL + MS(40), now), wall + 40);
    }
}

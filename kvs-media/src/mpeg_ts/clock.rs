//! Times of 33 bits and 90 kHz that wrap every 26.5 hours, and jump where recordings were joined.

/// Ticks per second.
pub(super) const RATE: u32 = 90_000;
/// Where times wrap.
const WRAP: i64 = 1 << 33;
/// A decoding time that is so much earlier than the one before belongs to another recording.
const JUMP: i64 = RATE as i64;

/// What the streams of a program share.
#[derive(Debug, Default)]
pub(super) struct ProgramClock {
    /// The last time of any stream, without wraps.
    last: Option<i64>,
    /// Added to the times of streams that have jumped; the number counts the jumps.
    offset: i64,
    jumps: u64,
}

/// The time of one stream.
#[derive(Debug, Default)]
pub(super) struct StreamClock {
    /// The last time without wraps, before the offset.
    unwrapped: Option<i64>,
    offset: i64,
    jumps: u64,
    last: Option<i64>,
    /// Time between the last two frames.
    step: i64,
}

/// Presentation and decoding time in ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Times {
    pub(super) pts: i64,
    pub(super) dts: i64,
}

impl StreamClock {
    /// Continues the times of the stream with those of the next frame, in 33 bits.
    pub(super) fn next(&mut self, program: &mut ProgramClock, pts: u64, dts: Option<u64>) -> Times {
        let coded = dts.unwrap_or(pts);
        let near = self.unwrapped.or(program.last).unwrap_or_else(|| ticks(coded));
        let unwrapped = near.saturating_add(between(ticks(coded), near));
        (self.unwrapped, program.last) = (Some(unwrapped), Some(unwrapped));
        let mut dts = unwrapped.saturating_add(self.offset);
        if let Some(last) = self.last.filter(|last| dts < last.saturating_sub(JUMP)) {
            // Another stream may have jumped before.
            if self.jumps < program.jumps {
                (self.offset, self.jumps) = (program.offset, program.jumps);
                dts = unwrapped.saturating_add(self.offset);
            }
            if dts < last.saturating_sub(JUMP) {
                self.offset = last.saturating_add(self.step.max(1)).saturating_sub(unwrapped);
                program.jumps += 1;
                (program.offset, self.jumps) = (self.offset, program.jumps);
                dts = unwrapped.saturating_add(self.offset);
            }
        }
        if let Some(step) = self.last.map(|last| dts.saturating_sub(last)).filter(|step| *step > 0) {
            self.step = step;
        }
        self.last = Some(dts);
        Times { pts: dts.saturating_add(between(ticks(pts), ticks(coded))), dts }
    }

    /// The times of a frame for which the stream states none: one step after the frame before.
    pub(super) fn without_time(&mut self) -> Option<Times> {
        let dts = self.last?.saturating_add(self.step);
        self.last = Some(dts);
        Some(Times { pts: dts, dts })
    }
}

impl ProgramClock {
    /// How often times have jumped back.
    pub(super) const fn jumps(&self) -> u64 {
        self.jumps
    }
}

fn ticks(coded: u64) -> i64 {
    i64::try_from(coded).unwrap_or(0)
}

/// The distance from one time to another, at most half the range.
const fn between(to: i64, from: i64) -> i64 {
    let distance = to.saturating_sub(from).rem_euclid(WRAP);
    if distance >= WRAP / 2 { distance - WRAP } else { distance }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_go_on_over_the_wrap_in_both_streams() {
        let (mut program, mut video, mut audio) =
            (ProgramClock::default(), StreamClock::default(), StreamClock::default());
        let wrap = 1 << 33;
        let start = video.next(&mut program, wrap - 3600, Some(wrap - 7200));
        assert_eq!(start, Times { pts: wrap as i64 - 3600, dts: wrap as i64 - 7200 });
        assert_eq!(video.next(&mut program, 3600, Some(wrap - 3600)).pts, wrap as i64 + 3600);
        assert_eq!(video.next(&mut program, 0, Some(0)).dts, wrap as i64);
        assert_eq!(audio.next(&mut program, wrap - 100, None).dts, wrap as i64 - 100);
        assert_eq!(audio.next(&mut program, 1900, None).dts, wrap as i64 + 1900);
    }

    #[test]
    fn joined_recordings_continue_with_the_same_offset() {
        let (mut program, mut video, mut audio) =
            (ProgramClock::default(), StreamClock::default(), StreamClock::default());
        for time in [900_000, 903_600] {
            video.next(&mut program, time, None);
            audio.next(&mut program, time + 100, None);
        }
        assert_eq!(video.next(&mut program, 1000, None).dts, 907_200);
        assert_eq!(audio.next(&mut program, 1100, None).dts, 907_300);
        assert_eq!(program.jumps(), 1);
        assert_eq!(video.without_time(), Some(Times { pts: 910_800, dts: 910_800 }));
    }
}

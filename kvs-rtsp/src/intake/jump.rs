//! Jumps of the media times.

use std::time::Duration;

use super::RawFrame;
use super::clock::LEAD;
use crate::event::SessionReason;

/// Compares the media times of consecutive frames with their arrival.
#[derive(Debug, Default)]
pub(crate) struct JumpDetector {
    tracks: [Option<Last>; 2],
}

#[derive(Clone, Copy, Debug)]
struct Last {
    /// The latest media time since the last key frame.
    latest: i64,
    media: i64,
    arrival: i64,
}

/// A camera whose times go this far ahead of the frames' arrival has set its clock, in ns.
const FORWARD: i64 = 10_000_000_000;
/// Pictures that are reordered go back by less, in ns: 16 pictures at 8 per second.
const REORDERING: i64 = 2_000_000_000;
/// Some cameras take the times of sound from the clock of the system, which wobbles, in ns.
const WOBBLE: i64 = 200_000_000;

impl JumpDetector {
    /// Returns what happened between the last frame of the track and this one.
    pub(crate) fn check(&mut self, frame: &RawFrame) -> Option<SessionReason> {
        let slot = &mut self.tracks[frame.track];
        let last = slot.replace(Last { latest: frame.media, media: frame.media, arrival: frame.arrival })?;
        let (advance, elapsed) = (frame.media.saturating_sub(last.media), frame.arrival.saturating_sub(last.arrival));
        let ahead = advance.saturating_sub(elapsed.max(0));
        if advance > FORWARD && ahead > FORWARD {
            return Some(SessionReason::JumpForward(nanos(ahead)));
        }
        // Nothing is reordered across a key frame, and no sound is at all.
        let tolerance = if frame.track == LEAD && !frame.keyframe { REORDERING } else { WOBBLE };
        let back = last.latest.saturating_sub(frame.media);
        if back > tolerance {
            return Some(SessionReason::JumpBack(nanos(back)));
        }
        if let Some(last_of) = slot
            && !frame.keyframe
        {
            last_of.latest = last.latest.max(frame.media);
        }
        None
    }
}

fn nanos(nanos: i64) -> Duration {
    Duration::from_nanos(nanos.unsigned_abs())
}

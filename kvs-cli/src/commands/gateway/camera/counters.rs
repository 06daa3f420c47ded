//! What a camera's producers have done, over all of them.

use kvs_producer::{Histogram, LossCounts, Stats};

/// Totals of a camera since the gateway has started.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Counters {
    pub(crate) submitted_frames: u64,
    pub(crate) recovered_frames: u64,
    pub(crate) persisted_frames: u64,
    pub(crate) persisted_bytes: u64,
    pub(crate) persisted_fragments: u64,
    /// Frames by the reason of their loss; all reasons, also those with none.
    pub(crate) lost: [u64; REASONS.len()],
    pub(crate) refused_frames: u64,
    pub(crate) sessions: u64,
    pub(crate) reconnects: u64,
    pub(crate) failures: u64,
    pub(crate) sent_bytes: u64,
    pub(crate) resent_bytes: u64,
    pub(crate) ack_latency: Histogram,
}

/// The reasons of a loss, as labels.
pub(crate) const REASONS: [&str; 11] = [
    "buffer_full",
    "too_old",
    "unconfirmed",
    "rejected",
    "no_keyframe",
    "track_joining",
    "track_missing",
    "paused",
    "stopped",
    "spool_full",
    "spool_damaged",
];

impl Counters {
    /// Adds what one producer has done.
    pub(super) fn add(&mut self, stats: &Stats) {
        let totals = &stats.totals;
        self.submitted_frames += totals.submitted.frames;
        self.recovered_frames += totals.recovered.frames;
        self.persisted_frames += totals.persisted.frames;
        self.persisted_bytes += totals.persisted.bytes;
        self.persisted_fragments += totals.persisted_fragments;
        for (sum, lost) in self.lost.iter_mut().zip(by_reason(&totals.lost_by)) {
            *sum += lost;
        }
        self.refused_frames += stats.refused_frames;
        self.sessions += stats.sessions;
        self.reconnects += stats.reconnects;
        self.failures += stats.failures;
        self.sent_bytes += stats.sent_bytes;
        self.resent_bytes += stats.resent_bytes;
        self.ack_latency.add(&stats.ack_latency);
    }

    /// Adds frames that a producer held when its task panicked.
    pub(super) const fn lose_stopped(&mut self, frames: u64) {
        self.lost[STOPPED] += frames;
    }

    /// All lost frames.
    pub(crate) fn lost_frames(&self) -> u64 {
        self.lost.iter().sum()
    }
}

/// The place of `stopped` in [`REASONS`].
const STOPPED: usize = 8;

const fn by_reason(lost: &LossCounts) -> [u64; REASONS.len()] {
    [
        lost.buffer_full,
        lost.too_old,
        lost.unconfirmed,
        lost.rejected,
        lost.no_keyframe,
        lost.track_joining,
        lost.track_missing,
        lost.paused,
        lost.stopped,
        lost.spool_full,
        lost.spool_damaged,
    ]
}

//! Counts and sizes of one producer.

use std::time::Duration;

use crate::report::event::{LossReason, Span};

/// A snapshot out of [`stats`](crate::ProducerCore::stats): plain numbers, read at no cost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// What became of all media so far.
    pub totals: Totals,
    /// Bytes of the buffer in use, overhead included.
    pub buffered_bytes: usize,
    /// Fragments in the buffer.
    pub buffered_fragments: usize,
    /// From the oldest buffered frame's time to the newest.
    pub buffered_time: Duration,
    /// The most bytes the buffer ever held.
    pub buffered_bytes_peak: usize,
    /// Connections that were opened.
    pub sessions: u64,
    /// Connections that ended other than in order.
    pub reconnects: u64,
    /// Attempts that failed, calls and connections.
    pub failures: u64,
    /// Body bytes handed to the transport.
    pub sent_bytes: u64,
    /// Those of them that had been sent before.
    pub resent_bytes: u64,
    /// Fragments that were sent more than once.
    pub resent_fragments: u64,
    /// Acks by kind.
    pub acks: AckCounts,
    /// From a fragment's last byte sent to its last ack.
    pub ack_latency: Histogram,
    /// Frames whose time was moved to keep fragments rising.
    pub adjusted_frames: u64,
    /// Frames refused at the call.
    pub refused_frames: u64,
    /// Events nobody polled in time.
    pub dropped_events: u64,
}

/// What became of all media: `submitted = persisted + lost + held`, in frames and in bytes, at any time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Totals {
    /// Frames and bytes that were taken.
    pub submitted: Amount,
    /// Those the service stored.
    pub persisted: Amount,
    /// Those reported lost, whatever the reason.
    pub lost: Amount,
    /// Fragments that were persisted.
    pub persisted_fragments: u64,
    /// The lost ones by reason.
    pub lost_by: LossCounts,
}

impl Totals {
    /// What is neither persisted nor lost yet.
    #[must_use]
    pub const fn held(&self) -> Amount {
        Amount {
            frames: self.submitted.frames - self.persisted.frames - self.lost.frames,
            bytes: self.submitted.bytes - self.persisted.bytes - self.lost.bytes,
        }
    }
}

/// Frames and their payload bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Amount {
    /// Frames.
    pub frames: u64,
    /// Payload bytes.
    pub bytes: u64,
}

impl Amount {
    pub(crate) const fn add(&mut self, frames: u64, bytes: u64) {
        self.frames += frames;
        self.bytes += bytes;
    }
}

/// Lost frames by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LossCounts {
    /// [`LossReason::BufferFull`].
    pub buffer_full: u64,
    /// [`LossReason::TooOld`].
    pub too_old: u64,
    /// [`LossReason::Unconfirmed`].
    pub unconfirmed: u64,
    /// [`LossReason::Rejected`].
    pub rejected: u64,
    /// [`LossReason::NoKeyframe`].
    pub no_keyframe: u64,
    /// [`LossReason::TrackJoining`].
    pub track_joining: u64,
    /// [`LossReason::TrackMissing`].
    pub track_missing: u64,
    /// [`LossReason::Paused`].
    pub paused: u64,
    /// [`LossReason::Stopped`].
    pub stopped: u64,
}

impl Totals {
    pub(crate) fn lose(&mut self, span: &Span, reason: &LossReason) {
        self.lost.add(span.frames, span.bytes);
        let count = match reason {
            LossReason::BufferFull => &mut self.lost_by.buffer_full,
            LossReason::TooOld => &mut self.lost_by.too_old,
            LossReason::Unconfirmed => &mut self.lost_by.unconfirmed,
            LossReason::Rejected(_) => &mut self.lost_by.rejected,
            LossReason::NoKeyframe => &mut self.lost_by.no_keyframe,
            LossReason::TrackJoining => &mut self.lost_by.track_joining,
            LossReason::TrackMissing => &mut self.lost_by.track_missing,
            LossReason::Paused => &mut self.lost_by.paused,
            LossReason::Stopped => &mut self.lost_by.stopped,
        };
        *count += span.frames;
    }
}

/// Acks by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AckCounts {
    /// `BUFFERING`.
    pub buffering: u64,
    /// `RECEIVED`.
    pub received: u64,
    /// `PERSISTED`.
    pub persisted: u64,
    /// `ERROR`.
    pub error: u64,
    /// `IDLE`.
    pub idle: u64,
    /// Kinds this version does not know, and what could not be read.
    pub other: u64,
}

/// Durations counted in buckets that double: below 1 ms, 2 ms, 4 ms and so on, the last one open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Histogram {
    /// `buckets[n]` counts durations below 2ⁿ ms and not below the one before.
    pub buckets: [u64; 20],
    /// How many durations.
    pub count: u64,
    /// Their sum.
    pub sum: Duration,
    /// The longest.
    pub max: Duration,
}

impl Histogram {
    pub(crate) fn record(&mut self, value: Duration) {
        let ms = u64::try_from(value.as_millis()).unwrap_or(u64::MAX);
        let at = usize::try_from(u64::BITS - ms.leading_zeros()).unwrap_or(usize::MAX).min(self.buckets.len() - 1);
        if let Some(bucket) = self.buckets.get_mut(at) {
            *bucket += 1;
        }
        self.count += 1;
        self.sum = self.sum.saturating_add(value);
        self.max = self.max.max(value);
    }

    /// The upper bound of the bucket in which the given part (0 to 1) of all durations ends; zero when there are none.
    #[must_use]
    pub fn quantile(&self, part: f64) -> Duration {
        let wanted = part.clamp(0.0, 1.0) * self.count as f64;
        let mut seen = 0;
        for (at, bucket) in (0..).zip(&self.buckets) {
            seen += bucket;
            if seen > 0 && seen as f64 >= wanted {
                return Duration::from_millis(1 << at).min(self.max);
            }
        }
        Duration::ZERO
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_come_from_doubling_buckets() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.quantile(0.5), Duration::ZERO);
        for ms in [0, 1, 3, 100, 90_000_000] {
            histogram.record(Duration::from_millis(ms));
        }
        assert_eq!(histogram.buckets[0], 1);
        assert_eq!(histogram.quantile(0.5), Duration::from_millis(4));
        assert_eq!((histogram.count, histogram.max), (5, Duration::from_millis(90_000_000)));
    }
}

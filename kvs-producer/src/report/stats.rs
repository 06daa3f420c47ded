//! Statistics of one producer.

use std::time::Duration;

use super::outcome::LossReason;
use super::span::Span;

/// A snapshot of the statistics of a producer. Reading it copies numbers and does no I/O.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// All submitted media by outcome.
    pub totals: Totals,
    /// Bytes of the buffer in use, including overhead.
    pub buffered_bytes: usize,
    /// Number of fragments in the buffer.
    pub buffered_fragments: usize,
    /// Time from the oldest to the newest buffered frame.
    pub buffered_time: Duration,
    /// The largest number of bytes that the buffer has held.
    pub buffered_bytes_peak: usize,
    /// Number of connections that were opened.
    pub sessions: u64,
    /// Number of connections that ended with an error.
    pub reconnects: u64,
    /// Number of failed requests and connection attempts.
    pub failures: u64,
    /// Body bytes passed to the transport.
    pub sent_bytes: u64,
    /// Body bytes that were sent again.
    pub resent_bytes: u64,
    /// Number of fragments that were sent again.
    pub resent_fragments: u64,
    /// Acknowledgements by type.
    pub acks: AckCounts,
    /// Time from sending the last byte of a fragment to its last acknowledgement.
    pub ack_latency: Histogram,
    /// Number of frames whose timestamp was increased to rise across a fragment boundary.
    pub adjusted_frames: u64,
    /// Number of frames that `put_frame` rejected.
    pub refused_frames: u64,
    /// Number of events that were dropped because they were not read in time.
    pub dropped_events: u64,
}

/// All submitted media by outcome. `submitted + recovered = persisted + lost + held()` holds at any time, in frames and in
/// bytes. After [`Event::Finished`](crate::Event::Finished), `held()` is what is left in the spool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Totals {
    /// Media that `put_frame` accepted.
    pub submitted: Amount,
    /// Media that an earlier run left in the spool. Zero without a spool.
    pub recovered: Amount,
    /// Media that the service stored.
    pub persisted: Amount,
    /// Media that was reported lost, for any reason.
    pub lost: Amount,
    /// Media that is in the spool and not in memory. At the end it is what the next producer with this folder sends. Zero
    /// without a spool.
    pub spooled: Amount,
    /// Number of fragments that the service stored.
    pub persisted_fragments: u64,
    /// Lost frames by reason.
    pub lost_by: LossCounts,
}

impl Totals {
    /// Returns the media that is neither persisted nor lost yet.
    #[must_use]
    pub const fn held(&self) -> Amount {
        Amount {
            frames: self.submitted.frames + self.recovered.frames - self.persisted.frames - self.lost.frames,
            bytes: self.submitted.bytes + self.recovered.bytes - self.persisted.bytes - self.lost.bytes,
        }
    }
}

/// An amount of media.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Amount {
    /// Number of frames.
    pub frames: u64,
    /// Payload bytes.
    pub bytes: u64,
}

impl Amount {
    pub(crate) const fn add(&mut self, frames: u64, bytes: u64) {
        self.frames += frames;
        self.bytes += bytes;
    }

    pub(crate) const fn remove(&mut self, frames: u64, bytes: u64) {
        self.frames = self.frames.saturating_sub(frames);
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

/// Numbers of lost frames by reason.
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
    /// [`LossReason::SpoolFull`].
    pub spool_full: u64,
    /// [`LossReason::SpoolDamaged`].
    pub spool_damaged: u64,
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
            LossReason::SpoolFull => &mut self.lost_by.spool_full,
            LossReason::SpoolDamaged => &mut self.lost_by.spool_damaged,
            // No frame: only bytes.
            LossReason::NoPicture => return,
        };
        *count += span.frames;
    }
}

/// Numbers of acknowledgements by type.
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
    /// Types that this version does not know, and acknowledgements that could not be parsed.
    pub other: u64,
}

/// A histogram of durations. The upper bounds of the buckets are 1 ms, 2 ms, 4 ms and so on; the last bucket is unbounded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Histogram {
    /// `buckets[n]` counts the durations below 2ⁿ ms that are not in an earlier bucket.
    pub buckets: [u64; 20],
    /// Number of durations.
    pub count: u64,
    /// Sum of the durations.
    pub sum: Duration,
    /// The longest duration.
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

    /// Adds the durations of another histogram.
    pub fn add(&mut self, other: &Self) {
        for (bucket, more) in self.buckets.iter_mut().zip(other.buckets) {
            *bucket += more;
        }
        self.count += other.count;
        self.sum = self.sum.saturating_add(other.sum);
        self.max = self.max.max(other.max);
    }

    /// Returns an upper bound of the quantile `part` (0 to 1), with the resolution of the buckets; zero if there are no durations.
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
    fn quantile_has_bucket_resolution() {
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

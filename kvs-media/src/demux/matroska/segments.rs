//! Times of the segments of one input: a capture program that starts again, or `cat`, puts one behind the other.

use std::collections::BTreeMap;

use crate::notice::{Notice, NoticeKind};

/// Counts times from the first cluster. A segment whose times begin again continues behind the one before; the segments of a live
/// stream have times that go on.
#[derive(Debug, Default)]
pub(super) struct Segments {
    /// Timecode of the first cluster in nanoseconds.
    start: Option<i64>,
    /// The last cluster as its segment states it.
    cluster: i64,
    /// Whether a segment has begun whose first cluster has not come.
    is_new: bool,
    /// Added to the times of the current segment.
    offset: i64,
    /// By track: first and last time of the current segment, and the number of frames.
    tracks: BTreeMap<u64, (i64, i64, i64)>,
    jumps: u64,
}

impl Segments {
    /// A segment begins.
    pub(super) fn begin(&mut self) {
        self.is_new = self.has_begun();
    }

    /// A cluster begins at this time.
    pub(super) fn cluster(&mut self, at: i64) {
        let start = *self.start.get_or_insert(at);
        if std::mem::take(&mut self.is_new) {
            if at <= self.cluster {
                self.offset = self.end().saturating_sub(at.saturating_sub(start));
                self.jumps += 1;
            }
            self.tracks.clear();
        }
        self.cluster = at;
    }

    /// Returns the time of a frame from the first cluster on.
    pub(super) fn time(&self, stated: i64) -> i64 {
        stated.saturating_sub(self.start.unwrap_or(0)).saturating_add(self.offset)
    }

    /// Notes a frame.
    pub(super) fn frame(&mut self, track: u64, pts: i64) {
        let (first, last, frames) = self.tracks.entry(track).or_insert((pts, pts, 0));
        (*first, *last, *frames) = ((*first).min(pts), (*last).max(pts), *frames + 1);
    }

    /// Whether there was a cluster.
    pub(super) const fn has_begun(&self) -> bool {
        self.start.is_some()
    }

    /// Where the segment ends: each track has as much behind its last frame as is between two of its frames.
    fn end(&self) -> i64 {
        let end = |&(first, last, frames): &(i64, i64, i64)| {
            last.saturating_add(last.saturating_sub(first).checked_div(frames - 1).unwrap_or(0))
        };
        self.tracks.values().map(end).max().unwrap_or(0)
    }

    pub(super) fn notice(&self) -> Option<Notice> {
        let text = || {
            let jumps = self.jumps;
            format!("timestamps jump back {jumps} times: the following frames continue behind the ones before")
        };
        (self.jumps > 0).then(|| Notice::new(NoticeKind::Ignored, text()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A segment of 40 ms per frame, whose first cluster begins at `at`; returns the times of its frames in ms.
    fn segment(segments: &mut Segments, at: i64) -> Vec<i64> {
        segments.begin();
        segments.cluster(at * 1_000_000);
        let times = [0, 80, 40].map(|more| segments.time((at + more) * 1_000_000));
        times.into_iter().for_each(|time| segments.frame(1, time));
        times.into_iter().map(|time| time / 1_000_000).collect()
    }

    #[test]
    fn segment_that_begins_again_continues_behind_the_one_before() {
        let mut segments = Segments::default();
        assert_eq!(segment(&mut segments, 5000), [0, 80, 40]);
        assert_eq!(segment(&mut segments, 0), [120, 200, 160]);
        assert_eq!(segment(&mut segments, 0), [240, 320, 280]);
        assert_eq!(segments.notice().unwrap().to_string().split(':').next(), Some("timestamps jump back 2 times"));
    }

    #[test]
    fn segments_of_a_live_stream_keep_their_times() {
        let mut segments = Segments::default();
        assert_eq!(segment(&mut segments, 5000), [0, 80, 40]);
        assert_eq!(segment(&mut segments, 9000), [4000, 4080, 4040]);
        assert!(segments.notice().is_none());
    }
}

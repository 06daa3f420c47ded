//! A received fragment.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use kvs_mkv::{Chunks, Frame, Tag, Track, TrackNumber};
use kvs_types::FragmentNumber;

/// A complete fragment with its bytes exactly as the producer sent them.
///
/// `header`, `cluster` and `trailing` together are a playable Matroska file of this fragment.
///
/// Memory: the pieces of the body that contain it, and an index of 48 bytes per frame.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct IngestedFragment {
    /// The fragment number.
    pub number: FragmentNumber,
    /// The cluster's timecode as sent.
    pub timecode: Duration,
    /// The start by the producer's clock: the timecode, added to the start timestamp if it is relative.
    pub producer_timestamp: SystemTime,
    /// The time at which its first bytes arrived, in whole ms, as in the number.
    pub server_timestamp: SystemTime,
    /// The time from its timecode to its last frame (`FragmentLengthInMilliseconds`). As in the service, it does not include the
    /// duration of the last frame, so a fragment of one frame has the duration zero. Published samples show it: producer
    /// timestamps 1,856 ms apart and a length of 1,796 ms.
    pub duration: Duration,
    /// Everything before the session's first cluster: EBML head, segment head, information, tracks, header tags.
    pub header: Chunks,
    /// The cluster element. If its size is unknown, its children up to the next element.
    pub cluster: Chunks,
    /// Everything between the cluster and the end of the fragment: tags, the end-of-fragment tag, void. Tags between the
    /// end-of-fragment tag of the previous fragment and this cluster come first.
    pub trailing: Chunks,
    /// Its tags, one group for each `Tag` element, in the order sent. The first fragment of a session has those of the header
    /// too. The end-of-fragment tag is omitted.
    pub tags: Vec<Vec<Tag>>,
    /// The tracks of its session.
    pub tracks: Arc<[Track]>,
    pub(super) frames: Vec<FrameSpan>,
}

/// A frame and its position in the cluster.
#[derive(Clone, Debug)]
pub(super) struct FrameSpan {
    pub(super) track: TrackNumber,
    pub(super) pts: Duration,
    pub(super) keyframe: bool,
    pub(super) payload: Range<u32>,
    pub(super) duration: Option<Duration>,
}

impl IngestedFragment {
    /// Returns the size of header, cluster and trailing elements in bytes.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.header.len().saturating_add(self.cluster.len()).saturating_add(self.trailing.len())
    }

    /// Returns `false`: a fragment has at least a cluster head.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the number of frames.
    #[must_use]
    pub const fn frame_count(&self) -> usize {
        self.frames.len()
    }

    /// Returns the frames in the order sent, with the times of the container. Payloads are slices of
    /// [`cluster`](Self::cluster).
    pub fn frames(&self) -> impl Iterator<Item = Frame> {
        // The offsets of payloads increase, so one walk over the pieces is enough.
        let mut walk = Walk { pieces: self.cluster.pieces(), at: 0 };
        self.frames.iter().map(move |span| {
            let data = walk.take(span.payload.clone());
            Frame::new(span.track, span.pts, data).with_keyframe(span.keyframe).with_duration(span.duration)
        })
    }
}

/// Reads increasing ranges from a list of pieces.
struct Walk<'a> {
    pieces: &'a [Bytes],
    /// The offset of the first of `pieces`.
    at: usize,
}

impl Walk<'_> {
    fn take(&mut self, range: Range<u32>) -> Chunks {
        let [start, end] = [range.start, range.end].map(|at| usize::try_from(at).unwrap_or(usize::MAX));
        let mut taken = Chunks::new();
        while let [piece, rest @ ..] = self.pieces {
            let piece_end = self.at.saturating_add(piece.len());
            if piece_end > start && self.at < end {
                let from = start.saturating_sub(self.at);
                taken.push(piece.slice(from..end.min(piece_end) - self.at));
            }
            if piece_end > end {
                break;
            }
            (self.pieces, self.at) = (rest, piece_end);
        }
        taken
    }
}

/// Returns the duration of a fragment that starts at `start`; see [`IngestedFragment::duration`].
pub(super) fn duration(start: Duration, frames: &[FrameSpan]) -> Duration {
    // Not from the earliest frame: the leading pictures of an open GOP are displayed before its key frame, within the time of
    // the previous fragment.
    frames.iter().map(|frame| frame.pts).max().map_or(Duration::ZERO, |last| last.saturating_sub(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn frames(times: &[u64]) -> Vec<FrameSpan> {
        let span = |&at: &u64| FrameSpan {
            track: TrackNumber::ONE,
            pts: MS(at),
            keyframe: false,
            payload: 0..0,
            duration: Some(MS(40)),
        };
        times.iter().map(span).collect()
    }

    #[test]
    fn duration_ends_with_the_start_of_the_last_frame() {
        let lasts = |times: &[u64]| duration(times.first().map_or(MS(0), |first| MS(*first)), &frames(times));
        assert_eq!(lasts(&[]), MS(0));
        assert_eq!(lasts(&[100]), MS(0));
        assert_eq!(lasts(&[1000, 1040, 1080]), MS(80));
        // B-frames are out of order.
        assert_eq!(lasts(&[1000, 1080, 1040]), MS(80));
        // The time of a fragment with an open GOP starts at its key frame.
        assert_eq!(lasts(&[1000, 960, 1080, 1040]), MS(80));
    }
}

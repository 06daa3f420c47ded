//! Merges the frames of the tracks of a file by decoding time, in bounded memory.

use std::collections::VecDeque;

use kvs_mkv::Tag;

use super::demux::DemuxFrame;

/// Queues per track from which the earliest frame is taken.
#[derive(Debug)]
pub(crate) struct Merge {
    queues: Vec<Queue>,
    bytes: usize,
    frames: usize,
}

#[derive(Debug)]
struct Queue {
    id: u64,
    /// Frames that the rest of the input still has.
    left: u64,
    /// Frames that are looked at to find a decoding time.
    look_ahead: usize,
    items: VecDeque<Item>,
    latest: i64,
}

/// What is put in order.
#[derive(Debug)]
pub(crate) enum Item {
    Frame(DemuxFrame),
    /// Tags stay behind the frame of their track that they followed.
    Tags(Vec<Tag>),
}

/// A taken frame with its decoding time, or tags.
#[derive(Debug)]
pub(crate) enum Merged {
    Frame(DemuxFrame, i64),
    Tags(Vec<Tag>),
}

/// Pictures that a codec reorders: H.264 and H.265 at most 16.
pub(crate) const MOST_REORDERED: usize = 16;
/// Most payload bytes that wait. Tracks that are further apart in the file are not merged exactly.
pub(crate) const MERGE_BYTES: usize = 64 << 20;
/// Most frames that wait.
const MERGE_FRAMES: usize = 100_000;

impl Merge {
    /// Tracks by id with the number of their frames, and of the frames that may follow one that is shown later. The first
    /// track leads.
    pub(crate) fn new(tracks: impl IntoIterator<Item = (u64, u64, usize)>) -> Self {
        let queue = |(id, left, reordered): (u64, u64, usize)| {
            let look_ahead = reordered.min(MOST_REORDERED).saturating_add(1);
            Queue { id, left, look_ahead, items: VecDeque::new(), latest: i64::MIN }
        };
        Self { queues: tracks.into_iter().map(queue).collect(), bytes: 0, frames: 0 }
    }

    pub(crate) fn frame(&mut self, frame: DemuxFrame) {
        let Some(queue) = self.queues.iter_mut().find(|queue| queue.id == frame.track) else { return };
        self.bytes = self.bytes.saturating_add(frame.data.len());
        self.frames += 1;
        queue.left = queue.left.saturating_sub(1);
        queue.items.push_back(Item::Frame(frame));
    }

    /// Tags of the fragment whose frames were put last.
    pub(crate) fn tags(&mut self, tags: Vec<Tag>) {
        if let Some(leading) = self.queues.first_mut() {
            leading.items.push_back(Item::Tags(tags));
        }
    }

    /// Returns what comes next; `None` if more must be put before that is known. At the end all is known.
    pub(crate) fn next(&mut self, is_end: bool) -> Option<Merged> {
        let force = is_end || self.bytes > MERGE_BYTES || self.frames > MERGE_FRAMES;
        let tagged = self.queues.iter_mut().find(|queue| matches!(queue.items.front(), Some(Item::Tags(_))));
        if let Some(Item::Tags(tags)) = tagged.and_then(|queue| queue.items.pop_front()) {
            return Some(Merged::Tags(tags));
        }
        let mut first: Option<(usize, i64)> = None;
        for (index, queue) in self.queues.iter().enumerate() {
            match queue.decoding_time(force) {
                Some(dts) if first.is_none_or(|(_, earliest)| dts < earliest) => first = Some((index, dts)),
                Some(_) => {}
                None if queue.left == 0 && queue.items.is_empty() || force => {}
                None => return None,
            }
        }
        let (index, dts) = first?;
        let queue = self.queues.get_mut(index)?;
        match queue.items.pop_front()? {
            Item::Frame(frame) => {
                queue.latest = dts;
                self.bytes = self.bytes.saturating_sub(frame.data.len());
                self.frames -= 1;
                Some(Merged::Frame(frame, dts))
            }
            Item::Tags(tags) => Some(Merged::Tags(tags)),
        }
    }
}

impl Queue {
    /// The decoding time of the first frame: never below the one before, and not later than the time at which it or a
    /// following frame is shown. `None` if that is not known yet.
    fn decoding_time(&self, force: bool) -> Option<i64> {
        let frames = || {
            self.items.iter().filter_map(|item| match item {
                Item::Frame(frame) => Some(frame),
                Item::Tags(_) => None,
            })
        };
        let first = frames().next()?;
        let ahead = frames().take(self.look_ahead);
        let dts = match first.dts {
            Some(dts) => dts.min(first.pts),
            None if self.left > 0 && !force && ahead.clone().count() < self.look_ahead => return None,
            None => ahead.map(|frame| frame.pts).min()?,
        };
        Some(dts.max(self.latest))
    }
}

#[cfg(test)]
mod tests {
    use kvs_mkv::Chunks;

    use super::*;

    fn frame(track: u64, pts: i64) -> DemuxFrame {
        DemuxFrame { track, pts, dts: None, keyframe: true, data: Chunks::from(vec![1]) }
    }

    #[test]
    fn frames_are_merged_by_decoding_time_and_tags_stay_in_their_fragment() {
        let mut merge = Merge::new([(1, 6, 2), (2, 3, 0)]);
        for pts in [0, 3, 1, 2] {
            merge.frame(frame(1, pts));
        }
        merge.tags(vec![Tag::new("door", "open")]);
        assert!(merge.next(false).is_none(), "the second track may come first");
        [1, 2, 3].into_iter().for_each(|pts| merge.frame(frame(2, pts)));
        [6, 5].into_iter().for_each(|pts| merge.frame(frame(1, pts)));
        let mut order = Vec::new();
        while let Some(next) = merge.next(true) {
            order.push(match next {
                Merged::Frame(frame, dts) => (frame.track, frame.pts, dts),
                Merged::Tags(_) => (0, 0, 0),
            });
        }
        let expected = [
            (1, 0, 0),
            (1, 3, 1),
            (1, 1, 1),
            (2, 1, 1),
            (1, 2, 2),
            (0, 0, 0),
            (2, 2, 2),
            (2, 3, 3),
            (1, 6, 5),
            (1, 5, 5),
        ];
        assert_eq!(order, expected);
        assert_eq!((merge.bytes, merge.frames), (0, 0));
    }
}

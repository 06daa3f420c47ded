//! Counts the payloads that the producer holds: each payload reports when its last slice is dropped.
//!
//! The producer copies small payloads, so theirs are dropped at once. They count as held as long as the next larger payload behind
//! them is held: a fragment leaves as a whole, it begins with a key frame, which is large, and fragments leave in order.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

/// The payloads that were submitted and not yet dropped. Clones share the same state.
#[derive(Clone, Debug, Default)]
pub(crate) struct PayloadTracker(Arc<Mutex<TrackerState>>);

#[derive(Debug, Default)]
struct TrackerState {
    /// The frames from number `first` on.
    entries: VecDeque<Place>,
    first: u64,
    /// The number of the frame that was handed over last.
    latest: u64,
    frames: usize,
    bytes: usize,
    /// Of those, the payloads that the producer does not copy.
    large: usize,
    large_bytes: usize,
}

/// What is known of a frame.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// It was never held: it was refused, or dropped before another one came.
    Never,
    Held(Entry),
    Left,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    pts: u64,
    counted: usize,
}

impl Entry {
    /// Whether all of its pieces may be copied.
    const fn is_small(self) -> bool {
        self.counted <= MAY_BE_COPIED
    }
}

/// The source cuts a payload into two pieces, and the producer copies pieces of up to 512 bytes. Parameter sets need some more.
const MAY_BE_COPIED: usize = 2 * 512 + 64;

/// A snapshot of the tracker.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct HeldPayloads {
    pub(crate) frames: usize,
    pub(crate) bytes: usize,
    /// Bytes of the payloads that are held for certain.
    pub(crate) large_bytes: usize,
    /// Timestamp in ms of the frame that has been held longest.
    pub(crate) oldest: Option<u64>,
    /// No frame before this number is held.
    pub(crate) first: u64,
}

/// Payload bytes that deregister themselves when their last slice is dropped.
#[derive(Debug)]
struct TrackedPayload {
    payload_tracker: PayloadTracker,
    number: u64,
    data: Vec<u8>,
}

impl PayloadTracker {
    /// Returns payload bytes that are tracked until their last slice is dropped.
    pub(crate) fn watch(&self, number: u64, data: Vec<u8>) -> Bytes {
        Bytes::from_owner(TrackedPayload { payload_tracker: self.clone(), number, data })
    }

    /// Starts to count a frame as held. Numbers increase.
    pub(crate) fn hand_over(&self, number: u64, pts: u64, counted: usize) {
        self.state().enter(number, pts, counted);
    }

    /// Takes back what was handed over last: the producer refused it.
    pub(crate) fn refused(&self) {
        self.state().refused();
    }

    pub(crate) fn held(&self) -> HeldPayloads {
        let held = self.state();
        if held.large == 0 {
            return HeldPayloads { first: held.first, ..HeldPayloads::default() };
        }
        HeldPayloads {
            frames: held.frames,
            bytes: held.bytes,
            large_bytes: held.large_bytes,
            oldest: held.entries.iter().find_map(|place| match place {
                Place::Held(entry) => Some(entry.pts),
                Place::Never | Place::Left => None,
            }),
            first: held.first,
        }
    }

    fn state(&self) -> MutexGuard<'_, TrackerState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TrackerState {
    fn enter(&mut self, number: u64, pts: u64, counted: usize) {
        if self.entries.is_empty() {
            self.first = number;
        }
        while self.first + (self.entries.len() as u64) < number {
            self.entries.push_back(Place::Never);
        }
        self.latest = number;
        let entry = Entry { pts, counted };
        self.entries.push_back(Place::Held(entry));
        self.frames += 1;
        self.bytes += counted;
        if !entry.is_small() {
            self.large += 1;
            self.large_bytes += counted;
        }
    }

    /// The last slice of a payload was dropped.
    fn leave(&mut self, number: u64) {
        let Some(place) = self.place(number) else { return };
        if matches!(self.entries.get(place), Some(Place::Held(entry)) if !entry.is_small()) {
            self.take(place, if number == self.latest { Place::Never } else { Place::Left });
            self.forget_front();
        }
    }

    fn refused(&mut self) {
        if let Some(place) = self.place(self.latest) {
            self.take(place, Place::Never);
        }
    }

    fn place(&self, number: u64) -> Option<usize> {
        number.checked_sub(self.first).and_then(|place| usize::try_from(place).ok())
    }

    fn take(&mut self, place: usize, instead: Place) {
        let Some(place) = self.entries.get_mut(place) else { return };
        let Place::Held(entry) = std::mem::replace(place, instead) else { return };
        self.frames -= 1;
        self.bytes -= entry.counted;
        if !entry.is_small() {
            self.large -= 1;
            self.large_bytes -= entry.counted;
        }
    }

    /// Forgets the large payloads at the front that left, with the small ones before them.
    fn forget_front(&mut self) {
        let decides = |place: &Place| match place {
            Place::Never => false,
            Place::Held(entry) => !entry.is_small(),
            Place::Left => true,
        };
        while let Some(place) = self.entries.iter().position(decides) {
            if matches!(self.entries.get(place), Some(Place::Held(_))) {
                return;
            }
            (0..place).for_each(|small| self.take(small, Place::Left));
            self.entries.drain(..=place);
            self.first += place as u64 + 1;
        }
    }
}

impl AsRef<[u8]> for TrackedPayload {
    fn as_ref(&self) -> &[u8] {
        &self.data
    }
}

impl Drop for TrackedPayload {
    fn drop(&mut self) {
        self.payload_tracker.state().leave(self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hands over frames of these sizes, numbered from 0, and returns their payloads. None of them is the latest.
    fn held(tracker: &PayloadTracker, sizes: &[usize]) -> Vec<Option<Bytes>> {
        let put = |(number, &size): (u64, &usize)| {
            tracker.hand_over(number, number * 40, size);
            Some(tracker.watch(number, vec![0; size]))
        };
        let payloads = (0..).zip(sizes).map(put).collect();
        tracker.hand_over(sizes.len() as u64, 9999, 1);
        payloads
    }

    #[test]
    fn small_payloads_count_until_the_next_large_one_has_left() {
        let tracker = PayloadTracker::default();
        let mut payloads = held(&tracker, &[5000, 200, 300, 4000, 100]);
        payloads[1] = None;
        payloads[2] = None;
        assert_eq!((tracker.held().frames, tracker.held().large_bytes), (6, 9000), "copied, and held");
        payloads[0] = None;
        assert_eq!((tracker.held().frames, tracker.held().oldest), (5, Some(40)), "the next large one is held");
        payloads[3] = None;
        assert_eq!(tracker.held().frames, 0, "nothing large is held");
    }

    #[test]
    fn a_refused_frame_was_never_held() {
        let tracker = PayloadTracker::default();
        let payloads = held(&tracker, &[200, 5000]);
        tracker.refused();
        tracker.hand_over(3, 120, 6000);
        drop(tracker.watch(3, vec![0; 6000]));
        assert_eq!((tracker.held().frames, tracker.held().bytes), (2, 5200), "the small one at the front stays");
        drop(payloads);
        assert_eq!(tracker.held().frames, 0);
    }
}

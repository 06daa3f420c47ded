//! Counts the payloads that the producer holds: each payload reports when its last slice is dropped.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

/// The payloads that were submitted and not yet dropped. Clones share the same state.
#[derive(Clone, Debug, Default)]
pub(crate) struct PayloadTracker(Arc<Mutex<TrackerState>>);

#[derive(Debug, Default)]
struct TrackerState {
    /// The times of the frames from number `first` on, as long as they are held.
    times: VecDeque<Option<u64>>,
    first: u64,
    frames: usize,
    bytes: usize,
}

/// A snapshot of the tracker.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct HeldPayloads {
    pub(crate) frames: usize,
    pub(crate) bytes: usize,
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
    counted: usize,
    data: Vec<u8>,
}

impl PayloadTracker {
    /// Returns payload bytes that are tracked until their last slice is dropped; they count as `counted`.
    pub(crate) fn watch(&self, number: u64, counted: usize, data: Vec<u8>) -> Bytes {
        Bytes::from_owner(TrackedPayload { payload_tracker: self.clone(), number, counted, data })
    }

    /// Starts to count a frame as held. Numbers increase.
    pub(crate) fn hand_over(&self, number: u64, pts: u64, counted: usize) {
        self.state().enter(number, pts, counted);
    }

    pub(crate) fn held(&self) -> HeldPayloads {
        let held = self.state();
        HeldPayloads {
            frames: held.frames,
            bytes: held.bytes,
            oldest: held.times.front().copied().flatten(),
            first: held.first,
        }
    }

    fn state(&self) -> MutexGuard<'_, TrackerState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TrackerState {
    fn enter(&mut self, number: u64, pts: u64, counted: usize) {
        if self.times.is_empty() {
            self.first = number;
        }
        while self.first + (self.times.len() as u64) < number {
            self.times.push_back(None);
        }
        self.times.push_back(Some(pts));
        self.frames += 1;
        self.bytes += counted;
    }

    fn leave(&mut self, number: u64, counted: usize) {
        let place = number.checked_sub(self.first).and_then(|place| usize::try_from(place).ok());
        if place.and_then(|place| self.times.get_mut(place)?.take()).is_none() {
            return;
        }
        self.frames -= 1;
        self.bytes -= counted;
        while self.times.front().is_some_and(Option::is_none) {
            self.times.pop_front();
            self.first += 1;
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
        self.payload_tracker.state().leave(self.number, self.counted);
    }
}

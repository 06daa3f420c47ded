//! What the producer holds, counted from outside: every payload tells when it is let go.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

/// The payloads that were handed over and that somebody still holds. Clones are the same ledger.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger(Arc<Mutex<Held>>);

#[derive(Debug, Default)]
struct Held {
    /// The times of the frames from number `first` on, as long as they are held.
    times: VecDeque<Option<u64>>,
    first: u64,
    frames: usize,
    bytes: usize,
}

/// A look at the ledger.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Holding {
    pub(crate) frames: usize,
    pub(crate) bytes: usize,
    /// The time of the frame that has been held longest, in ms.
    pub(crate) oldest: Option<u64>,
    /// No frame before this number is held.
    pub(crate) first: u64,
}

/// Payload bytes that strike themselves off when the last slice of them is dropped.
#[derive(Debug)]
struct Watched {
    ledger: Ledger,
    number: u64,
    counted: usize,
    data: Vec<u8>,
}

impl Ledger {
    /// Bytes that leave the ledger, if they are in it, with the last slice of them; they count as `counted`.
    pub(crate) fn watch(&self, number: u64, counted: usize, data: Vec<u8>) -> Bytes {
        Bytes::from_owner(Watched { ledger: self.clone(), number, counted, data })
    }

    /// From now on the frame of this number is in other hands than the source's. Numbers rise.
    pub(crate) fn hand_over(&self, number: u64, pts: u64, counted: usize) {
        self.held().enter(number, pts, counted);
    }

    pub(crate) fn holding(&self) -> Holding {
        let held = self.held();
        Holding {
            frames: held.frames,
            bytes: held.bytes,
            oldest: held.times.front().copied().flatten(),
            first: held.first,
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
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

impl AsRef<[u8]> for Watched {
    fn as_ref(&self) -> &[u8] {
        &self.data
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.ledger.held().leave(self.number, self.counted);
    }
}

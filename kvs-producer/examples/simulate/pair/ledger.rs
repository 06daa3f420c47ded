//! What the producer holds, counted from outside: every payload tells when it is let go.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

/// The payloads that somebody still holds. Clones are the same ledger.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger(Arc<Mutex<Held>>);

/// Frames by number with their times and bytes, and the bytes of all.
#[derive(Debug, Default)]
struct Held {
    frames: BTreeMap<u64, (u64, usize)>,
    bytes: usize,
}

/// A look at the ledger.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Holding {
    pub(crate) frames: usize,
    pub(crate) bytes: usize,
    /// The time of the frame that has been held longest, in ms.
    pub(crate) oldest: Option<u64>,
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
    /// Bytes that are in the ledger, counted as `counted`, as long as any slice of them lives.
    pub(crate) fn watch(&self, number: u64, pts: u64, counted: usize, data: Vec<u8>) -> Bytes {
        let mut held = self.held();
        held.frames.insert(number, (pts, counted));
        held.bytes += counted;
        drop(held);
        Bytes::from_owner(Watched { ledger: self.clone(), number, counted, data })
    }

    /// What is held of the frames below this number: the source makes several before the first of them is put.
    pub(crate) fn holding(&self, below: u64) -> Holding {
        let held = self.held();
        let (mut frames, mut bytes) = (held.frames.len(), held.bytes);
        for (_, counted) in held.frames.range(below..).map(|(_, frame)| frame) {
            frames -= 1;
            bytes -= counted;
        }
        Holding { frames, bytes, oldest: held.frames.range(..below).next().map(|(_, (pts, _))| *pts) }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AsRef<[u8]> for Watched {
    fn as_ref(&self) -> &[u8] {
        &self.data
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let mut held = self.ledger.held();
        held.frames.remove(&self.number);
        held.bytes -= self.counted;
    }
}

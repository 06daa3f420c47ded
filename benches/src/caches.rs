//! Received data is in memory, but not in the caches of the processor that parses it.

use std::hint::black_box;

/// Bytes that are read to replace the contents of the caches.
///
/// ```
/// assert!(kvs_benches::caches::Caches::default().evict() > 0);
/// ```
#[derive(Debug)]
pub struct Caches {
    other: Vec<u8>,
}

/// More than the caches of one core, and twice the shared cache of a desktop machine. The shared cache of a server is larger:
/// there, the stream must be larger than it.
const EVICT_BYTES: usize = 64 << 20;

impl Default for Caches {
    fn default() -> Self {
        Self { other: vec![1; EVICT_BYTES] }
    }
}

impl Caches {
    /// Reads one byte of every cache line and returns their sum.
    #[must_use]
    pub fn evict(&self) -> u64 {
        black_box(self.other.iter().step_by(64).map(|&byte| u64::from(byte)).sum())
    }
}

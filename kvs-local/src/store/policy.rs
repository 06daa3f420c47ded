//! How the store writes, and what trimming keeps.

use std::time::SystemTime;

use super::disk::Durability;
use super::limits;

/// How the store writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StorePolicy {
    /// What a stored fragment survives. Default: [`Durability::Synced`], which costs one `fdatasync` per fragment.
    pub durability: Durability,
    /// Size of segment files in bytes. Default [`limits::SEGMENT_BYTES`].
    pub segment_bytes: u64,
}

impl Default for StorePolicy {
    fn default() -> Self {
        Self { durability: Durability::Synced, segment_bytes: limits::SEGMENT_BYTES }
    }
}

impl StorePolicy {
    /// Sets what a stored fragment survives.
    #[must_use]
    pub const fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Sets the size in bytes at which a segment file is sealed; at most 4 GiB minus the largest fragment.
    #[must_use]
    pub fn segment_bytes(mut self, bytes: u64) -> Self {
        self.segment_bytes = bytes.min(u64::from(u32::MAX - limits::MEDIA_BYTES - limits::META_BYTES));
        self
    }
}

/// What trimming keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "an age and an amount")]
pub struct Keep {
    /// Keeps fragments with a server timestamp at or after this.
    pub since: SystemTime,
    /// Keeps at most this many bytes; `u64::MAX` means no limit.
    pub bytes: u64,
}

/// What trimming removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Trimmed {
    /// Number of fragments.
    pub fragments: usize,
    /// Bytes of media. Disk space is freed once all fragments of a segment are removed.
    pub bytes: u64,
}

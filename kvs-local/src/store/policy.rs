//! How a store writes and what it keeps.

use std::time::SystemTime;

use super::disk::Durability;
use super::limits;

/// How a store writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StorePolicy {
    /// What a fragment survives once it is stored. Default: the loss of power, for one `fdatasync` a fragment.
    pub durability: Durability,
    /// Size of segment files. Default [`limits::SEGMENT_BYTES`].
    pub segment_bytes: u64,
}

impl Default for StorePolicy {
    fn default() -> Self {
        Self { durability: Durability::Synced, segment_bytes: limits::SEGMENT_BYTES }
    }
}

impl StorePolicy {
    /// What a fragment survives once it is stored.
    #[must_use]
    pub const fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Size at which a segment file is sealed, at most 4 GiB less the largest fragment.
    #[must_use]
    pub fn segment_bytes(mut self, bytes: u64) -> Self {
        self.segment_bytes = bytes.min(u64::from(u32::MAX - limits::MEDIA_BYTES - limits::META_BYTES));
        self
    }
}

/// What is to stay when a stream is trimmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "an age and an amount")]
pub struct Keep {
    /// Fragments that the service began to receive at or after this stay.
    pub since: SystemTime,
    /// At most this many bytes stay; `u64::MAX` for no bound.
    pub bytes: u64,
}

/// What went when a stream was trimmed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Trimmed {
    /// How many fragments.
    pub fragments: usize,
    /// How many bytes of media. Disk space is freed when all fragments of a segment are gone.
    pub bytes: u64,
}

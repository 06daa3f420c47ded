//! The settings of a spool.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::config::SpoolOrder;

/// Where and how a producer keeps media that does not fit into its memory.
///
/// ```
/// use kvs_producer::{ProducerConfig, SpoolConfig, SpoolOrder};
///
/// # let tracks = Vec::new();
/// let spool = SpoolConfig::new("/var/lib/camera/spool").bytes(4 << 30).order(SpoolOrder::NewestFirst);
/// let config = ProducerConfig::new("front-door", tracks).spool(spool);
/// # let _ = config;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpoolConfig {
    dir: PathBuf,
    bytes: u64,
    order: SpoolOrder,
    after: Duration,
}

impl SpoolConfig {
    /// Creates the settings of a spool in this folder, which belongs to one stream. It is created if needed, with access for
    /// its owner only.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into(), bytes: DEFAULT_BYTES, order: SpoolOrder::default(), after: DEFAULT_AFTER }
    }

    /// Sets the limit of all files together in bytes: at least 1 MiB, default 1 GiB. When it is reached, the oldest
    /// sixteenth is dropped and reported as lost, or with [`Overflow::Refuse`](crate::Overflow::Refuse) the producer refuses
    /// frames.
    #[must_use]
    pub const fn bytes(mut self, bytes: u64) -> Self {
        self.bytes = bytes;
        self
    }

    /// Sets the order of sending. Default: [`SpoolOrder::OldestFirst`].
    #[must_use]
    pub const fn order(mut self, order: SpoolOrder) -> Self {
        self.order = order;
        self
    }

    /// Sets how much media waits in memory before it is written. Default: 10 s. During an outage, this and the fragment that is
    /// filling is what a power loss costs; zero writes every complete fragment at once. Media is written sooner when half of
    /// the buffer is in use.
    #[must_use]
    pub const fn after(mut self, after: Duration) -> Self {
        self.after = after;
        self
    }

    pub(crate) const fn write_after(&self) -> Duration {
        self.after
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) const fn limit(&self) -> u64 {
        self.bytes
    }

    pub(crate) const fn order_of_sending(&self) -> SpoolOrder {
        self.order
    }
}

const DEFAULT_BYTES: u64 = 1 << 30;
const DEFAULT_AFTER: Duration = Duration::from_secs(10);
/// A smaller spool holds no key frame of a large picture.
pub(crate) const LEAST_BYTES: u64 = 1 << 20;

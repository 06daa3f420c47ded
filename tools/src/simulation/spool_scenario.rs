//! Everything that a seed decides about a producer with a spool.

use std::time::Duration;

use fastrand::Rng;
use kvs_producer::{Overflow, ProducerConfig, SpoolConfig, SpoolOrder};

use super::scenario::Scenario;

/// What happens to a producer with a spool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SpoolFault {
    /// No connection can be opened, and the open one breaks.
    Outage,
    /// The disk is full.
    DiskFull,
    /// The disk is read-only.
    ReadOnly,
    /// Syncing fails.
    NoSync,
    /// The disk takes seconds for each request.
    SlowDisk,
    /// The process is killed, and started again.
    Kill,
    /// The power fails, and comes back.
    PowerLoss,
    /// The producer is stopped in order, and started again.
    Stop,
}

/// All of them.
pub const SPOOL_FAULTS: [SpoolFault; 8] = [
    SpoolFault::Outage,
    SpoolFault::DiskFull,
    SpoolFault::ReadOnly,
    SpoolFault::NoSync,
    SpoolFault::SlowDisk,
    SpoolFault::Kill,
    SpoolFault::PowerLoss,
    SpoolFault::Stop,
];

/// Media and link are those of a [`Scenario`], without its faults.
#[derive(Clone, Debug)]
pub(crate) struct SpoolScenario {
    pub(crate) media: Scenario,
    pub(crate) config: ProducerConfig,
    pub(crate) spool: SpoolConfig,
    pub(crate) limit: u64,
    pub(crate) overflow: Overflow,
    pub(crate) memory: usize,
    pub(crate) disk_time: Duration,
    pub(crate) length: Duration,
    pub(crate) faults: Vec<(Duration, SpoolFault, Duration)>,
}

impl SpoolScenario {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed ^ SPOOLS);
        let media = Scenario::new(seed, &mut rng);
        let ms = |rng: &mut Rng, from: u64, to: u64| Duration::from_millis(rng.u64(from..to));
        // A quarter of the spools is too small for the outages.
        let limit = if rng.u8(..4) == 0 { 1 << 20 } else { 256 << 20 };
        let order = if rng.bool() { SpoolOrder::OldestFirst } else { SpoolOrder::NewestFirst };
        let after = ms(&mut rng, 0, 20_000);
        let spool = SpoolConfig::new("simulated").bytes(limit).order(order).after(after);
        let overflow = if rng.u8(..4) == 0 { Overflow::Refuse } else { Overflow::DropOldest };
        let memory = rng.usize(800_000..3_000_000);
        let config = media.config.clone().spool(spool.clone()).overflow(overflow).buffer_bytes(memory);
        let length = ms(&mut rng, 30_000, 180_000);
        let faults = (0..rng.usize(1..8)).map(|_| {
            let at = Duration::from_millis(rng.u64(..u64::try_from(length.as_millis()).unwrap_or(1)));
            (at, SPOOL_FAULTS[rng.usize(..SPOOL_FAULTS.len())], ms(&mut rng, 500, 60_000))
        });
        let faults = faults.collect();
        Self { media, config, spool, limit, overflow, memory, disk_time: ms(&mut rng, 1, 50), length, faults }
    }
}

/// Makes numbers of their own from a seed.
const SPOOLS: u64 = 0x5b00_15b0_015b_0015;

//! What a flaky link does to each connection.

use std::time::Duration;

use fastrand::Rng;

/// How a link treats its connections.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct LinkPlan {
    /// When connections are reset.
    pub resets: Resets,
    /// Bytes per second of all connections together, from the client to the service. Default: no limit.
    pub uplink: Option<u64>,
    /// Delay in each direction. Default: none.
    pub delay: Duration,
    /// Decides when each connection is reset.
    pub seed: u64,
}

/// When a connection is reset. The distances are distributed exponentially, so a connection has no memory of its age.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "a link breaks by load, by age, or not at all")]
pub enum Resets {
    /// Never.
    Never,
    /// After this many bytes from the client, on average.
    Bytes(u64),
    /// After this time, on average.
    Time(Duration),
}

impl LinkPlan {
    /// Creates a plan without a rate limit and without delay.
    #[must_use]
    pub const fn new(resets: Resets, seed: u64) -> Self {
        Self { resets, uplink: None, delay: Duration::ZERO, seed }
    }

    /// Sets the rate in bytes per second.
    #[must_use]
    pub const fn with_uplink(mut self, bytes_per_second: u64) -> Self {
        self.uplink = Some(bytes_per_second);
        self
    }

    /// Sets the delay in each direction.
    #[must_use]
    pub const fn with_delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// The fate of the next connection.
    pub(super) fn fate(&self, rng: &mut Rng) -> Fate {
        // The inverse of the exponential distribution; `1 - f64()` is never zero.
        let distance = -(1.0 - rng.f64()).ln();
        match self.resets {
            Resets::Never => Fate::NONE,
            Resets::Bytes(mean) => Fate { bytes: (mean as f64 * distance) as u64, age: FOREVER },
            Resets::Time(mean) => Fate { bytes: u64::MAX, age: mean.mul_f64(distance) },
        }
    }
}

/// When one connection is reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fate {
    /// Bytes that the client may send.
    pub(super) bytes: u64,
    pub(super) age: Duration,
}

impl Fate {
    /// The connection is not reset.
    pub(super) const NONE: Self = Self { bytes: u64::MAX, age: FOREVER };
}

/// Longer than any run.
const FOREVER: Duration = Duration::from_secs(365 * 24 * 3600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_have_the_mean_of_the_plan() {
        let (plan, mut rng) = (LinkPlan::new(Resets::Bytes(1_000_000), 1), Rng::with_seed(1));
        let mean = (0..10_000).map(|_| plan.fate(&mut rng).bytes as f64).sum::<f64>() / 10_000.0;
        assert!((0.95..1.05).contains(&(mean / 1e6)), "{mean}");
    }
}

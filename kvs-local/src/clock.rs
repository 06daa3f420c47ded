//! The clocks of the service.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use kvs_types::__internal::epoch_seconds_to_millis;

use crate::api::ApiError;
use crate::ingest::Now;

/// The wall clock of the service: the clock of the machine, or one that a test controls.
///
/// It is used for timestamps of fragments, images and streams, for retention and for the age of signatures.
#[derive(Clone)]
pub(crate) struct Clock(Arc<dyn Fn() -> SystemTime + Send + Sync>);

impl Clock {
    /// The clock of the machine.
    pub(crate) fn system() -> Self {
        Self(Arc::new(SystemTime::now))
    }

    /// A clock that returns what `now` returns.
    pub(crate) fn new(now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// Returns the wall time.
    pub(crate) fn wall(&self) -> SystemTime {
        (self.0)()
    }

    /// Reads the monotonic and the wall clock.
    pub(crate) fn now(&self) -> Now {
        // tokio's clock, so that tests can pause it.
        Now { at: tokio::time::Instant::now().into_std(), wall: self.wall() }
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

/// Returns epoch seconds as the JSON of the service has them: a number with up to three decimals, `1700000000.0` at a whole
/// second.
///
/// The types of `kvs-types` write `1700000000` there, as SDKs do in requests; boto3 would read both.
#[expect(clippy::cast_precision_loss, reason = "an f64 is exact to the millisecond for 285,000 years")]
pub(crate) fn json_seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}

/// Converts the epoch seconds of a member to milliseconds.
pub(crate) fn from_json_seconds(member: &str, seconds: f64) -> Result<u64, ApiError> {
    epoch_seconds_to_millis(seconds)
        .ok_or_else(|| ApiError::invalid(format!("{member} must be seconds since 1970, but is {seconds:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_seconds_round_trip_to_the_millisecond() {
        for ms in [0, 1, 1_705_489_836_421, 1_650_000_000_999, 253_402_300_799_000] {
            assert_eq!(from_json_seconds("T", json_seconds(ms)), Ok(ms));
        }
        for bad in [-1.0, f64::NAN, f64::INFINITY, 1e300] {
            assert!(from_json_seconds("T", bad).is_err());
        }
    }
}

//! Where the service takes the wall time from.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::api::ApiError;

/// The wall clock of the service: the machine's, or one that a test turns.
///
/// It dates fragments, images and streams, trims what retention no longer covers and judges the age of signatures.
#[derive(Clone)]
pub(crate) struct Clock(Arc<dyn Fn() -> SystemTime + Send + Sync>);

impl Clock {
    /// The machine's clock.
    pub(crate) fn system() -> Self {
        Self(Arc::new(SystemTime::now))
    }

    /// A clock that says what `now` says.
    pub(crate) fn new(now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// The wall time.
    pub(crate) fn wall(&self) -> SystemTime {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

/// Milliseconds since 1970; 0 for what lies before.
pub(crate) fn epoch_ms(at: SystemTime) -> u64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// The time that is `ms` milliseconds after 1970, as far as the system can say it.
pub(crate) fn from_epoch_ms(ms: u64) -> SystemTime {
    UNIX_EPOCH.checked_add(Duration::from_millis(ms)).unwrap_or(UNIX_EPOCH)
}

/// Epoch seconds as the JSON of the service carries them: a number with milliseconds behind the point.
#[expect(clippy::cast_precision_loss, reason = "an f64 holds milliseconds exactly for 285,000 years")]
pub(crate) fn json_seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}

/// Reads epoch seconds out of JSON to the nearest millisecond: truncation would turn 1.705489836421E9 into a ms less.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the value was just found to lie between 0 and the year 9999"
)]
pub(crate) fn from_json_seconds(member: &str, seconds: f64) -> Result<u64, ApiError> {
    const YEAR_9999: f64 = 253_402_300_799.0;
    if (0.0..=YEAR_9999).contains(&seconds) {
        return Ok((seconds * 1000.0).round() as u64);
    }
    Err(ApiError::invalid(format!("{member} must be seconds since 1970, but is {seconds:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_come_in_and_go_out_to_the_millisecond() {
        for ms in [0, 1, 1_705_489_836_421, 1_650_000_000_999, 253_402_300_799_000] {
            assert_eq!(from_json_seconds("T", json_seconds(ms)), Ok(ms));
        }
        for bad in [-1.0, f64::NAN, f64::INFINITY, 1e300] {
            assert!(from_json_seconds("T", bad).is_err());
        }
    }
}

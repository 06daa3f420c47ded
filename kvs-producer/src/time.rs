//! Points in time: whole milliseconds inside the crate, `SystemTime` in its public API.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kvs_types::__internal::from_epoch_millis_checked;

/// Returns the whole milliseconds of a duration, or `u64::MAX` if there are more.
#[inline]
pub(crate) const fn millis(duration: Duration) -> u64 {
    duration.as_secs().saturating_mul(1000).saturating_add(duration.subsec_millis() as u64)
}

/// Returns the time at `ms` milliseconds since the Unix epoch; the epoch itself if the platform cannot represent it.
pub(crate) fn system_time(ms: u64) -> SystemTime {
    from_epoch_millis_checked(ms).unwrap_or(UNIX_EPOCH)
}

/// Returns the time since the Unix epoch; zero for earlier times.
pub(crate) fn since_epoch(time: SystemTime) -> Duration {
    time.duration_since(UNIX_EPOCH).unwrap_or_default()
}

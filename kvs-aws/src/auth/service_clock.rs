//! The wall clock, corrected by the `Date` headers of the service.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use kvs_types::__internal::epoch_millis;

/// The wall clock of this machine, or the one that a configuration sets.
#[derive(Clone)]
pub(crate) struct Clock(pub(crate) Arc<dyn Fn() -> SystemTime + Send + Sync>);

/// A wall clock with the offset to the service's clock.
#[derive(Debug)]
pub(crate) struct ServiceClock {
    local: Clock,
    /// The service's clock minus the local one, in milliseconds.
    skew_millis: AtomicI64,
}

impl Clock {
    pub(crate) fn system() -> Self {
        Self(Arc::new(SystemTime::now))
    }
}

impl ServiceClock {
    pub(crate) const fn new(local: Clock) -> Self {
        Self { local, skew_millis: AtomicI64::new(0) }
    }

    pub(crate) fn now(&self) -> SystemTime {
        let (now, skew) = ((self.local.0)(), self.skew_millis.load(Ordering::Relaxed));
        let by = Duration::from_millis(skew.unsigned_abs());
        let corrected = if skew < 0 { now.checked_sub(by) } else { now.checked_add(by) };
        corrected.unwrap_or(now)
    }

    /// Sets the service's current time. Returns the new offset in milliseconds.
    pub(crate) fn set(&self, date: SystemTime) -> i64 {
        let millis = |time| i64::try_from(epoch_millis(time)).unwrap_or(i64::MAX);
        let skew = millis(date).saturating_sub(millis((self.local.0)()));
        self.skew_millis.store(skew, Ordering::Relaxed);
        skew
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

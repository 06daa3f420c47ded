//! Our clock, and what a service's answers tell of theirs.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use kvs_types::__internal::epoch_millis;

/// The wall clock of this machine.
#[derive(Clone)]
pub(crate) struct Clock(pub(crate) Arc<dyn Fn() -> SystemTime + Send + Sync>);

/// A wall clock, corrected by the service's.
#[derive(Debug)]
pub(crate) struct ServiceClock {
    ours: Clock,
    /// What to add to our clock to get the service's, in milliseconds.
    skew_millis: AtomicI64,
}

impl Clock {
    pub(crate) fn system() -> Self {
        Self(Arc::new(SystemTime::now))
    }
}

impl ServiceClock {
    pub(crate) const fn new(ours: Clock) -> Self {
        Self { ours, skew_millis: AtomicI64::new(0) }
    }

    pub(crate) fn now(&self) -> SystemTime {
        let (now, skew) = ((self.ours.0)(), self.skew_millis.load(Ordering::Relaxed));
        let by = Duration::from_millis(skew.unsigned_abs());
        let corrected = if skew < 0 { now.checked_sub(by) } else { now.checked_add(by) };
        corrected.unwrap_or(now)
    }

    /// Learns that it is `date` for the service now; says how far our clock is off, in milliseconds.
    pub(crate) fn learn(&self, date: SystemTime) -> i64 {
        let millis = |time| i64::try_from(epoch_millis(time)).unwrap_or(i64::MAX);
        let skew = millis(date).saturating_sub(millis((self.ours.0)()));
        self.skew_millis.store(skew, Ordering::Relaxed);
        skew
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

//! Budgets for the memory of decoding, shared by all requests and images of the process.
//!
//! Whoever puts media decides how large its pictures are. Without a budget, a handful of fragments at the limits would take
//! gigabytes in parallel; with it, their decoders wait for each other.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::limits;

/// Bytes that may be in use at a time.
#[derive(Debug)]
pub(super) struct Budget {
    total: u64,
    used: Mutex<u64>,
    given_back: Condvar,
}

/// The pictures of all decoders.
pub(super) static DECODERS: Budget = Budget::new(limits::DECODER_BYTES);
/// The media that is kept so that it is read only once.
pub(super) static KEPT_MEDIA: Budget = Budget::new(limits::KEPT_BYTES as u64);

/// A part of a budget; given back when dropped.
#[derive(Debug)]
pub(super) struct Reservation<'a> {
    budget: &'a Budget,
    bytes: u64,
}

impl Budget {
    const fn new(total: u64) -> Self {
        Self { total, used: Mutex::new(0), given_back: Condvar::new() }
    }

    /// Takes a part of the budget if there is room.
    pub(super) fn try_reserve(&self, bytes: u64) -> Option<Reservation<'_>> {
        let mut used = self.used();
        let taken = used.checked_add(bytes).filter(|taken| *taken <= self.total)?;
        *used = taken;
        Some(Reservation { budget: self, bytes })
    }

    /// Waits for room; returns `None` once `canceled` returns `true`. A request for more than the whole budget gets all of it.
    /// A thread must not wait while it holds a part of the same budget.
    pub(super) fn reserve(&self, bytes: u64, canceled: &dyn Fn() -> bool) -> Option<Reservation<'_>> {
        let bytes = bytes.min(self.total);
        loop {
            if canceled() {
                return None;
            }
            if let Some(reservation) = self.try_reserve(bytes) {
                return Some(reservation);
            }
            let used = self.used();
            if used.saturating_add(bytes) > self.total {
                drop(self.given_back.wait_timeout(used, CANCEL_CHECK).unwrap_or_else(PoisonError::into_inner));
            }
        }
    }

    fn used(&self) -> MutexGuard<'_, u64> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How often a waiting thread looks whether it was canceled.
const CANCEL_CHECK: Duration = Duration::from_millis(50);

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        let mut used = self.budget.used();
        *used = used.saturating_sub(self.bytes);
        drop(used);
        self.budget.given_back.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn never_more_than_the_budget_is_in_use() {
        let budget = Budget::new(100);
        let (now, most) = (AtomicU64::new(0), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for bytes in [30, 40, 50, 60, 500, 10, 20, 100] {
                let (budget, now, most) = (&budget, &now, &most);
                scope.spawn(move || {
                    for _ in 0..200 {
                        let held = budget.reserve(bytes, &|| false).unwrap();
                        most.fetch_max(now.fetch_add(held.bytes, Ordering::SeqCst) + held.bytes, Ordering::SeqCst);
                        now.fetch_sub(held.bytes, Ordering::SeqCst);
                    }
                });
            }
        });
        assert!(most.into_inner() <= 100);
        assert_eq!(*budget.used(), 0, "all is given back");
    }

    #[test]
    fn a_waiting_thread_can_be_canceled() {
        let budget = Budget::new(100);
        let _all = budget.try_reserve(100).unwrap();
        assert!(budget.try_reserve(1).is_none());
        let start = std::time::Instant::now();
        assert!(budget.reserve(1, &|| start.elapsed() > Duration::from_millis(20)).is_none());
    }
}

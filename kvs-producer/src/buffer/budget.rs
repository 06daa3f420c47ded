//! A memory budget that the streams of one process share.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A limit for the buffers of several streams together. Clones share the same budget.
///
/// Half of the budget is divided evenly: each stream always gets its part. The other half goes to the streams that need it
/// first, so a stream in an outage may use more than its part, but never what other streams are guaranteed. A stream that
/// finds nothing left drops its own oldest fragment or rejects the frame, as its [`Overflow`](crate::Overflow) policy says;
/// it never affects the media of other streams.
///
/// When a stream joins, the guaranteed parts shrink. Streams that hold more than their new part return the excess as they
/// send, or with their next frame.
///
/// ```
/// use kvs_producer::{ProducerConfig, SharedBudget};
///
/// let budget = SharedBudget::new(64 << 20);
/// # let tracks = Vec::new();
/// let config = ProducerConfig::new("front-door", tracks).shared_budget(budget.clone());
/// # let _ = config;
/// ```
#[derive(Clone, Debug)]
pub struct SharedBudget(Arc<Pool>);

#[derive(Debug)]
struct Pool {
    total: usize,
    members: AtomicUsize,
    /// Bytes in use of the undivided half.
    common: AtomicUsize,
}

impl SharedBudget {
    /// Creates a budget of this many bytes.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        Self(Arc::new(Pool { total: bytes, members: AtomicUsize::new(0), common: AtomicUsize::new(0) }))
    }

    /// Returns the size of the budget in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0.total
    }

    /// Returns the number of streams that share the budget now.
    #[must_use]
    pub fn streams(&self) -> usize {
        self.0.members.load(Ordering::Relaxed)
    }
}

/// What one stream uses of a budget.
#[derive(Debug)]
pub(crate) struct BudgetShare {
    pool: Arc<Pool>,
    /// Bytes taken from the undivided half.
    taken: usize,
}

impl BudgetShare {
    pub(crate) fn new(budget: &SharedBudget) -> Self {
        budget.0.members.fetch_add(1, Ordering::Relaxed);
        Self { pool: Arc::clone(&budget.0), taken: 0 }
    }

    /// An even part of the whole budget.
    pub(crate) fn fair_part(&self) -> usize {
        self.pool.total / self.pool.members.load(Ordering::Relaxed).max(1)
    }

    /// Changes what the stream uses to `bytes` in total. Returns false and changes nothing if the budget has too few left.
    pub(crate) fn resize(&mut self, bytes: usize) -> bool {
        let guaranteed = self.pool.total / 2 / self.pool.members.load(Ordering::Relaxed).max(1);
        let wanted = bytes.saturating_sub(guaranteed);
        if wanted <= self.taken {
            self.pool.common.fetch_sub(self.taken - wanted, Ordering::Relaxed);
            self.taken = wanted;
            return true;
        }
        let (more, limit) = (wanted - self.taken, self.pool.total / 2);
        let take = |common: usize| common.checked_add(more).filter(|&common| common <= limit);
        let held = self.pool.common.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok();
        if held {
            self.taken = wanted;
        }
        held
    }
}

impl Drop for BudgetShare {
    fn drop(&mut self) {
        self.pool.common.fetch_sub(self.taken, Ordering::Relaxed);
        self.pool.members.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_may_use_more_than_its_part_but_not_what_others_are_guaranteed() {
        let budget = SharedBudget::new(1000);
        let (mut a, mut b) = (BudgetShare::new(&budget), BudgetShare::new(&budget));
        assert!(a.resize(750) && !a.resize(751));
        assert!(b.resize(250) && !b.resize(251));
        assert!(a.resize(600) && b.resize(400) && !b.resize(401));
        drop(a);
        assert_eq!(budget.streams(), 1);
        assert!(b.resize(1000) && !b.resize(1001));
        drop(b);
        assert_eq!((budget.streams(), budget.0.common.load(Ordering::Relaxed)), (0, 0));
    }
}

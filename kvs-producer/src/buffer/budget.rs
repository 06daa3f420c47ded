//! Memory that the streams of one process share.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A bound on the buffers of several streams together; clones are the same budget.
///
/// Half of it is divided evenly: so much each stream always gets. The other half goes to whoever needs it first, so one stream
/// in an outage may use more than its part, and can never take what the others are sure of. A stream that finds nothing left
/// drops its own oldest fragment or refuses the frame, as its [`Overflow`](crate::Overflow) says; nothing of other streams is
/// ever dropped for it.
///
/// A stream that joins makes every part smaller; streams that hold more than their new part give it back as they send, or
/// with their next frame.
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
    /// Bytes in use of the half that is not divided.
    common: AtomicUsize,
}

impl SharedBudget {
    /// So many bytes for all streams that are given this.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        Self(Arc::new(Pool { total: bytes, members: AtomicUsize::new(0), common: AtomicUsize::new(0) }))
    }

    /// The bytes it was made with.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0.total
    }

    /// Streams that share it now.
    #[must_use]
    pub fn streams(&self) -> usize {
        self.0.members.load(Ordering::Relaxed)
    }
}

/// One stream's part of a budget.
#[derive(Debug)]
pub(crate) struct Share {
    pool: Arc<Pool>,
    /// What it took of the common half.
    taken: usize,
}

impl Share {
    pub(crate) fn new(budget: &SharedBudget) -> Self {
        budget.0.members.fetch_add(1, Ordering::Relaxed);
        Self { pool: Arc::clone(&budget.0), taken: 0 }
    }

    /// Holds so many bytes in all, more or fewer than before; changes nothing and says no where the budget has not so many.
    pub(crate) fn hold(&mut self, bytes: usize) -> bool {
        let sure = self.pool.total / 2 / self.pool.members.load(Ordering::Relaxed).max(1);
        let wanted = bytes.saturating_sub(sure);
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

impl Drop for Share {
    fn drop(&mut self) {
        self.pool.common.fetch_sub(self.taken, Ordering::Relaxed);
        self.pool.members.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_stream_may_use_more_than_its_part_but_never_what_the_others_are_sure_of() {
        let budget = SharedBudget::new(1000);
        let (mut a, mut b) = (Share::new(&budget), Share::new(&budget));
        assert!(a.hold(750) && !a.hold(751));
        assert!(b.hold(250) && !b.hold(251));
        assert!(a.hold(600) && b.hold(400) && !b.hold(401));
        drop(a);
        assert_eq!(budget.streams(), 1);
        assert!(b.hold(1000) && !b.hold(1001));
        drop(b);
        assert_eq!((budget.streams(), budget.0.common.load(Ordering::Relaxed)), (0, 0));
    }
}

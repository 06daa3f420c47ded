//! What the handle, the event streams and the task share.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::Notify;

use crate::producer_core::ProducerCore;

/// The core and the notifications. The lock is held for single steps of the core, never across an await.
#[derive(Debug)]
pub(super) struct Shared {
    core: Mutex<ProducerCore>,
    /// Wakes the task: the core may have something to do.
    pub(super) work: Notify,
    /// Wakes waiting users: the state of the core may have changed.
    pub(super) changed: Notify,
    /// No task drives the core any more.
    closed: AtomicBool,
}

impl Shared {
    pub(super) fn new(core: ProducerCore) -> Self {
        Self { core: Mutex::new(core), work: Notify::new(), changed: Notify::new(), closed: AtomicBool::new(false) }
    }

    /// Marks that no task drives the core any more, and wakes waiting users.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.changed.notify_waiters();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    pub(super) fn core(&self) -> MutexGuard<'_, ProducerCore> {
        // A panic while the lock is held would be a bug of the core; its state is still the best available report.
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The time of tokio's clock, which tests can pause.
pub(super) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

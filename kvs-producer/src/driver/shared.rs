//! What the handle, the event streams and the task share.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::Notify;

use crate::producer_core::ProducerCore;

/// The core and the notifications. The lock is held for one pass of the task at most, never across an await.
///
/// A [`Notified`](tokio::sync::futures::Notified) receives every `notify_waiters` since it was created, so a user creates it, checks the
/// core, and only then awaits it.
#[derive(Debug)]
pub(super) struct Shared {
    core: Mutex<ProducerCore>,
    /// Wakes the task: the core may have something to do.
    pub(super) work: Notify,
    /// Wakes users that wait for a state of the core, after each pass of the task.
    pub(super) changed: Notify,
    /// Wakes the event streams. Not after each pass: a program that reads events would be woken by each frame that is sent.
    pub(super) reported: Notify,
    /// The task looks at the core again at the end of the send interval, without being woken.
    resting: AtomicBool,
    /// No task drives the core any more.
    closed: AtomicBool,
}

impl Shared {
    pub(super) fn new(core: ProducerCore) -> Self {
        Self {
            core: Mutex::new(core),
            work: Notify::new(),
            changed: Notify::new(),
            reported: Notify::new(),
            resting: AtomicBool::new(false),
            closed: AtomicBool::new(false),
        }
    }

    /// Marks that no task drives the core any more, and wakes waiting users.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.changed.notify_waiters();
        self.reported.notify_waiters();
    }

    /// Sets whether the task rests. Called with the core locked: a frame that is put later sees it, one that was put before was sent.
    pub(super) fn set_resting(&self, resting: bool) {
        self.resting.store(resting, Ordering::Relaxed);
    }

    /// Wakes the task for a frame that was put, unless it will look anyway. A key frame ends a fragment, which does not wait.
    pub(super) fn frame_put(&self, is_keyframe: bool) {
        if is_keyframe || !self.resting.load(Ordering::Relaxed) {
            self.work.notify_one();
        }
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

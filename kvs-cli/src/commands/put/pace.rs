//! Sends the frames of a recording at the time a camera would, those due close together at once.

use std::pin::Pin;
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// Frames due within this time of each other are sent together: most processor time goes into wake-ups and writes, and
/// this takes one of each for all of them.
const STEP: Duration = Duration::from_millis(100);

/// Waits in steps.
///
/// The timer of the next step is set before that of the current one has expired: a timer earlier than all others makes the
/// runtime wake itself, with two system calls per step.
pub(crate) struct Pace {
    started: Instant,
    current: Pin<Box<Sleep>>,
    next: Pin<Box<Sleep>>,
}

impl Pace {
    /// Starts now.
    pub(crate) fn new() -> Self {
        let started = Instant::now();
        Self { started, current: Box::pin(sleep_until(started)), next: Box::pin(sleep_until(started)) }
    }

    /// Waits until the end of the step that contains this time since the start; returns at once if it is past.
    pub(crate) async fn until(&mut self, due: Duration) {
        if due <= self.started.elapsed() {
            return;
        }
        let end = self.started + up_to_multiple(due, STEP);
        if self.current.deadline() != end {
            self.current.as_mut().reset(end);
        }
        self.next.as_mut().reset(end + STEP);
        self.current.as_mut().await;
        std::mem::swap(&mut self.current, &mut self.next);
    }
}

/// The first multiple of `step` at or after `time`.
fn up_to_multiple(time: Duration, step: Duration) -> Duration {
    step.saturating_mul(u32::try_from(time.as_nanos().div_ceil(step.as_nanos())).unwrap_or(u32::MAX))
}

//! When frames of a recording are sent: as they would come from a camera, those due close together at once.

use std::pin::Pin;
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// Frames that are due within so long of each other are sent together: one wake-up and one
/// write for all of them, where most of the processor time goes.
const TOGETHER: Duration = Duration::from_millis(40);

/// Waits in steps.
///
/// The timer of the step after is set before the one at hand has run out: a timer earlier than all others makes the runtime
/// wake itself, with two system calls a step.
pub(crate) struct Pace {
    began: Instant,
    at_hand: Pin<Box<Sleep>>,
    after: Pin<Box<Sleep>>,
}

impl Pace {
    /// Begins now.
    pub(crate) fn new() -> Self {
        let began = Instant::now();
        Self { began, at_hand: Box::pin(sleep_until(began)), after: Box::pin(sleep_until(began)) }
    }

    /// Waits until the end of the step that this time from the beginning lies in; not at all if it is past.
    pub(crate) async fn until(&mut self, due: Duration) {
        if due <= self.began.elapsed() {
            return;
        }
        let end = self.began + up_to_multiple(due, TOGETHER);
        if self.at_hand.deadline() != end {
            self.at_hand.as_mut().reset(end);
        }
        self.after.as_mut().reset(end + TOGETHER);
        self.at_hand.as_mut().await;
        std::mem::swap(&mut self.at_hand, &mut self.after);
    }
}

/// The first multiple of `step` that is not before `time`.
fn up_to_multiple(time: Duration, step: Duration) -> Duration {
    step.saturating_mul(u32::try_from(time.as_nanos().div_ceil(step.as_nanos())).unwrap_or(u32::MAX))
}

//! Canceling the images and messages that are being delivered.

use tokio::sync::watch;

/// How work is to end.
///
/// ```text
/// Working ──cancel──> Canceled ──abandon──> Abandoned
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Working,
    /// Work ends as soon as it can.
    Canceled,
    /// Nobody waits for work that goes on, such as the decoding of a picture: it is reported as canceled.
    Abandoned,
}

/// Cancels; also when dropped.
#[derive(Debug)]
pub(super) struct Cancel(watch::Sender<Stage>);

/// Tells work that it is canceled.
#[derive(Clone, Debug)]
pub(super) struct Canceled(watch::Receiver<Stage>);

/// Returns both ends.
pub(super) fn channel() -> (Cancel, Canceled) {
    let (sender, receiver) = watch::channel(Stage::Working);
    (Cancel(sender), Canceled(receiver))
}

impl Cancel {
    pub(super) fn cancel(&self) {
        self.0.send_replace(Stage::Canceled);
    }

    /// Stops waiting for work that was canceled.
    pub(super) fn abandon(&self) {
        self.0.send_replace(Stage::Abandoned);
    }
}

impl Drop for Cancel {
    fn drop(&mut self) {
        self.abandon();
    }
}

impl Canceled {
    /// Returns whether the work is canceled, for threads that do not wait.
    pub(super) fn is_set(&self) -> bool {
        *self.0.borrow() >= Stage::Canceled
    }

    /// Waits until the work is canceled.
    pub(super) async fn set(&self) {
        self.reached(Stage::Canceled).await;
    }

    /// Waits until the work is not waited for anymore.
    pub(super) async fn abandoned(&self) {
        self.reached(Stage::Abandoned).await;
    }

    async fn reached(&self, stage: Stage) {
        // Fails only if the sender was dropped, which cancels.
        let _ = self.0.clone().wait_for(|current| *current >= stage).await;
    }
}

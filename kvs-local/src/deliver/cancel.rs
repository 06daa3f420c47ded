//! Canceling the images that are being made and stored.

use tokio::sync::watch;

/// Cancels; also when dropped.
#[derive(Debug)]
pub(super) struct Cancel(watch::Sender<bool>);

/// Tells work that it is canceled.
#[derive(Clone, Debug)]
pub(super) struct Canceled(watch::Receiver<bool>);

/// Returns both ends.
pub(super) fn channel() -> (Cancel, Canceled) {
    let (sender, receiver) = watch::channel(false);
    (Cancel(sender), Canceled(receiver))
}

impl Cancel {
    pub(super) fn cancel(&self) {
        self.0.send_replace(true);
    }
}

impl Drop for Cancel {
    fn drop(&mut self) {
        self.cancel();
    }
}

impl Canceled {
    /// Returns whether the work is canceled, for threads that do not wait.
    pub(super) fn is_set(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until the work is canceled.
    pub(super) async fn set(&self) {
        // Fails only if the sender was dropped, which cancels.
        let _ = self.0.clone().wait_for(|canceled| *canceled).await;
    }
}

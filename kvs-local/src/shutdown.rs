//! The signal that the service is stopping.

use tokio::sync::watch;

/// Sends the signal; dropping it sends it too.
#[derive(Debug)]
pub(crate) struct ShutdownSender(watch::Sender<bool>);

/// Tells a task that the service is stopping.
#[derive(Clone, Debug)]
pub(crate) struct Shutdown(watch::Receiver<bool>);

/// A sender and the receiver that all tasks clone.
pub(crate) fn channel() -> (ShutdownSender, Shutdown) {
    let (sender, receiver) = watch::channel(false);
    (ShutdownSender(sender), Shutdown(receiver))
}

impl ShutdownSender {
    /// Asks every task to stop.
    pub(crate) fn request(&self) {
        self.0.send_replace(true);
    }
}

impl Shutdown {
    /// Waits until the service stops.
    pub(crate) async fn requested(&self) {
        // An error means that the sender was dropped, which is a request too.
        let _ = self.0.clone().wait_for(|stopping| *stopping).await;
    }
}

//! The handle of a camera.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::queue::Queue;
use super::supervisor::Supervisor;
use crate::address::{Address, UrlError};
use crate::error::OpenError;
use crate::event::CameraEvent;
use crate::options::CameraOptions;
use crate::stats::CameraStats;

/// A camera that a tokio task keeps connected.
///
/// Frames and events come from [`next`](Self::next). The task reads from the camera all the time and never waits for the caller:
/// what is not taken is dropped from key frame to key frame, and told. Dropping the camera ends its session;
/// [`stop`](Self::stop) also waits for that.
///
/// ```no_run
/// use kvs_rtsp::{Camera, CameraEvent, CameraOptions};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let mut camera = Camera::open("rtsp://admin:secret@10.0.0.7/stream1", CameraOptions::new()).await?;
/// while let Some(event) = camera.next().await {
///     match event {
///         CameraEvent::Connected { tracks, .. } => println!("{} tracks", tracks.len()),
///         CameraEvent::Frame(frame) => println!("{:?}: {} bytes", frame.pts, frame.data.len()),
///         event => println!("{event:?}"),
///     }
/// }
/// # Ok(())
/// # }
/// ```
pub struct Camera {
    name: String,
    queue: Arc<Queue>,
    /// What [`open`](Self::open) has taken from the queue.
    first: VecDeque<CameraEvent>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// How much longer than the end of the session a stop may take.
const STOP: Duration = Duration::from_secs(3);

impl Camera {
    /// Connects and waits for the first key frame. [`CameraEvent::Connected`] is then among the first events: only losses and what
    /// was found about the clock come before it. From then on the camera is reconnected whenever it is lost, until it is stopped.
    ///
    /// # Errors
    /// Returns an error if the URL is wrong, or why the first attempt failed. [`start`](Self::start) goes on instead.
    pub async fn open(url: &str, options: CameraOptions) -> Result<Self, OpenError> {
        let mut camera = Self::start(url, options)?;
        while let Some(event) = camera.queue.next().await {
            let is_connected = match &event {
                CameraEvent::Retrying { error, .. }
                | CameraEvent::Unauthorized { error, .. }
                | CameraEvent::CameraLost { error, .. } => {
                    let error = error.clone();
                    camera.stop().await;
                    return Err(error.into());
                }
                event => matches!(event, CameraEvent::Connected { .. }),
            };
            camera.first.push_back(event);
            if is_connected {
                break;
            }
        }
        Ok(camera)
    }

    /// Starts to connect and returns at once. Attempts go on until one succeeds, and after each loss, until it is stopped.
    ///
    /// # Errors
    /// Returns an error if the URL is wrong.
    ///
    /// # Panics
    /// Panics outside of a tokio runtime.
    pub fn start(url: &str, options: CameraOptions) -> Result<Self, UrlError> {
        let mut address = Address::parse(url)?;
        if let Some((username, password)) = options.credentials.clone() {
            address.set_credentials(username, password);
        }
        let (name, queue) = (address.to_string(), Arc::new(Queue::new(options.queue_bytes)));
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(Supervisor::new(address, options, Arc::clone(&queue)).run(stopped));
        Ok(Self { name, queue, first: VecDeque::new(), stop, task })
    }

    /// Waits for the next event; `None` after it was stopped. Cancel-safe.
    pub async fn next(&mut self) -> Option<CameraEvent> {
        match self.first.pop_front() {
            Some(first) => Some(first),
            None => self.queue.next().await,
        }
    }

    /// Returns the URL without credentials, for messages.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns a snapshot of the counters.
    #[must_use]
    pub fn stats(&self) -> CameraStats {
        self.queue.stats()
    }

    /// Ends the session in order (TEARDOWN), within 3 s. Events that were not taken are lost.
    pub async fn stop(mut self) {
        let _ = self.stop.send(true);
        let _ = timeout(STOP, &mut self.task).await;
    }
}

impl Drop for Camera {
    fn drop(&mut self) {
        // The task ends the session and itself.
        let _ = self.stop.send(true);
    }
}

impl fmt::Debug for Camera {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Camera").field("name", &self.name).finish_non_exhaustive()
    }
}

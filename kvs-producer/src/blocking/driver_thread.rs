//! The thread that drives producers.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::runtime::{EnterGuard, Handle};
use tokio::sync::oneshot;

/// A background thread that drives any number of producers. Clones share the thread. It sleeps while there is nothing to
/// send, and ends when the last clone and the last producer are dropped; the last drop waits for that.
///
/// ```no_run
/// use kvs_producer::blocking::DriverThread;
/// use kvs_producer::{Client, ClientConfig, CodecId, ProducerConfig, Track, TrackKind, TrackNumber};
///
/// let client = Client::new(ClientConfig::from_env()?)?;
/// let thread = DriverThread::spawn()?;
/// let video = || Track::new(TrackNumber::ONE, TrackKind::Video, CodecId::H264);
/// let front = thread.open(ProducerConfig::new("front-door", vec![video()]), client.clone())?;
/// let back = thread.open(ProducerConfig::new("back-door", vec![video()]), client)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct DriverThread(Arc<Thread>);

#[derive(Debug)]
struct Thread {
    runtime: Handle,
    /// Dropped to end the thread.
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl DriverThread {
    /// Starts the thread, named `kvs-producer`.
    ///
    /// # Errors
    /// Returns an error if the system cannot start a thread or create an event queue.
    pub fn spawn() -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let run = move || {
            let _ = runtime.block_on(stopped);
            // A name resolution in progress may take long, and its result is no longer needed.
            runtime.shutdown_background();
        };
        let thread = std::thread::Builder::new().name("kvs-producer".to_owned()).spawn(run)?;
        Ok(Self(Arc::new(Thread { runtime: handle, stop: Some(stop), thread: Some(thread) })))
    }

    /// Waits on the calling thread for a future that the driver thread drives.
    pub(super) fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.0.runtime.block_on(future)
    }

    /// Enters the runtime of the thread, so that tasks can be spawned on it.
    pub(super) fn enter(&self) -> EnterGuard<'_> {
        self.0.runtime.enter()
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was printed already, and a destructor cannot return it.
            let _ = thread.join();
        }
    }
}

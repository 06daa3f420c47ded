//! The one thread that drives.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use kvs_aws::Client;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::producer::Producer;
use crate::config::ProducerConfig;
use crate::driver;
use crate::driver::OpenError;

/// The thread in the driver_thread, shared by any number of streams: cloning is cheap. It ends when the last handle and the
/// last stream are dropped, and is waited for then; it sleeps while nothing is to be sent.
///
/// ```no_run
/// use kvs_aws::Client;
/// use kvs_mkv::{CodecId, Track, TrackKind, TrackNumber};
/// use kvs_producer::ProducerConfig;
/// use kvs_producer::blocking::DriverThread;
///
/// let client = Client::new(kvs_aws::ClientConfig::from_env()?)?;
/// let driver_thread = DriverThread::spawn()?;
/// let video = || Track::new(TrackNumber::ONE, TrackKind::Video, CodecId::H264);
/// let front = driver_thread.open(ProducerConfig::new("front-door", vec![video()]), client.clone())?;
/// let back = driver_thread.open(ProducerConfig::new("back-door", vec![video()]), client)?;
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
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system gives no thread or no poll.
    pub fn spawn() -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let run = move || {
            let _ = runtime.block_on(stopped);
            // A name that is being looked up may take long; nobody waits for it any more.
            runtime.shutdown_background();
        };
        let thread = std::thread::Builder::new().name("kvs-producer".to_owned()).spawn(run)?;
        Ok(Self(Arc::new(Thread { runtime: handle, stop: Some(stop), thread: Some(thread) })))
    }

    /// Begins, and waits until the stream and its endpoint are found; see [`crate::Producer::open`].
    ///
    /// # Errors
    /// A configuration that cannot work, a stream that is not there and may not be created, a refusal, or no answer within
    /// 30 s; nothing goes on then.
    pub fn open(&self, config: ProducerConfig, client: Client) -> Result<Producer, OpenError> {
        let stream = self.block_on(driver::Producer::open(config, client))?;
        Ok(Producer::new(stream, self.clone()))
    }

    /// Starts a stream and waits at most `within` until it and its endpoint are resolved.
    ///
    /// # Errors
    /// Those of [`open`](Self::open), with this timeout.
    pub fn open_within(&self, config: ProducerConfig, client: Client, within: Duration) -> Result<Producer, OpenError> {
        let stream = self.block_on(driver::Producer::open_within(config, client, within))?;
        Ok(Producer::new(stream, self.clone()))
    }

    /// Begins, and takes frames at once: for devices that may start without a network.
    ///
    /// # Errors
    /// A configuration that cannot work.
    pub fn start(&self, config: ProducerConfig, client: Client) -> Result<Producer, OpenError> {
        let _inside = self.0.runtime.enter();
        let stream = driver::Producer::start(config, client)?;
        Ok(Producer::new(stream, self.clone()))
    }

    /// Waits on this thread for what the other one does.
    pub(super) fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.0.runtime.block_on(future)
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was printed where it happened; there is nobody to hand it to.
            let _ = thread.join();
        }
    }
}

//! The one thread that drives.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use kvs_aws::Client;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::producer::Stream;
use crate::config::Config;
use crate::driver;
use crate::driver::OpenError;

/// The thread in the background, shared by any number of streams: cloning is cheap. It ends when the last handle and the
/// last stream are dropped, and is waited for then; it sleeps while nothing is to be sent.
///
/// ```no_run
/// use kvs_aws::Client;
/// use kvs_mkv::{CodecId, Track, TrackKind, TrackNumber};
/// use kvs_producer::Config;
/// use kvs_producer::blocking::Background;
///
/// let client = Client::new(kvs_aws::ClientConfig::from_env()?)?;
/// let background = Background::start()?;
/// let video = || Track::new(TrackNumber::ONE, TrackKind::Video, CodecId::H264);
/// let front = background.open(Config::new("front-door", vec![video()]), client.clone())?;
/// let back = background.open(Config::new("back-door", vec![video()]), client)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Background(Arc<Thread>);

#[derive(Debug)]
struct Thread {
    runtime: Handle,
    /// Dropped to end the thread.
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Background {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system gives no thread or no poll.
    pub fn start() -> io::Result<Self> {
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

    /// Begins, and waits until the stream and its endpoint are found; see [`crate::Stream::open`].
    ///
    /// # Errors
    /// A configuration that cannot work, a stream that is not there and may not be created, a refusal, or no answer within
    /// [`Config::open_timeout`]; nothing goes on then.
    pub fn open(&self, config: Config, client: Client) -> Result<Stream, OpenError> {
        let stream = self.block_on(driver::Stream::open(config, client))?;
        Ok(Stream::new(stream, self.clone()))
    }

    /// Begins, and takes frames at once: for devices that may start without a network.
    ///
    /// # Errors
    /// A configuration that cannot work.
    pub fn begin(&self, config: Config, client: Client) -> Result<Stream, OpenError> {
        let _inside = self.0.runtime.enter();
        let stream = driver::Stream::start(config, client)?;
        Ok(Stream::new(stream, self.clone()))
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

//! The handle.

use std::time::Duration;

use kvs_aws::Client;
use kvs_mkv::Frame;

use super::driver_thread::DriverThread;
use super::events::Events;
use crate::config::ProducerConfig;
use crate::driver::{self, OpenError, StopReport};
use crate::media::put_error::PutFrameError;
use crate::report::reason::HaltReason;
use crate::report::stats::Stats;
use crate::tags::{FragmentEvent, FragmentTag, PutTagError};

/// One stream to Kinesis Video Streams, for a program without a runtime.
///
/// All methods take `&self`: frames of different tracks may come from different threads. Dropping it drops the connection at
/// once; what was not persisted is then lost, so [`stop`](Self::stop) first. Memory beside what the stream itself takes: one
/// thread's stack, and about 30 KB for its loop.
///
/// ```no_run
/// # fn example(frames: Vec<kvs_mkv::Frame>) -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use kvs_aws::Client;
/// use kvs_mkv::{CodecId, Track, TrackKind, TrackNumber};
/// use kvs_producer::ProducerConfig;
/// use kvs_producer::blocking::Producer;
///
/// let video = Track::new(TrackNumber::ONE, TrackKind::Video, CodecId::H264);
/// let client = Client::new(kvs_aws::ClientConfig::from_env()?)?;
/// let stream = Producer::open(ProducerConfig::new("front-door", vec![video]), client)?;
/// for frame in frames {
///     stream.put_frame(frame)?;
/// }
/// let report = stream.stop(Duration::from_secs(10));
/// assert!(report.is_complete());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Producer {
    // Dropped before the thread that drives it.
    stream: driver::Producer,
    driver_thread: DriverThread,
}

impl Producer {
    pub(super) const fn new(stream: driver::Producer, driver_thread: DriverThread) -> Self {
        Self { stream, driver_thread }
    }

    /// Begins on a thread of its own, and waits until the stream and its endpoint are found; see [`DriverThread::open`].
    ///
    /// # Errors
    /// When the system gives no thread, and those of [`DriverThread::open`].
    pub fn open(config: ProducerConfig, client: Client) -> Result<Self, OpenError> {
        DriverThread::spawn()?.open(config, client)
    }

    /// Starts the stream on a thread of its own and waits at most `within` until it and its endpoint are resolved.
    ///
    /// # Errors
    /// Those of [`open`](Self::open), with this timeout.
    pub fn open_within(config: ProducerConfig, client: Client, within: Duration) -> Result<Self, OpenError> {
        DriverThread::spawn()?.open_within(config, client, within)
    }

    /// Begins on a thread of its own, and takes frames at once; see [`DriverThread::start`].
    ///
    /// # Errors
    /// When the system gives no thread, or the configuration cannot work.
    pub fn start(config: ProducerConfig, client: Client) -> Result<Self, OpenError> {
        DriverThread::spawn()?.start(config, client)
    }

    /// Waits until the stream and its endpoint are found.
    ///
    /// # Errors
    /// When the service will not have it.
    pub fn ready(&self) -> Result<(), HaltReason> {
        self.driver_thread.block_on(self.stream.ready())
    }

    /// Puts a frame. With [`Overflow::Refuse`](crate::Overflow::Refuse) it waits while the buffer is full, however long.
    ///
    /// # Errors
    /// Hands the frame back with the reason; the stream goes on.
    pub fn put_frame(&self, frame: Frame) -> Result<(), PutFrameError> {
        self.driver_thread.block_on(self.stream.put_frame(frame))
    }

    /// Puts a frame, waiting at most so long while the buffer is full.
    ///
    /// # Errors
    /// Hands the frame back with the reason, [`Refusal::BufferFull`](crate::Refusal::BufferFull) when there was no room in time; the
    /// stream goes on.
    pub fn put_frame_within(&self, frame: Frame, within: Duration) -> Result<(), PutFrameError> {
        self.driver_thread.block_on(self.stream.put_frame_within(frame, within))
    }

    /// Puts a frame without ever waiting.
    ///
    /// # Errors
    /// Hands the frame back with the reason; the stream goes on.
    pub fn try_put_frame(&self, frame: Frame) -> Result<(), PutFrameError> {
        self.stream.try_put_frame(frame)
    }

    /// Puts a tag on the fragment of the last frame that was put; see [`crate::Producer::put_tag`].
    ///
    /// # Errors
    /// Names and values the service would refuse, and tags beyond the fragment's budget.
    pub fn put_tag(&self, tag: FragmentTag) -> Result<(), PutTagError> {
        self.stream.put_tag(tag)
    }

    /// Stops sending a persistent tag; says whether there was one.
    pub fn clear_tag(&self, name: &str) -> bool {
        self.stream.clear_tag(name)
    }

    /// Asks for images or a notification of the fragment of the last frame that was put.
    ///
    /// # Errors
    /// The same event twice on one fragment, pairs the service would refuse, tags beyond the fragment's budget.
    pub fn put_event(&self, event: impl Into<FragmentEvent>) -> Result<(), PutTagError> {
        self.stream.put_event(event)
    }

    /// Ends the fragment after the last frame that was put.
    pub fn end_fragment(&self) {
        self.stream.end_fragment();
    }

    /// Stops sending after the open fragment.
    pub fn pause(&self) {
        self.stream.pause();
    }

    /// Goes on after a pause, or tries again after a halt.
    pub fn resume(&self) {
        self.stream.resume();
    }

    /// What happens from now on. Of several, each event goes to one.
    #[must_use]
    pub fn events(&self) -> Events {
        Events::new(self.stream.events(), self.driver_thread.clone())
    }

    /// Counts and sizes.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.stream.stats()
    }

    /// Takes no more frames, sends what is buffered, waits for the acks at most so long, and says what became of everything.
    /// What is not persisted by then is reported lost. May be called again.
    pub fn stop(&self, within: Duration) -> StopReport {
        self.driver_thread.block_on(self.stream.stop(within))
    }
}

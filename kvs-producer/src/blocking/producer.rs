//! The handle of a producer for programs without an async runtime.

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

/// Sends one stream to Kinesis Video Streams, for a program without an async runtime.
///
/// All methods take `&self`, so frames of different tracks can come from different threads. Dropping the producer drops the
/// connection; media that is not persisted by then is lost. Call [`stop`](Self::stop) first.
///
/// Memory in addition to that of the stream: the stack of one thread, and about 30 KB for its event loop.
///
/// ```no_run
/// # fn example(frames: Vec<kvs_producer::Frame>) -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use kvs_producer::blocking::Producer;
/// use kvs_producer::{Client, ClientConfig, CodecId, ProducerConfig, Track, TrackKind, TrackNumber};
///
/// let video = Track::new(TrackNumber::ONE, TrackKind::Video, CodecId::H264);
/// let client = Client::new(ClientConfig::from_env()?)?;
/// let producer = Producer::open(ProducerConfig::new("front-door", vec![video]), client)?;
/// for frame in frames {
///     producer.put_frame(frame)?;
/// }
/// let report = producer.stop(Duration::from_secs(10));
/// assert!(report.is_complete());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Producer {
    // Declared first, so that it is dropped before the thread that drives it.
    producer: driver::Producer,
    thread: DriverThread,
}

impl DriverThread {
    /// Starts a stream on this thread and waits at most 30 s until the stream and its endpoint are resolved.
    ///
    /// # Errors
    /// Returns an error if the configuration is invalid, if the stream does not exist and must not be created, if the service
    /// rejects a request, or at the timeout. The stream is stopped then.
    pub fn open(&self, config: ProducerConfig, client: Client) -> Result<Producer, OpenError> {
        let producer = self.block_on(driver::Producer::open(config, client))?;
        Ok(Producer { producer, thread: self.clone() })
    }

    /// Starts a stream on this thread and waits at most `within` until the stream and its endpoint are resolved.
    ///
    /// # Errors
    /// Returns the errors of [`open`](Self::open), with this timeout.
    pub fn open_within(&self, config: ProducerConfig, client: Client, within: Duration) -> Result<Producer, OpenError> {
        let producer = self.block_on(driver::Producer::open_within(config, client, within))?;
        Ok(Producer { producer, thread: self.clone() })
    }

    /// Starts a stream on this thread and accepts frames immediately, for devices that may start without a network.
    ///
    /// # Errors
    /// Returns an error if the configuration is invalid.
    pub fn start(&self, config: ProducerConfig, client: Client) -> Result<Producer, OpenError> {
        let _guard = self.enter();
        let producer = driver::Producer::start(config, client)?;
        Ok(Producer { producer, thread: self.clone() })
    }
}

impl Producer {
    /// Starts the stream on a thread of its own; see [`DriverThread::open`].
    ///
    /// # Errors
    /// Returns the errors of [`DriverThread::open`], and an error if the system cannot start a thread.
    pub fn open(config: ProducerConfig, client: Client) -> Result<Self, OpenError> {
        DriverThread::spawn()?.open(config, client)
    }

    /// Starts the stream on a thread of its own; see [`DriverThread::open_within`].
    ///
    /// # Errors
    /// Returns the errors of [`open`](Self::open), with this timeout.
    pub fn open_within(config: ProducerConfig, client: Client, within: Duration) -> Result<Self, OpenError> {
        DriverThread::spawn()?.open_within(config, client, within)
    }

    /// Starts the stream on a thread of its own; see [`DriverThread::start`].
    ///
    /// # Errors
    /// Returns an error if the configuration is invalid, or if the system cannot start a thread.
    pub fn start(config: ProducerConfig, client: Client) -> Result<Self, OpenError> {
        DriverThread::spawn()?.start(config, client)
    }

    /// Waits until the stream and its endpoint are resolved.
    ///
    /// # Errors
    /// Returns why sending is halted.
    pub fn ready(&self) -> Result<(), HaltReason> {
        self.thread.block_on(self.producer.ready())
    }

    /// Puts a frame. With [`Overflow::Refuse`](crate::Overflow::Refuse) it waits while the buffer is full, without a limit.
    ///
    /// # Errors
    /// Returns the frame with the reason. The producer continues.
    pub fn put_frame(&self, frame: Frame) -> Result<(), PutFrameError> {
        self.thread.block_on(self.producer.put_frame(frame))
    }

    /// Puts a frame and waits at most `within` while the buffer is full.
    ///
    /// # Errors
    /// Returns the frame with the reason; [`Refusal::BufferFull`](crate::Refusal::BufferFull) at the timeout. The producer
    /// continues.
    pub fn put_frame_within(&self, frame: Frame, within: Duration) -> Result<(), PutFrameError> {
        self.thread.block_on(self.producer.put_frame_within(frame, within))
    }

    /// Puts a frame without waiting.
    ///
    /// # Errors
    /// Returns the frame with the reason. The producer continues.
    pub fn try_put_frame(&self, frame: Frame) -> Result<(), PutFrameError> {
        self.producer.try_put_frame(frame)
    }

    /// Puts a tag on the fragment of the last frame, or on the next fragment if none is open.
    ///
    /// # Errors
    /// Returns an error if the service would reject the name or the value, or if the fragment already has nine tags.
    pub fn put_tag(&self, tag: FragmentTag) -> Result<(), PutTagError> {
        self.producer.put_tag(tag)
    }

    /// Stops sending a persistent tag, from the next fragment on. Returns whether there was one with this name.
    pub fn clear_tag(&self, name: &str) -> bool {
        self.producer.clear_tag(name)
    }

    /// Requests images or a notification for the fragment of the last frame, or for the next fragment if none is open.
    ///
    /// # Errors
    /// Returns an error if the fragment already has such an event, if the service would reject a pair, or if the fragment
    /// would have more than nine tags.
    pub fn put_event(&self, event: impl Into<FragmentEvent>) -> Result<(), PutTagError> {
        self.producer.put_event(event)
    }

    /// Ends the fragment after the last frame, so that the service stores it without waiting for the next one.
    pub fn end_fragment(&self) {
        self.producer.end_fragment();
    }

    /// Stops sending after the open fragment. Frames put from now on are kept as
    /// [`pre_roll`](ProducerConfig::pre_roll).
    pub fn pause(&self) {
        self.producer.pause();
    }

    /// Continues after a [`pause`](Self::pause), or tries again after a halt.
    pub fn resume(&self) {
        self.producer.resume();
    }

    /// Returns the events from now on. If called several times, each event is delivered to one of the iterators.
    #[must_use]
    pub fn events(&self) -> Events {
        Events::new(self.producer.events(), self.thread.clone())
    }

    /// Returns a snapshot of the statistics.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.producer.stats()
    }

    /// Accepts no more frames, sends what is buffered, waits for the acknowledgements, and returns the outcome. Media that is
    /// not persisted after `within` is reported lost. It may be called again.
    pub fn stop(&self, within: Duration) -> StopReport {
        self.thread.block_on(self.producer.stop(within))
    }
}

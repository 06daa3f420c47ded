//! The handle.

use std::time::Duration;

use kvs_aws::Client;
use kvs_mkv::Frame;

use super::background::Background;
use super::events::Events;
use crate::config::Config;
use crate::driver::{self, OpenError, StopReport};
use crate::media::put_error::PutFrameError;
use crate::report::event::HaltReason;
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
/// use kvs_producer::Config;
/// use kvs_producer::blocking::Stream;
///
/// let video = Track::new(TrackNumber::ONE, TrackKind::Video, CodecId::H264);
/// let client = Client::new(kvs_aws::ClientConfig::from_env()?)?;
/// let stream = Stream::open(Config::new("front-door", vec![video]), client)?;
/// for frame in frames {
///     stream.put_frame(frame)?;
/// }
/// let report = stream.stop(Duration::from_secs(10));
/// assert!(report.is_complete());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Stream {
    // Dropped before the thread that drives it.
    stream: driver::Stream,
    background: Background,
}

impl Stream {
    pub(super) const fn new(stream: driver::Stream, background: Background) -> Self {
        Self { stream, background }
    }

    /// Begins on a thread of its own, and waits until the stream and its endpoint are found; see [`Background::open`].
    ///
    /// # Errors
    /// When the system gives no thread, and those of [`Background::open`].
    pub fn open(config: Config, client: Client) -> Result<Self, OpenError> {
        Background::start()?.open(config, client)
    }

    /// Begins on a thread of its own, and takes frames at once; see [`Background::begin`].
    ///
    /// # Errors
    /// When the system gives no thread, or the configuration cannot work.
    pub fn start(config: Config, client: Client) -> Result<Self, OpenError> {
        Background::start()?.begin(config, client)
    }

    /// Waits until the stream and its endpoint are found.
    ///
    /// # Errors
    /// When the service will not have it.
    pub fn ready(&self) -> Result<(), HaltReason> {
        self.background.block_on(self.stream.ready())
    }

    /// Puts a frame. With [`Overflow::Refuse`](crate::Overflow::Refuse) it waits while the buffer is full, however long.
    ///
    /// # Errors
    /// Hands the frame back with the reason; the stream goes on.
    pub fn put_frame(&self, frame: Frame) -> Result<(), PutFrameError> {
        self.background.block_on(self.stream.put_frame(frame))
    }

    /// Puts a frame, waiting at most so long while the buffer is full.
    ///
    /// # Errors
    /// Hands the frame back with the reason, [`Refusal::Full`](crate::Refusal::Full) when there was no room in time; the
    /// stream goes on.
    pub fn put_frame_within(&self, frame: Frame, within: Duration) -> Result<(), PutFrameError> {
        self.background.block_on(self.stream.put_frame_within(frame, within))
    }

    /// Puts a frame without ever waiting.
    ///
    /// # Errors
    /// Hands the frame back with the reason; the stream goes on.
    pub fn try_put_frame(&self, frame: Frame) -> Result<(), PutFrameError> {
        self.stream.try_put_frame(frame)
    }

    /// Puts a tag on the fragment of the last frame that was put; see [`crate::Stream::put_tag`].
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
        Events::new(self.stream.events(), self.background.clone())
    }

    /// Counts and sizes.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.stream.stats()
    }

    /// Takes no more frames, sends what is buffered, waits for the acks at most so long, and says what became of everything.
    /// What is not persisted by then is reported lost. May be called again.
    pub fn stop(&self, within: Duration) -> StopReport {
        self.background.block_on(self.stream.stop(within))
    }
}

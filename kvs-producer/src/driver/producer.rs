//! The handle that most people meet first.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use kvs_aws::{Client, InvalidField, StreamId};
use kvs_mkv::Frame;
use tokio::task::AbortHandle;

use super::events::Events;
use super::task::{Shared, Task, now};
use crate::config::{ConfigError, Overflow, ProducerConfig};
use crate::io::failure::Failure;
use crate::media::put_error::{PutFrameError, Refusal};
use crate::producer_core::ProducerCore;
use crate::report::reason::HaltReason;
use crate::report::stats::{Stats, Totals};
use crate::tags::{FragmentEvent, FragmentTag, PutTagError};

/// One stream to Kinesis Video Streams, driven by a task of its own.
///
/// All methods take `&self`: frames of different tracks may come from different tasks. Dropping it cancels the task and drops
/// the connection; what was not persisted is then lost, so [`stop`](Self::stop) first.
///
/// ```no_run
/// # async fn example(frames: Vec<kvs_mkv::Frame>) -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use kvs_aws::Client;
/// use kvs_mkv::{CodecId, Track, TrackKind, TrackNumber};
/// use kvs_producer::{ProducerConfig, ImageGeneration, Producer};
///
/// let video = Track::new(TrackNumber::ONE, TrackKind::Video, CodecId::H264);
/// let client = Client::new(kvs_aws::ClientConfig::from_env()?)?;
/// let stream = Producer::open(ProducerConfig::new("front-door", vec![video]), client).await?;
/// for frame in frames {
///     stream.put_frame(frame).await?;
/// }
/// stream.put_event(ImageGeneration::new().with_prefix("last"))?;
/// let report = stream.stop(Duration::from_secs(10)).await;
/// assert!(report.is_complete());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Producer {
    shared: Arc<Shared>,
    overflow: Overflow,
    task: AbortHandle,
}

/// Why a stream could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The configuration cannot work.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The stream's name or ARN is not one.
    #[error("not the name or ARN of a stream: {0}")]
    StreamId(#[from] InvalidField),
    /// The system gives no thread to drive it (blocking streams only).
    #[error("no thread for the driver: {0}")]
    Thread(#[from] std::io::Error),
    /// The service will not have it.
    #[error("{reason}")]
    Halted {
        /// Why.
        reason: HaltReason,
    },
    /// The stream and its endpoint could not be found in time.
    #[error("no way to the stream within {} s: {}", within.as_secs(), last.as_ref().map_or("no answer", |last| last.message.as_str()))]
    TimedOut {
        /// the timeout of [`Producer::open_within`], or 30 s.
        within: Duration,
        /// The last failure.
        last: Option<Failure>,
    },
}

/// What became of everything, out of [`Producer::stop`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StopReport {
    /// `submitted = persisted + lost`, in frames and bytes.
    pub totals: Totals,
    /// All counts.
    pub stats: Stats,
    /// Why sending had stopped before, if it had.
    pub halted: Option<HaltReason>,
}

impl StopReport {
    /// Whether all that was submitted is persisted.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.totals.submitted == self.totals.persisted
    }
}

impl Producer {
    /// Begins, and waits until the stream and its endpoint are found.
    ///
    /// # Errors
    /// A configuration that cannot work, a stream that is not there and may not be created, a refusal, or no answer within
    /// the timeout of [`Producer::open_within`], or 30 s; nothing goes on then.
    pub async fn open(config: ProducerConfig, client: Client) -> Result<Self, OpenError> {
        Self::open_within(config, client, OPEN_TIMEOUT).await
    }

    /// Starts the stream and waits at most `within` until the stream and its endpoint are resolved.
    ///
    /// # Errors
    /// Those of [`open`](Self::open), with this timeout.
    pub async fn open_within(config: ProducerConfig, client: Client, within: Duration) -> Result<Self, OpenError> {
        let stream = Self::start(config, client)?;
        match tokio::time::timeout(within, stream.ready()).await {
            Ok(Ok(())) => Ok(stream),
            Ok(Err(reason)) => Err(OpenError::Halted { reason }),
            Err(_) => Err(OpenError::TimedOut { within, last: stream.shared.producer().last_failure().cloned() }),
        }
    }

    /// Begins, and takes frames at once: for devices that may start without a network.
    ///
    /// # Errors
    /// A configuration that cannot work.
    pub fn start(mut config: ProducerConfig, client: Client) -> Result<Self, OpenError> {
        let id: StreamId = config.stream.parse()?;
        let overflow = config.overflow;
        config.seed.get_or_insert_with(|| fastrand::u64(..));
        let producer = ProducerCore::new(config, now(), SystemTime::now())?;
        let shared = Arc::new(Shared::new(producer));
        let task = tokio::spawn(Task::new(Arc::clone(&shared), client, id).run()).abort_handle();
        Ok(Self { shared, overflow, task })
    }

    /// Waits until the stream and its endpoint are found.
    ///
    /// # Errors
    /// When the service will not have it.
    pub async fn ready(&self) -> Result<(), HaltReason> {
        self.until(|producer| if producer.is_ready() { Some(Ok(())) } else { producer.halted().cloned().map(Err) })
            .await
    }

    /// Puts a frame. With [`Overflow::Refuse`] it waits while the buffer is full; with [`Overflow::DropOldest`] it never waits.
    /// Of a dropped call the frame was not taken.
    ///
    /// What an encoder gives, start codes and all, can be put as it is; which frames are key frames is the caller's to say:
    ///
    /// ```no_run
    /// use std::time::SystemTime;
    /// use bytes::Bytes;
    /// use kvs_mkv::codec::{h264, nal};
    /// use kvs_mkv::{Frame, TrackNumber};
    ///
    /// async fn put(stream: &kvs_producer::Producer, access_unit: Bytes) -> Result<(), Box<dyn std::error::Error>> {
    ///     let keyframe = h264::is_keyframe(nal::units(&access_unit)?);
    ///     let taken_at = SystemTime::UNIX_EPOCH.elapsed()?;
    ///     stream.put_frame(Frame::new(TrackNumber::ONE, taken_at, access_unit).with_keyframe(keyframe)).await?;
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// Hands the frame back with the reason; the stream goes on.
    pub async fn put_frame(&self, frame: Frame) -> Result<(), PutFrameError> {
        self.put_until(frame, std::future::pending()).await
    }

    /// Puts a frame, waiting at most so long while the buffer is full. Of a dropped call the frame was not taken.
    ///
    /// # Errors
    /// Hands the frame back with the reason, [`Refusal::BufferFull`] when there was no room in time; the stream goes on.
    pub async fn put_frame_within(&self, frame: Frame, within: Duration) -> Result<(), PutFrameError> {
        self.put_until(frame, tokio::time::sleep(within)).await
    }

    async fn put_until(&self, frame: Frame, deadline: impl Future<Output = ()>) -> Result<(), PutFrameError> {
        let mut deadline = std::pin::pin!(deadline);
        let mut waiting = frame;
        loop {
            let news = self.shared.news.notified();
            let mut news = std::pin::pin!(news);
            news.as_mut().enable();
            let refused = match self.try_put_frame(waiting) {
                Err(error) if self.waits_for(&error) => error,
                done => return done,
            };
            tokio::select! {
                () = news => waiting = refused.into_frame(),
                () = &mut deadline => return Err(refused),
            }
        }
    }

    fn waits_for(&self, error: &PutFrameError) -> bool {
        self.overflow == Overflow::Refuse && matches!(error.refusal, Refusal::BufferFull { .. })
    }

    /// Puts a frame without ever waiting.
    ///
    /// # Errors
    /// Hands the frame back with the reason; the stream goes on.
    pub fn try_put_frame(&self, frame: Frame) -> Result<(), PutFrameError> {
        let put = self.shared.producer().put_frame(frame, now());
        self.shared.work.notify_one();
        put
    }

    /// Puts a tag on the fragment of the last frame that was put; see [`ProducerCore::put_tag`].
    ///
    /// # Errors
    /// Names and values the service would refuse, and tags beyond the fragment's budget.
    pub fn put_tag(&self, tag: FragmentTag) -> Result<(), PutTagError> {
        self.shared.producer().put_tag(tag)
    }

    /// Stops sending a persistent tag; says whether there was one.
    pub fn clear_tag(&self, name: &str) -> bool {
        self.shared.producer().clear_tag(name)
    }

    /// Asks for images or a notification of the fragment of the last frame that was put; see [`ProducerCore::put_event`].
    ///
    /// # Errors
    /// The same event twice on one fragment, pairs the service would refuse, tags beyond the fragment's budget.
    pub fn put_event(&self, event: impl Into<FragmentEvent>) -> Result<(), PutTagError> {
        self.shared.producer().put_event(event)
    }

    /// Ends the fragment after the last frame that was put.
    pub fn end_fragment(&self) {
        self.shared.producer().end_fragment();
        self.shared.work.notify_one();
    }

    /// Stops sending after the open fragment; see [`ProducerCore::pause`].
    pub fn pause(&self) {
        self.shared.producer().pause(now());
        self.shared.work.notify_one();
    }

    /// Goes on after a pause, or tries again after a halt; see [`ProducerCore::resume`].
    pub fn resume(&self) {
        self.shared.producer().resume(now());
        self.shared.work.notify_one();
    }

    /// What happens from now on. Of several, each event goes to one.
    #[must_use]
    pub fn events(&self) -> Events {
        Events::new(Arc::clone(&self.shared))
    }

    /// Counts and sizes.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.shared.producer().stats()
    }

    /// Takes no more frames, sends what is buffered, waits for the acks, and says what became of everything. What is not
    /// persisted within `within` is reported lost. May be called again, and dropped: the stop goes on.
    pub async fn stop(&self, within: Duration) -> StopReport {
        let deadline = now().checked_add(within);
        let halted = {
            let mut producer = self.shared.producer();
            let halted = producer.halted().cloned();
            producer.finish(deadline, now());
            halted
        };
        self.shared.work.notify_one();
        // The core keeps the deadline; this is for a runtime whose task is gone.
        let finished = self.until(|producer| producer.is_finished().then_some(()));
        let _ = tokio::time::timeout(within.saturating_add(GRACE), finished).await;
        let stats = self.shared.producer().stats();
        StopReport { totals: stats.totals, stats, halted }
    }

    /// Waits until something holds of the core.
    async fn until<T>(&self, check: impl Fn(&ProducerCore) -> Option<T>) -> T {
        loop {
            let news = self.shared.news.notified();
            let mut news = std::pin::pin!(news);
            news.as_mut().enable();
            if let Some(result) = check(&self.shared.producer()) {
                return result;
            }
            news.await;
        }
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        self.task.abort();
        self.shared.close();
    }
}

/// How long [`Producer::open`] waits for the stream and its endpoint.
const OPEN_TIMEOUT: Duration = Duration::from_secs(30);
/// What a stop may take beyond its deadline when the task that keeps it is gone.
const GRACE: Duration = Duration::from_secs(1);

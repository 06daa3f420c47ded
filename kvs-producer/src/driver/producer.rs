//! The handle of a producer.

use std::future::pending;
#[cfg(feature = "spool")]
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use kvs_aws::{Client, StreamId};
use kvs_mkv::Frame;
use tokio::task::AbortHandle;

use super::events::Events;
use super::open_error::OpenError;
use super::shared::{Shared, now};
#[cfg(feature = "spool")]
use super::spool_thread::SpoolThread;
use super::stop_report::StopReport;
use super::task::Task;
use crate::config::{Overflow, ProducerConfig};
use crate::media::put_error::{PutFrameError, Refusal};
use crate::producer_core::ProducerCore;
use crate::report::reason::HaltReason;
use crate::report::stats::Stats;
#[cfg(feature = "spool")]
use crate::spool::engine::Spool;
use crate::tags::{FragmentEvent, FragmentTag, PutTagError};

/// Sends one stream to Kinesis Video Streams from a tokio task.
///
/// All methods take `&self`, so frames of different tracks can come from different tasks. Dropping the producer cancels the
/// task and drops the connection; media that is not persisted by then is lost. Call [`stop`](Self::stop) first.
///
/// ```no_run
/// # async fn example(frames: Vec<kvs_producer::Frame>) -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use kvs_producer::{
///     Client, ClientConfig, CodecId, ImageGeneration, Producer, ProducerConfig, Track, TrackKind, TrackNumber,
/// };
///
/// let video = Track::new(TrackNumber::ONE, TrackKind::Video, CodecId::H264);
/// let client = Client::new(ClientConfig::from_env()?)?;
/// let producer = Producer::open(ProducerConfig::new("front-door", vec![video]), client).await?;
/// for frame in frames {
///     producer.put_frame(frame).await?;
/// }
/// producer.put_event(ImageGeneration::new().with_prefix("last"))?;
/// let report = producer.stop(Duration::from_secs(10)).await;
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

impl Producer {
    /// Starts the stream and waits at most 30 s until the stream and its endpoint are resolved.
    ///
    /// # Errors
    /// Returns an error if the configuration is invalid, if the stream does not exist and must not be created, if the service
    /// rejects a request, or at the timeout. The stream is stopped then.
    pub async fn open(config: ProducerConfig, client: Client) -> Result<Self, OpenError> {
        Self::open_within(config, client, OPEN_TIMEOUT).await
    }

    /// Starts the stream and waits at most `within` until the stream and its endpoint are resolved.
    ///
    /// # Errors
    /// Returns the errors of [`open`](Self::open), with this timeout.
    pub async fn open_within(config: ProducerConfig, client: Client, within: Duration) -> Result<Self, OpenError> {
        #[cfg(feature = "spool")]
        let producer = if config.spool.is_some() {
            let (opened, config) = tokio::task::spawn_blocking(move || (open_spool(&config), config))
                .await
                .map_err(|ended| OpenError::Thread(io::Error::other(ended)))?;
            Self::start_with(config, client, opened?)?
        } else {
            Self::start(config, client)?
        };
        #[cfg(not(feature = "spool"))]
        let producer = Self::start(config, client)?;
        match tokio::time::timeout(within, producer.ready()).await {
            Ok(Ok(())) => Ok(producer),
            Ok(Err(reason)) => Err(OpenError::Halted { reason }),
            Err(_) => Err(OpenError::TimedOut { within, last: producer.shared.core().last_failure().cloned() }),
        }
    }

    /// Starts the stream and accepts frames immediately, for devices that may start without a network.
    ///
    /// # Errors
    /// Returns an error if the configuration is invalid.
    ///
    /// # Panics
    /// Panics outside of a tokio runtime.
    pub fn start(config: ProducerConfig, client: Client) -> Result<Self, OpenError> {
        #[cfg(feature = "spool")]
        {
            let spool = open_spool(&config)?;
            Self::start_with(config, client, spool)
        }
        #[cfg(not(feature = "spool"))]
        {
            let (core, id) = new_core(&config)?;
            Ok(Self::spawn(core, &config, |shared| Task::new(shared, client, id)))
        }
    }

    #[cfg(feature = "spool")]
    fn start_with(config: ProducerConfig, client: Client, spool: Option<Spool>) -> Result<Self, OpenError> {
        let (core, id) = new_core(&config)?;
        let spool = spool.map(SpoolThread::start).transpose()?;
        Ok(Self::spawn(core, &config, |shared| Task::new(shared, client, id).with_spool(spool)))
    }

    fn spawn(core: ProducerCore, config: &ProducerConfig, task: impl FnOnce(Arc<Shared>) -> Task) -> Self {
        let shared = Arc::new(Shared::new(core));
        let task = task(Arc::clone(&shared)).with_send_interval(config.send_interval);
        let task = tokio::spawn(task.run()).abort_handle();
        Self { shared, overflow: config.overflow, task }
    }

    /// Waits until the stream and its endpoint are resolved.
    ///
    /// # Errors
    /// Returns why sending is halted.
    pub async fn ready(&self) -> Result<(), HaltReason> {
        self.until(|core| if core.is_ready() { Some(Ok(())) } else { core.halted().cloned().map(Err) }).await
    }

    /// Puts a frame: an access unit as encoders and depacketizers deliver it, with start codes or lengths.
    ///
    /// With [`Overflow::Refuse`] it waits while the buffer is full; with [`Overflow::DropOldest`] it never waits.
    /// Cancel-safe: if the future is dropped, the frame was not queued.
    ///
    /// The caller says which frames are key frames. Fragments start at them.
    ///
    /// ```no_run
    /// use std::time::SystemTime;
    /// use kvs_producer::codec::{h264, nal};
    /// use kvs_producer::{Frame, Producer, TrackNumber};
    ///
    /// async fn put(producer: &Producer, access_unit: Vec<u8>) -> Result<(), Box<dyn std::error::Error>> {
    ///     let keyframe = h264::is_keyframe(nal::units(&access_unit)?);
    ///     let taken_at = SystemTime::UNIX_EPOCH.elapsed()?;
    ///     producer.put_frame(Frame::new(TrackNumber::ONE, taken_at, access_unit).with_keyframe(keyframe)).await?;
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// Returns the frame with the reason. The producer continues.
    pub async fn put_frame(&self, frame: Frame) -> Result<(), PutFrameError> {
        self.put_until(frame, pending()).await
    }

    /// Puts a frame and waits at most `within` while the buffer is full. Cancel-safe like [`put_frame`](Self::put_frame).
    ///
    /// # Errors
    /// Returns the frame with the reason; [`Refusal::BufferFull`] at the timeout. The producer continues.
    pub async fn put_frame_within(&self, frame: Frame, within: Duration) -> Result<(), PutFrameError> {
        self.put_until(frame, tokio::time::sleep(within)).await
    }

    async fn put_until(&self, frame: Frame, deadline: impl Future<Output = ()>) -> Result<(), PutFrameError> {
        let mut deadline = pin!(deadline);
        let is_keyframe = frame.keyframe;
        let (mut waiting, mut is_new) = (frame, true);
        loop {
            let changed = self.shared.changed.notified();
            let put = self.offer(waiting);
            // A refused frame changes nothing. The task would wake this call again, and both would keep a processor busy.
            if put.is_ok() || std::mem::take(&mut is_new) {
                self.shared.frame_put(is_keyframe || put.is_err());
            }
            let refused = match put {
                Err(error) if self.waits_for(&error) => error,
                done => return done,
            };
            tokio::select! {
                () = changed => waiting = refused.into_frame(),
                () = &mut deadline => return Err(refused),
            }
        }
    }

    fn waits_for(&self, error: &PutFrameError) -> bool {
        self.overflow == Overflow::Refuse && matches!(error.refusal, Refusal::BufferFull { .. })
    }

    /// Puts a frame without waiting.
    ///
    /// # Errors
    /// Returns the frame with the reason. The producer continues.
    pub fn try_put_frame(&self, frame: Frame) -> Result<(), PutFrameError> {
        let is_keyframe = frame.keyframe;
        let put = self.offer(frame);
        self.shared.frame_put(is_keyframe || put.is_err());
        put
    }

    /// Passes a frame to the core, unless its task has ended: then the core would keep the frame and nobody would send it.
    fn offer(&self, frame: Frame) -> Result<(), PutFrameError> {
        if self.shared.is_closed() {
            return Err(PutFrameError::new(Refusal::Finished, frame));
        }
        let mut core = self.shared.core();
        let put = core.put_frame(frame, now());
        if put.is_err() && core.take_gave_way() {
            self.shared.work.notify_one();
        }
        put
    }

    /// Puts a tag on the fragment of the last frame, or on the next fragment if none is open.
    ///
    /// # Errors
    /// Returns an error if the service would reject the name or the value, or if the fragment already has nine tags.
    pub fn put_tag(&self, tag: FragmentTag) -> Result<(), PutTagError> {
        self.shared.core().put_tag(tag)
    }

    /// Stops sending a persistent tag, from the next fragment on. Returns whether there was one with this name.
    pub fn clear_tag(&self, name: &str) -> bool {
        self.shared.core().clear_tag(name)
    }

    /// Requests images or a notification for the fragment of the last frame, or for the next fragment if none is open.
    ///
    /// # Errors
    /// Returns an error if the fragment already has such an event, if the service would reject a pair, or if the fragment
    /// would have more than nine tags.
    pub fn put_event(&self, event: impl Into<FragmentEvent>) -> Result<(), PutTagError> {
        self.shared.core().put_event(event)
    }

    /// Ends the fragment after the last frame, so that the service stores it without waiting for the next one.
    pub fn end_fragment(&self) {
        self.shared.core().end_fragment();
        self.shared.work.notify_one();
    }

    /// Stops sending after the open fragment. Frames put from now on are kept as
    /// [`pre_roll`](ProducerConfig::pre_roll).
    pub fn pause(&self) {
        self.shared.core().pause(now());
        self.shared.work.notify_one();
    }

    /// Continues after a [`pause`](Self::pause), or tries again after a halt.
    pub fn resume(&self) {
        self.shared.core().resume(now());
        self.shared.work.notify_one();
    }

    /// Returns the events from now on. If called several times, each event is delivered to one of the streams.
    #[must_use]
    pub fn events(&self) -> Events {
        Events::new(Arc::clone(&self.shared))
    }

    /// Returns a snapshot of the statistics.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.shared.core().stats()
    }

    /// Accepts no more frames, sends what is buffered, waits for the acknowledgements, and returns the outcome. Media that is
    /// not persisted after `within` is reported lost, or with a spool is left there for the next producer that uses the folder;
    /// writing it takes up to 10 s more.
    ///
    /// It may be called again. If the future is dropped, the stop continues.
    pub async fn stop(&self, within: Duration) -> StopReport {
        let deadline = now().checked_add(within);
        let halted = {
            let mut core = self.shared.core();
            let halted = core.halted().cloned();
            core.finish(deadline, now());
            halted
        };
        self.shared.work.notify_one();
        // The core keeps the deadline. Without its task it never finishes.
        let finished = self.until(|core| (core.is_finished() || self.shared.is_closed()).then_some(()));
        let _ = tokio::time::timeout(within.saturating_add(GRACE), finished).await;
        let stats = self.shared.core().stats();
        StopReport { totals: stats.totals, stats, halted }
    }

    /// Waits until `check` returns something.
    async fn until<T>(&self, check: impl Fn(&ProducerCore) -> Option<T>) -> T {
        loop {
            let changed = self.shared.changed.notified();
            if let Some(result) = check(&self.shared.core()) {
                return result;
            }
            changed.await;
        }
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        self.task.abort();
        self.shared.close();
    }
}

fn new_core(config: &ProducerConfig) -> Result<(ProducerCore, StreamId), OpenError> {
    let id: StreamId = config.stream.parse()?;
    let mut config = config.clone();
    config.seed.get_or_insert_with(|| fastrand::u64(..));
    Ok((ProducerCore::new(config, now(), SystemTime::now())?, id))
}

/// Creates and locks the folder of the spool, if there is one. Its contents are read later, on the spool's thread.
#[cfg(feature = "spool")]
fn open_spool(config: &ProducerConfig) -> Result<Option<Spool>, OpenError> {
    config.check()?;
    let open = |spool| Spool::open(spool, &config.stream, config.overflow);
    Ok(config.spool.as_ref().map(open).transpose()?)
}

/// How long [`Producer::open`] waits for the stream and its endpoint.
const OPEN_TIMEOUT: Duration = Duration::from_secs(30);
/// How much longer than its deadline a stop may take if its task was dropped, or if the disk of the spool is slow.
const GRACE: Duration = if cfg!(feature = "spool") { Duration::from_secs(11) } else { Duration::from_secs(1) };

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use kvs_aws::{ClientConfig, Credentials};
    use kvs_mkv::{CodecId, Track, TrackKind, TrackNumber};

    use super::*;
    use crate::Timestamps;

    fn producer(adjust: impl FnOnce(ProducerConfig) -> ProducerConfig) -> Producer {
        let credentials = Credentials::new("AKID", "SECRET", None, None, "test");
        let config = ClientConfig::new("us-west-2".parse().unwrap(), credentials);
        let client = Client::new(config.endpoint_url("http://127.0.0.1:1").unwrap()).unwrap();
        let video = Track::new(TrackNumber::ONE, TrackKind::Video, CodecId::MJPEG).with_video(640, 360);
        Producer::start(adjust(ProducerConfig::new("door", vec![video])), client).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn no_call_waits_for_a_task_that_has_panicked() {
        let producer = producer(|config| config);
        let mut events = producer.events();
        // A panic drops the task as this does.
        producer.task.abort();
        while events.next().await.is_some() {}
        let begun = now();
        producer.stop(Duration::from_secs(100)).await;
        assert_eq!(now() - begun, Duration::ZERO);
    }

    fn frame(n: u64) -> Frame {
        Frame::new(TrackNumber::ONE, Duration::from_millis(40 * n), vec![0; 4096]).with_keyframe(true)
    }

    /// A producer without room, and the frame that it refused.
    fn full_producer() -> (Producer, PutFrameError) {
        let producer =
            producer(|config| config.overflow(Overflow::Refuse).buffer_bytes(1 << 20).timestamps(Timestamps::Live));
        let full = (0..1000).find_map(|n| producer.try_put_frame(frame(n)).err()).unwrap();
        assert!(matches!(full.refusal, Refusal::BufferFull { .. }), "{full}");
        (producer, full)
    }

    /// On a link that stands still, a call and the task that woke each other took a whole processor.
    #[tokio::test(start_paused = true)]
    async fn frame_that_waits_for_room_keeps_no_processor_busy() {
        let (producer, full) = full_producer();
        let polls = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&polls);
        let waiting = tokio::spawn(async move {
            let mut put = pin!(producer.put_frame(full.into_frame()));
            std::future::poll_fn(|cx| {
                counter.fetch_add(1, Ordering::Relaxed);
                put.as_mut().poll(cx)
            })
            .await
        });
        // Each one lets all other tasks run once.
        for _ in 0..1000 {
            tokio::task::yield_now().await;
        }
        waiting.abort();
        let polls = polls.load(Ordering::Relaxed);
        assert!((1..10).contains(&polls), "{polls}");
    }

    #[tokio::test(start_paused = true)]
    async fn frame_that_waits_for_room_is_handed_back_when_the_task_panics() {
        let (producer, full) = full_producer();
        let waiting = producer.put_frame(full.into_frame());
        let panic = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            producer.task.abort();
        };
        let (refused, ()) = tokio::join!(tokio::time::timeout(Duration::from_secs(60), waiting), panic);
        let refused = refused.unwrap().unwrap_err();
        assert!(matches!(refused.refusal, Refusal::Finished), "{refused}");
        assert!(refused.into_frame().keyframe);
        // Later ones are not taken in silence either.
        assert!(matches!(producer.try_put_frame(frame(2000)).unwrap_err().refusal, Refusal::Finished));
    }
}

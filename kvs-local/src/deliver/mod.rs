//! What becomes of tagged fragments: images in a folder that stands for S3, messages as SNS sends them.
//!
//! ```text
//!                          ┌─ images ──> <data-dir>/s3/BUCKET/KEY (+ .metadata.json) ──> event of S3 ─┐
//! PERSISTED ── tags ask? ──┤                                                                          ├──> topic
//!                          └─ notification ───────────────────────────────────────────────────────────┘      │
//!                                 <data-dir>/sns/TOPIC/MESSAGE-ID.json  <── kept, signed ────────────────────┤
//!                                 http://subscriber                     <── posted once it agreed, repeated ─┘
//! ```
//!
//! [`Delivery::fragment_persisted`] takes a fragment and returns as soon as it is queued; work is done by as many tasks as
//! there are cores. Everything that happens is told by [`Delivery::events`].

pub mod limits;

mod path;
mod s3;
mod sns;
mod triggers;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use kvs_notify::{FragmentNotification, ImageObject, SUBJECT, StreamArn};
use tokio::sync::{Mutex, broadcast, mpsc, watch};
use tokio::task::JoinSet;

use crate::clock::Clock;
use crate::images::{Axis, DecodeOptions, FragmentSpan, RenderOptions};
use s3::images::{ImageMaker, ImageOutcome};
use sns::publisher::Publisher;

pub use path::UnsafeName;
pub use s3::images::SharedSource;
pub use s3::object_store::{NewObject, ObjectFolder, PutObjectError};
pub use sns::publisher::{CERTIFICATE_PATH, Page, PublishError, SNS_PATH, StartDeliveryError};
pub use sns::signer::SignerError;
pub use sns::topic::{InvalidSubscription, InvalidTopic, Shape, Source, Subscription, Topic};
pub use triggers::{ImageOrder, NotificationOrder, sampling_instants};

/// How delivery is set up.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "the service fills it in")]
pub struct DeliverySettings {
    /// Where `s3/`, `sns/` and `keys/` are.
    pub data_dir: PathBuf,
    /// The region in events and in topics of buckets.
    pub region: String,
    /// The account in keys of images: 12 digits.
    pub account: String,
    /// Where the service is reached: its certificate and the URLs in messages lie below it.
    pub base_url: String,
    /// Who wants messages.
    pub subscriptions: Vec<Subscription>,
}

/// What image generation is told to do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the service fills it in")]
pub struct ImageSettings {
    /// On which clock to sample.
    pub axis: Axis,
    /// How often.
    pub interval: Duration,
    /// Format and size.
    pub rendering: RenderOptions,
    /// The bucket of the destination's URI.
    pub bucket: String,
    /// The path in the destination's URI, empty without one.
    pub folder: String,
}

/// A fragment that was just persisted.
#[derive(Clone)]
#[expect(clippy::exhaustive_structs, reason = "the service fills it in")]
pub struct PersistedFragment {
    /// The stream's name.
    pub stream: String,
    /// The stream's ARN.
    pub stream_arn: StreamArn,
    /// Where its media is read from.
    pub source: SharedSource,
    /// The fragment and, where there are any, up to 16 before it in the order of ingestion.
    pub spans: Vec<FragmentSpan>,
    /// Which of `spans` it is.
    pub place: usize,
    /// Its tags, one group for each Matroska `Tag`.
    pub tags: Vec<Vec<kvs_mkv::Tag>>,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeliveryEvent {
    /// An image is in the bucket.
    ImageStored {
        /// The stream's name.
        stream: String,
        /// Bucket, key and metadata.
        object: Box<ImageObject>,
        /// The file.
        path: PathBuf,
    },
    /// An image that the tags asked for could not be made or stored.
    ImageFailed {
        /// The stream's name.
        stream: String,
        /// The fragment.
        fragment_number: kvs_types::FragmentNumber,
        /// The sampled instant since the Unix epoch.
        at: Duration,
        /// What is wrong.
        reason: String,
    },
    /// A message was kept and handed to the topic's subscribers.
    MessagePublished {
        /// The topic.
        topic_arn: String,
        /// The message.
        message_id: String,
        /// The file it is kept in.
        path: PathBuf,
    },
    /// A message could not be published.
    PublishFailed {
        /// The topic.
        topic_arn: String,
        /// What is wrong.
        reason: String,
    },
    /// A subscriber agreed.
    SubscriptionConfirmed {
        /// The topic.
        topic_arn: String,
        /// The subscriber.
        url: String,
    },
    /// A subscriber could not be asked.
    SubscriberUnreachable {
        /// The topic.
        topic_arn: String,
        /// The subscriber.
        url: String,
        /// What is wrong.
        reason: String,
    },
    /// A subscriber took a message.
    MessageDelivered {
        /// The topic.
        topic_arn: String,
        /// The message.
        message_id: String,
        /// The subscriber.
        url: String,
        /// How many posts it took.
        attempts: usize,
    },
    /// A subscriber did not take a message, and will not get it again.
    MessageUndelivered {
        /// The topic.
        topic_arn: String,
        /// The message.
        message_id: String,
        /// The subscriber.
        url: String,
        /// What is wrong.
        reason: String,
    },
}

/// Takes persisted fragments and does what their tags ask for.
#[derive(Debug)]
pub struct Delivery {
    images: mpsc::Sender<ImageJob>,
    notices: mpsc::Sender<NoticeJob>,
    outstanding: Arc<watch::Sender<usize>>,
    events: broadcast::Sender<DeliveryEvent>,
    publisher: Arc<Publisher>,
    /// Ends with this.
    _workers: JoinSet<()>,
}

type ImageJob = (PersistedFragment, ImageSettings);
type NoticeJob = (Topic, FragmentNotification);

impl Delivery {
    /// Starts the tasks on the current tokio runtime and asks the subscribers; `now` is the wall clock.
    ///
    /// # Errors
    /// A subscription to a bucket whose name cannot stand in an ARN, or a clock far off.
    pub fn start(
        settings: &DeliverySettings,
        now: impl Fn() -> SystemTime + Send + Sync + 'static,
    ) -> Result<Self, StartDeliveryError> {
        let clock = Clock::new(now);
        let (events, _) = broadcast::channel(limits::EVENT_QUEUE);
        let publisher = Arc::new(Publisher::start(settings, clock.clone(), events.clone())?);
        let maker = Arc::new(ImageMaker::new(settings, clock));
        let outstanding = Arc::new(watch::Sender::new(0));
        let bench = Workbench { maker, publisher: Arc::clone(&publisher), events: events.clone(), outstanding };
        let outstanding = Arc::clone(&bench.outstanding);

        let (images, image_queue) = mpsc::channel(limits::IMAGE_QUEUE);
        let (notices, notice_queue) = mpsc::channel(limits::IMAGE_QUEUE);
        let image_queue = Arc::new(Mutex::new(image_queue));
        let mut workers = JoinSet::new();
        for _ in 0..cores() {
            workers.spawn(bench.clone().run_images(Arc::clone(&image_queue)));
        }
        // Of its own, so that no notification waits for pictures.
        workers.spawn(bench.run_notices(notice_queue));
        Ok(Self { images, notices, outstanding, events, publisher, _workers: workers })
    }

    /// Queues what the tags of a persisted fragment ask for: images if there are settings for them, a notification if there is a
    /// topic. Waits while [`limits::IMAGE_QUEUE`] fragments are queued already.
    pub async fn fragment_persisted(
        &self,
        fragment: &PersistedFragment,
        images: Option<&ImageSettings>,
        topic: Option<&Topic>,
    ) {
        if let (Some(topic), Some(order)) = (topic, NotificationOrder::of(&fragment.tags))
            && let Some(notification) = notification(fragment, order)
        {
            self.queue(&self.notices, (topic.clone(), notification)).await;
        }
        if let (Some(settings), Some(_)) = (images, ImageOrder::of(&fragment.tags)) {
            self.queue(&self.images, (fragment.clone(), settings.clone())).await;
        }
    }

    async fn queue<T>(&self, queue: &mpsc::Sender<T>, job: T) {
        self.outstanding.send_modify(|count| *count += 1);
        if queue.send(job).await.is_err() {
            // Only after all workers died, which their tasks reported.
            self.outstanding.send_modify(|count| *count -= 1);
        }
    }

    /// Everything that happens from now on. An inspector that lags more than [`limits::EVENT_QUEUE`] loses the oldest.
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<DeliveryEvent> {
        self.events.subscribe()
    }

    /// Waits until every queued image is stored and every message is published; posts may still be on their way.
    pub async fn settled(&self) {
        // Fails only without a sender, and this is one.
        let _ = self.outstanding.subscribe().wait_for(|count| *count == 0).await;
    }

    /// Answers a GET whose path begins with [`SNS_PATH`]: the certificate, and the URLs that begin and end subscriptions.
    pub async fn page(&self, path: &str, query: Option<&str>) -> Page {
        self.publisher.page(path, query).await
    }

    /// The certificate of the authority behind the signing key, as PEM, for receivers in tests to trust.
    ///
    /// # Errors
    /// The key can neither be read nor made.
    pub async fn authority(&self) -> Result<String, SignerError> {
        self.publisher.authority().await
    }

    /// Waits until everything is stored, published and posted to the subscribers that agreed, at most for `patience`. What is
    /// not done then is given up when this is dropped.
    pub async fn finish(&self, patience: Duration) {
        let work = async {
            self.settled().await;
            self.publisher.idle().await;
        };
        if tokio::time::timeout(patience, work).await.is_err() {
            tracing::warn!(?patience, "images or messages were given up at the end");
        }
    }
}

/// What a worker has at hand.
#[derive(Clone)]
struct Workbench {
    maker: Arc<ImageMaker>,
    publisher: Arc<Publisher>,
    events: broadcast::Sender<DeliveryEvent>,
    outstanding: Arc<watch::Sender<usize>>,
}

impl Workbench {
    async fn run_images(self, queue: Arc<Mutex<mpsc::Receiver<ImageJob>>>) {
        loop {
            let job = queue.lock().await.recv().await;
            let Some((fragment, settings)) = job else { return };
            self.make_images(fragment, settings).await;
            self.outstanding.send_modify(|count| *count -= 1);
        }
    }

    async fn run_notices(self, mut queue: mpsc::Receiver<NoticeJob>) {
        while let Some((topic, notification)) = queue.recv().await {
            self.notify(&topic, &notification).await;
            self.outstanding.send_modify(|count| *count -= 1);
        }
    }

    async fn make_images(&self, fragment: PersistedFragment, settings: ImageSettings) {
        let maker = Arc::clone(&self.maker);
        let (stream, bucket) = (fragment.stream.clone(), settings.bucket.clone());
        let number = fragment.spans.get(fragment.place).map(|span| span.number.clone());
        let made = tokio::task::spawn_blocking(move || {
            // One thread each: the workers are as many as the cores.
            maker.make(&fragment, &settings, DecodeOptions { threads: NonZeroUsize::MIN, cancelled: &|| false })
        });
        // Fails only when the runtime shuts down, or on a bug that was logged.
        let (Ok(outcomes), Some(number)) = (made.await, number) else { return };
        for outcome in outcomes {
            self.report_image(&stream, &bucket, &number, outcome).await;
        }
    }

    async fn report_image(
        &self,
        stream: &str,
        bucket: &str,
        number: &kvs_types::FragmentNumber,
        outcome: ImageOutcome,
    ) {
        let event = match outcome {
            Ok(image) => {
                self.announce(bucket, image.event).await;
                DeliveryEvent::ImageStored {
                    stream: stream.to_owned(),
                    object: Box::new(image.object),
                    path: image.path,
                }
            }
            Err(failure) => {
                tracing::warn!(stream, %number, at = ?failure.at, reason = failure.reason, "no image");
                DeliveryEvent::ImageFailed {
                    stream: stream.to_owned(),
                    fragment_number: number.clone(),
                    at: failure.at,
                    reason: failure.reason,
                }
            }
        };
        // Nobody inspects: fine.
        let _ = self.events.send(event);
    }

    /// Publishes the event of a new object, if anybody listens to the bucket.
    async fn announce(&self, bucket: &str, event: String) {
        if let Ok(topic) = Topic::of_bucket(bucket, &self.maker.region, &self.maker.account)
            && self.publisher.has_subscribers(&topic)
        {
            self.publish(&topic, S3_SUBJECT, event).await;
        }
    }

    async fn notify(&self, topic: &Topic, notification: &FragmentNotification) {
        let text = serde_json::to_string(notification).expect("a notification of texts and numbers is JSON");
        self.publish(topic, SUBJECT, text).await;
    }

    async fn publish(&self, topic: &Topic, subject: &str, text: String) {
        if let Err(error) = self.publisher.publish(topic, subject, text).await {
            tracing::error!(%topic, %error, "a message was not published");
            let failed = DeliveryEvent::PublishFailed { topic_arn: topic.arn().to_owned(), reason: error.to_string() };
            let _ = self.events.send(failed);
        }
    }
}

fn notification(fragment: &PersistedFragment, order: NotificationOrder) -> Option<FragmentNotification> {
    let span = fragment.spans.get(fragment.place)?;
    let time = |since: Duration| std::time::UNIX_EPOCH.checked_add(since);
    let (producer, server) = (time(span.producer_timestamp)?, time(span.server_timestamp)?);
    let notification =
        FragmentNotification::persisted(fragment.stream_arn.clone(), span.number.clone(), producer, server);
    Some(notification.payload(order.pairs))
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

/// What S3 writes as the subject of its messages.
const S3_SUBJECT: &str = "Amazon S3 Notification";

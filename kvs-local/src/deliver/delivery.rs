//! Queues and tasks: from persisted fragments to images and notifications.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kvs_notify::{FragmentNotification, SUBJECT};
use kvs_types::FragmentNumber;
use tokio::sync::{Mutex, broadcast, mpsc, watch};
use tokio::task::JoinSet;

use super::aws::{AwsClient, AwsEndpoint};
use super::cancel::{self, Cancel, Canceled};
use super::delivery_events::DeliveryEvents;
use super::event::DeliveryEvent;
use super::limits;
use super::s3::bucket_client::BucketClient;
use super::s3::images::{ImageError, ImageResult, ImageWriter};
use super::settings::{AwsEndpoints, DeliverySettings, ImageSettings, PersistedFragment};
use super::sns::endpoint::{SnsEndpoint, SnsResponse};
use super::sns::publisher::{Publisher, StartDeliveryError};
use super::sns::signer::SignerError;
use super::sns::topic::Topic;
use super::sns::topic_client::TopicClient;
use super::triggers::{ImageTrigger, NotificationTrigger};
use crate::clock::Clock;
use crate::error_chain::error_chain;
use crate::images::Decoders;
use crate::limits::{ABANDON_GRACE, CANCEL_GRACE};

/// Makes the images and publishes the notifications that the tags of persisted fragments ask for.
#[derive(Debug)]
pub struct Delivery {
    images: mpsc::Sender<ImageJob>,
    notifications: mpsc::Sender<NotificationJob>,
    /// Number of jobs that are queued or in progress.
    outstanding: Arc<watch::Sender<usize>>,
    events: broadcast::Sender<DeliveryEvent>,
    publisher: Arc<Publisher>,
    endpoint: SnsEndpoint,
    cancel: Cancel,
    /// Aborted on drop.
    _workers: JoinSet<()>,
}

type ImageJob = (PersistedFragment, ImageSettings);
type NotificationJob = (Topic, FragmentNotification);

impl Delivery {
    /// Starts the tasks on the current tokio runtime and posts the subscription confirmations. `now` is the wall clock.
    ///
    /// # Errors
    /// The name of a bucket cannot be part of an ARN, or the clock is out of range.
    pub fn start(
        settings: &DeliverySettings,
        now: impl Fn() -> SystemTime + Send + Sync + 'static,
    ) -> Result<Self, StartDeliveryError> {
        Self::start_with(settings, AwsEndpoints::default(), now)
    }

    /// Starts as [`start`](Self::start) does, and sends images and messages to endpoints too.
    ///
    /// # Errors
    /// Those of [`start`](Self::start), or TLS could not be set up.
    pub fn start_with(
        settings: &DeliverySettings,
        endpoints: AwsEndpoints,
        now: impl Fn() -> SystemTime + Send + Sync + 'static,
    ) -> Result<Self, StartDeliveryError> {
        let client = |endpoint: Option<AwsEndpoint>, service| {
            let client = endpoint.map(|endpoint| AwsClient::new(endpoint, service)).transpose();
            client.map_err(|error| StartDeliveryError::Tls { source: error.into() })
        };
        let buckets = client(endpoints.s3, "s3")?.map(BucketClient::new);
        let topics = client(endpoints.sns, "sns")?.map(TopicClient::new);
        let clock = Clock::new(now);
        let (events, _) = broadcast::channel(limits::EVENT_QUEUE);
        let (cancel, canceled) = cancel::channel();
        let publisher = Arc::new(Publisher::start(settings, clock.clone(), events.clone(), topics, canceled.clone())?);
        let writer = Arc::new(ImageWriter::new(settings, buckets, clock));
        let outstanding = Arc::new(watch::Sender::new(0));
        let worker = Worker {
            writer,
            decoders: Arc::clone(&settings.decoders),
            publisher: Arc::clone(&publisher),
            events: events.clone(),
            outstanding: Arc::clone(&outstanding),
            canceled,
        };

        let (images, image_queue) = mpsc::channel(limits::IMAGE_QUEUE);
        let (notifications, notification_queue) = mpsc::channel(limits::IMAGE_QUEUE);
        let image_queue = Arc::new(Mutex::new(image_queue));
        let mut workers = JoinSet::new();
        for _ in 0..cores() {
            workers.spawn(worker.clone().run_images(Arc::clone(&image_queue)));
        }
        // A task of their own: notifications must not wait for images.
        workers.spawn(worker.run_notifications(notification_queue));
        let endpoint = publisher.endpoint();
        Ok(Self { images, notifications, outstanding, events, publisher, endpoint, cancel, _workers: workers })
    }

    /// Queues the images and the notification that the tags of a fragment ask for: images if `images` is set, a
    /// notification if `topic` is set. Waits while a queue is full ([`limits::IMAGE_QUEUE`]).
    pub async fn fragment_persisted(
        &self,
        fragment: &PersistedFragment,
        images: Option<&ImageSettings>,
        topic: Option<&Topic>,
    ) {
        if let (Some(topic), Some(trigger)) = (topic, NotificationTrigger::find(&fragment.tags))
            && let Some(notification) = notification(fragment, trigger)
        {
            self.queue(&self.notifications, (topic.clone(), notification)).await;
        }
        if let (Some(settings), Some(_)) = (images, ImageTrigger::find(&fragment.tags)) {
            self.queue(&self.images, (fragment.clone(), settings.clone())).await;
        }
    }

    async fn queue<T>(&self, queue: &mpsc::Sender<T>, job: T) {
        self.outstanding.send_modify(|count| *count += 1);
        if queue.send(job).await.is_err() {
            // All workers have panicked. tokio has reported the panics.
            self.outstanding.send_modify(|count| *count -= 1);
        }
    }

    /// Returns a receiver of all further events.
    #[must_use]
    pub fn events(&self) -> DeliveryEvents {
        DeliveryEvents::new(self.events.subscribe())
    }

    /// Waits until all queued images are stored and all queued messages are published. Posts may still be in progress.
    pub async fn settled(&self) {
        // Fails only if the sender was dropped, and `self` holds it.
        let _ = self.outstanding.subscribe().wait_for(|count| *count == 0).await;
    }

    /// Answers a GET request whose path starts with [`SNS_PATH`](super::SNS_PATH): the certificate, `ConfirmSubscription`
    /// and `Unsubscribe`.
    pub async fn handle_sns_request(&self, path: &str, query: Option<&str>) -> SnsResponse {
        self.endpoint.handle(path, query).await
    }

    /// Returns the certificate of the authority behind the signing key, as PEM. Receivers in tests trust it.
    ///
    /// # Errors
    /// The key could not be read or created.
    pub async fn authority(&self) -> Result<String, SignerError> {
        self.publisher.authority().await
    }

    /// Waits until all images are stored and all messages are published and posted to the confirmed subscribers, for at
    /// most `timeout`. Then all that is left is canceled and reported as failed. Canceling the image that is being made takes the
    /// time of a picture; it is reported even if that is longer than `timeout`.
    pub async fn finish(&self, timeout: Duration) {
        if self.is_idle_within(timeout.saturating_sub(CANCEL_GRACE)).await {
            return;
        }
        let fragments = *self.outstanding.borrow();
        tracing::warn!(?timeout, fragments, "stopped before the images and messages of these fragments were delivered");
        self.cancel.cancel();
        if !self.is_idle_within(CANCEL_GRACE.saturating_sub(ABANDON_GRACE)).await {
            self.cancel.abandon();
            self.is_idle_within(ABANDON_GRACE).await;
        }
    }

    /// Waits until there is nothing to deliver; returns `false` if there still is after `timeout`.
    async fn is_idle_within(&self, timeout: Duration) -> bool {
        let work = async {
            self.settled().await;
            self.publisher.idle().await;
        };
        tokio::time::timeout(timeout, work).await.is_ok()
    }
}

/// What the tasks share.
#[derive(Clone)]
struct Worker {
    writer: Arc<ImageWriter>,
    decoders: Arc<Decoders>,
    publisher: Arc<Publisher>,
    events: broadcast::Sender<DeliveryEvent>,
    outstanding: Arc<watch::Sender<usize>>,
    canceled: Canceled,
}

impl Worker {
    async fn run_images(self, queue: Arc<Mutex<mpsc::Receiver<ImageJob>>>) {
        loop {
            let job = queue.lock().await.recv().await;
            let Some((fragment, settings)) = job else { return };
            self.write_images(fragment, settings).await;
            self.outstanding.send_modify(|count| *count -= 1);
        }
    }

    async fn run_notifications(self, mut queue: mpsc::Receiver<NotificationJob>) {
        while let Some((topic, notification)) = queue.recv().await {
            let text = serde_json::to_string(&notification).expect("a notification of texts and numbers is JSON");
            self.publish(&topic, SUBJECT, text).await;
            self.outstanding.send_modify(|count| *count -= 1);
        }
    }

    /// Makes the images of a fragment and reports each of them, those too that are canceled.
    async fn write_images(&self, fragment: PersistedFragment, settings: ImageSettings) {
        let Some(number) = fragment.span().map(|span| span.number.clone()) else { return };
        let (stream, bucket) = (fragment.stream.clone(), settings.bucket.clone());
        let mut unreported = ImageWriter::instants(&fragment, &settings).into_iter();
        let mut results = self.start_images(fragment, settings, unreported.len());
        let next = async |results: &mut mpsc::Receiver<ImageResult>| {
            tokio::select! {
                biased;
                result = results.recv() => result,
                () = self.canceled.abandoned() => None,
            }
        };
        while let Some(result) = next(&mut results).await {
            unreported.next();
            self.report_image(&stream, &bucket, &number, result).await;
        }
        for at in unreported {
            let error = match self.canceled.is_set() {
                true => ImageError::canceled(at),
                // A panic, which tokio has reported.
                false => ImageError { at, source: "the task that makes the images has ended".into() },
            };
            self.report_image(&stream, &bucket, &number, Err(error)).await;
        }
    }

    /// Makes `count` images on a thread of their own, unless work is canceled. Returns their results as they come.
    fn start_images(
        &self,
        fragment: PersistedFragment,
        settings: ImageSettings,
        count: usize,
    ) -> mpsc::Receiver<ImageResult> {
        // Has room for all results: the thread never waits.
        let (output, results) = mpsc::channel(count.max(1));
        if !self.canceled.is_set() {
            let (writer, decoders) = (Arc::clone(&self.writer), Arc::clone(&self.decoders));
            let canceled = self.canceled.clone();
            tokio::task::spawn_blocking(move || {
                // Fails if nobody waits for the images anymore.
                let mut send = |result| drop(output.try_send(result));
                writer.write(&fragment, &settings, &decoders, &canceled, &mut send);
            });
        }
        results
    }

    async fn report_image(&self, stream: &str, bucket: &str, number: &FragmentNumber, result: ImageResult) {
        let event = match result {
            Ok(image) => {
                self.publish_object_created(bucket, image.event).await;
                let object = Box::new(image.object);
                DeliveryEvent::ImageStored { stream: stream.to_owned(), object, path: image.path }
            }
            Err(error) => {
                let reason = error_chain(&*error.source);
                let timestamp = UNIX_EPOCH.checked_add(error.at).unwrap_or(UNIX_EPOCH);
                tracing::warn!(stream, %number, at = ?error.at, reason, "failed to generate image");
                DeliveryEvent::ImageFailed {
                    stream: stream.to_owned(),
                    fragment_number: number.clone(),
                    timestamp,
                    reason,
                }
            }
        };
        // Fails if there is no receiver.
        let _ = self.events.send(event);
    }

    /// Publishes the S3 event of a new object if the bucket has a subscriber.
    async fn publish_object_created(&self, bucket: &str, event: String) {
        if self.writer.sends_events()
            && let Ok(topic) = Topic::of_bucket(bucket, &self.writer.region, &self.writer.account)
            && self.publisher.has_subscribers(&topic)
        {
            self.publish(&topic, S3_SUBJECT, event).await;
        }
    }

    async fn publish(&self, topic: &Topic, subject: &str, text: String) {
        if let Err(error) = self.publisher.publish(topic, subject, text).await {
            let reason = error_chain(&error);
            tracing::error!(%topic, reason, "failed to publish message");
            let _ = self.events.send(DeliveryEvent::PublishFailed { topic_arn: topic.arn().to_owned(), reason });
        }
    }
}

fn notification(fragment: &PersistedFragment, trigger: NotificationTrigger) -> Option<FragmentNotification> {
    let span = fragment.span()?;
    let time = |since: Duration| UNIX_EPOCH.checked_add(since);
    let (producer, server) = (time(span.producer_timestamp)?, time(span.server_timestamp)?);
    let notification =
        FragmentNotification::persisted(fragment.stream_arn.clone(), span.number.clone(), producer, server);
    Some(notification.payload(trigger.pairs))
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

/// The subject of the messages that S3 publishes.
const S3_SUBJECT: &str = "Amazon S3 Notification";

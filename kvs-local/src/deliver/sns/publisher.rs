//! Publishes messages: stores them in the data folder and queues them for the subscribers of their topic.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use kvs_notify::{SecretText, SignatureVersion, SnsConfirmation, SnsMessage, SnsNotification, SnsTimestamp};
use kvs_types::limits::SNS_MESSAGE_BYTES;
use tokio::sync::broadcast;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::endpoint::{CERTIFICATE_PATH, SNS_PATH, SnsEndpoint};
use super::envelope::{SealError, Sealer};
use super::post::Poster;
use super::signer::{LazySigner, SignerError};
use super::subscriber::{Subscriber, SubscriberContext, SubscriberQueue};
use super::subscription::{Source, Subscription};
use super::topic::{InvalidTopic, Topic};
use super::topic_client::TopicClient;
use crate::clock::Clock;
use crate::deliver::aws::EndpointError;
use crate::deliver::cancel::Canceled;
use crate::deliver::event::DeliveryEvent;
use crate::deliver::files::{UnsafeName, directly_inside, inside, write_whole};
use crate::deliver::settings::DeliverySettings;

/// The topics with their subscribers, and the folder that messages are stored in.
#[derive(Debug)]
pub(in crate::deliver) struct Publisher {
    folder: PathBuf,
    clock: Clock,
    context: SubscriberContext,
    /// Takes the messages first, if there is one.
    remote: Option<TopicClient>,
    subscribers: Vec<SubscriberQueue>,
    /// The tasks of the subscribers. Aborted on drop.
    tasks: JoinSet<()>,
}

/// Why a message was not published.
#[derive(Debug, thiserror::Error)]
pub(in crate::deliver) enum PublishError {
    #[error("message too large: {size} bytes, limit {limit}")]
    TooLarge { size: usize, limit: usize },
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The SNS endpoint did not take it.
    #[error("failed to publish to the SNS endpoint")]
    Endpoint(#[from] EndpointError),
    /// The topic is not a valid folder name.
    #[error(transparent)]
    Name(#[from] UnsafeName),
    #[error("clock out of range: expected a year from 1970 to 9999")]
    Clock,
    #[error("failed to write {}", path.display())]
    Disk { path: PathBuf, source: io::Error },
    #[error("the service is stopping")]
    Stopped,
}

/// Why delivery did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartDeliveryError {
    /// The name of a bucket cannot be part of a topic ARN.
    #[error(transparent)]
    Topic(#[from] InvalidTopic),
    /// TLS for the S3 or SNS endpoint could not be set up.
    #[error("cannot set up TLS for an endpoint")]
    Tls {
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The time cannot be written to messages.
    #[error("clock out of range: expected a year from 1970 to 9999")]
    Clock,
}

impl Publisher {
    /// Starts the tasks of the subscribers, which post the subscription confirmations. Requires a tokio runtime.
    pub(in crate::deliver) fn start(
        settings: &DeliverySettings,
        clock: Clock,
        events: broadcast::Sender<DeliveryEvent>,
        remote: Option<TopicClient>,
        canceled: Canceled,
    ) -> Result<Self, StartDeliveryError> {
        let base = settings.base_url.trim_end_matches('/');
        let signer = Arc::new(LazySigner::new(settings.data_dir.join("keys")));
        let context = SubscriberContext {
            poster: Poster::new(),
            sealer: Sealer { signer, cert_url: format!("{base}{CERTIFICATE_PATH}") },
            unsubscribe_url: format!("{base}{SNS_PATH}?Action=Unsubscribe&SubscriptionArn="),
            events,
            canceled,
        };
        let folder = settings.data_dir.join("sns");
        let mut publisher = Self { folder, clock, context, remote, subscribers: Vec::new(), tasks: JoinSet::new() };
        for subscription in &settings.subscriptions {
            publisher.subscribe(subscription.clone(), settings, base)?;
        }
        Ok(publisher)
    }

    fn subscribe(
        &mut self,
        subscription: Subscription,
        settings: &DeliverySettings,
        base: &str,
    ) -> Result<(), StartDeliveryError> {
        let topic = match &subscription.source {
            Source::Topic(topic) => topic.clone(),
            Source::Bucket(bucket) => Topic::of_bucket(bucket, &settings.region, &settings.account)?,
        };
        let token = SecretText::from(format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple()));
        let url = format!("{base}{SNS_PATH}?Action=ConfirmSubscription&TopicArn={topic}&Token={}", token.expose());
        let timestamp = SnsTimestamp::new(self.clock.wall()).map_err(|_| StartDeliveryError::Clock)?;
        let confirmation = SnsConfirmation::new(Uuid::new_v4().to_string(), topic.arn(), token.clone(), url, timestamp);
        let id = Uuid::new_v4().to_string();
        let (queue, task) = Subscriber::create(subscription, topic, &id, token, self.context.clone());
        self.subscribers.push(queue);
        self.tasks.spawn(task.run(SnsMessage::SubscriptionConfirmation(confirmation)));
        Ok(())
    }

    /// Returns the endpoint for the subscribers, which do not change after the start.
    pub(in crate::deliver) fn endpoint(&self) -> SnsEndpoint {
        let subscribers = self.subscribers.iter().map(|queue| Arc::clone(&queue.subscriber)).collect();
        SnsEndpoint::new(subscribers, Arc::clone(&self.context.sealer.signer), self.context.events.clone())
    }

    /// Stores a message as `<topic>/<MessageId>.json` and queues it for the subscribers of the topic.
    pub(in crate::deliver) async fn publish(
        &self,
        topic: &Topic,
        subject: &str,
        text: String,
    ) -> Result<PathBuf, PublishError> {
        if text.len() > SNS_MESSAGE_BYTES {
            return Err(PublishError::TooLarge { size: text.len(), limit: SNS_MESSAGE_BYTES });
        }
        let canceled = &self.context.canceled;
        if canceled.is_set() {
            return Err(PublishError::Stopped);
        }
        if let Some(remote) = &self.remote {
            // An endpoint that does not answer takes a minute.
            tokio::select! {
                published = remote.publish(topic, subject, &text) => published?,
                () = canceled.set() => return Err(PublishError::Stopped),
            }
        }
        let timestamp = SnsTimestamp::new(self.clock.wall()).map_err(|_| PublishError::Clock)?;
        let id = Uuid::new_v4().to_string();
        let message = SnsNotification::new(&id, topic.arn(), text, timestamp).subject(subject);
        let sealed = SnsMessage::Notification(message.clone());
        let json = self.context.sealer.seal(sealed, SignatureVersion::V1).await?;
        let folder = directly_inside(&self.folder, topic.name())?;
        let path = inside(&folder, &format!("{id}.json"))?;
        let file = path.clone();
        let written = tokio::task::spawn_blocking(move || {
            fs::create_dir_all(folder)?;
            write_whole(&file, &file.with_extension("json.tmp"), &json)
        });
        let written = written.await.map_err(|_| PublishError::Stopped)?;
        written.map_err(|source| PublishError::Disk { path: path.clone(), source })?;
        self.send(DeliveryEvent::MessagePublished {
            topic_arn: topic.arn().to_owned(),
            message_id: id,
            path: path.clone(),
        });
        self.queue(topic, &Arc::new(message));
        Ok(path)
    }

    fn queue(&self, topic: &Topic, message: &Arc<SnsNotification>) {
        for queue in self.subscribers.iter().filter(|queue| queue.subscriber.topic == *topic) {
            if !queue.offer(message) {
                self.send(DeliveryEvent::MessageFailed {
                    topic_arn: topic.arn().to_owned(),
                    message_id: message.message_id.clone(),
                    url: queue.subscriber.subscription.url.to_string(),
                    reason: "the queue of the subscriber is full".to_owned(),
                });
            }
        }
    }

    fn send(&self, event: DeliveryEvent) {
        // Fails if there is no receiver.
        let _ = self.context.events.send(event);
    }

    /// Returns whether the topic has subscribers.
    pub(in crate::deliver) fn has_subscribers(&self, topic: &Topic) -> bool {
        self.subscribers.iter().any(|queue| queue.subscriber.topic == *topic)
    }

    /// Returns the certificate of the authority, as PEM.
    pub(in crate::deliver) async fn authority(&self) -> Result<String, SignerError> {
        Ok(self.context.sealer.signer.get().await?.authority().to_owned())
    }

    /// Waits until all queued messages are posted to the confirmed subscribers.
    pub(in crate::deliver) async fn idle(&self) {
        for queue in &self.subscribers {
            queue.subscriber.idle().await;
        }
    }
}

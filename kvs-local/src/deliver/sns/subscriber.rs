//! One subscriber: it must confirm first, and then receives every message of its topic.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use kvs_notify::{SecretText, SnsMessage, SnsNotification, SnsType};
use tokio::sync::{broadcast, mpsc, watch};

use super::envelope::{SealError, Sealer};
use super::post::{Post, Poster};
use super::subscription::Subscription;
use super::topic::Topic;
use crate::deliver::cancel::Canceled;
use crate::deliver::event::DeliveryEvent;
use crate::deliver::limits::SUBSCRIBER_QUEUE;
use crate::error_chain::error_chain;

/// The state of a subscription.
///
/// ```text
/// Pending ──ConfirmSubscription──> Confirmed
///    └──────────── Unsubscribe ────────┴──> Unsubscribed
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SubscriptionState {
    Pending,
    Confirmed,
    Unsubscribed,
}

/// One subscriber.
#[derive(Debug)]
pub(super) struct Subscriber {
    pub(super) subscription: Subscription,
    pub(super) topic: Topic,
    /// The ARN of the topic, a colon and a UUID.
    pub(super) arn: String,
    /// The token of the subscription confirmation.
    pub(super) token: SecretText,
    state: watch::Sender<SubscriptionState>,
    /// Number of messages that are queued or being posted.
    unposted: watch::Sender<usize>,
}

/// The queue of a subscriber. The task of the subscriber ends when the queue is dropped and empty.
#[derive(Debug)]
pub(super) struct SubscriberQueue {
    pub(super) subscriber: Arc<Subscriber>,
    queue: mpsc::Sender<Arc<SnsNotification>>,
    full: AtomicBool,
}

/// Posts the messages in the queue of a subscriber.
#[derive(Debug)]
pub(super) struct SubscriberTask {
    subscriber: Arc<Subscriber>,
    queue: mpsc::Receiver<Arc<SnsNotification>>,
    state: watch::Receiver<SubscriptionState>,
    context: SubscriberContext,
}

/// What the tasks of all subscribers share.
#[derive(Clone, Debug)]
pub(super) struct SubscriberContext {
    pub(super) poster: Poster,
    pub(super) sealer: Sealer,
    /// The `UnsubscribeURL` of messages, without the subscription ARN at its end.
    pub(super) unsubscribe_url: String,
    pub(super) events: broadcast::Sender<DeliveryEvent>,
    pub(super) canceled: Canceled,
}

impl Subscriber {
    /// Creates a subscriber with its queue and its task.
    pub(super) fn create(
        subscription: Subscription,
        topic: Topic,
        id: &str,
        token: SecretText,
        context: SubscriberContext,
    ) -> (SubscriberQueue, SubscriberTask) {
        let (state, watched) = watch::channel(SubscriptionState::Pending);
        let (sender, receiver) = mpsc::channel(SUBSCRIBER_QUEUE);
        let arn = format!("{topic}:{id}");
        let subscriber = Arc::new(Self { subscription, topic, arn, token, state, unposted: watch::Sender::new(0) });
        let task = SubscriberTask { subscriber: Arc::clone(&subscriber), queue: receiver, state: watched, context };
        (SubscriberQueue { subscriber, queue: sender, full: AtomicBool::new(false) }, task)
    }

    pub(super) fn state(&self) -> SubscriptionState {
        *self.state.borrow()
    }

    /// Confirms the subscription. Messages that were queued before are posted first. A subscription that was canceled
    /// cannot be confirmed. Returns the new state.
    pub(super) fn confirm(&self) -> SubscriptionState {
        self.state.send_if_modified(|state| {
            let pending = *state == SubscriptionState::Pending;
            if pending {
                *state = SubscriptionState::Confirmed;
            }
            pending
        });
        self.state()
    }

    /// Cancels the subscription.
    pub(super) fn unsubscribe(&self) {
        self.state.send_replace(SubscriptionState::Unsubscribed);
    }

    /// Waits until all queued messages are posted. Returns at once if the subscription is not confirmed.
    pub(super) async fn idle(&self) {
        if self.state() == SubscriptionState::Confirmed {
            // Fails only if the sender was dropped, and `self` holds it.
            let _ = self.unposted.subscribe().wait_for(|count| *count == 0).await;
        }
    }
}

impl SubscriberQueue {
    /// Queues a message. Returns `false` if the queue is full.
    pub(super) fn offer(&self, message: &Arc<SnsNotification>) -> bool {
        if self.subscriber.state() == SubscriptionState::Unsubscribed {
            return true;
        }
        let unposted = &self.subscriber.unposted;
        unposted.send_modify(|count| *count += 1);
        let queued = self.queue.try_send(Arc::clone(message)).is_ok();
        if !queued {
            unposted.send_modify(|count| *count -= 1);
        }
        if !self.full.swap(!queued, Ordering::Relaxed) && !queued {
            let url = &self.subscriber.subscription.url;
            tracing::warn!(%url, limit = SUBSCRIBER_QUEUE, "subscriber is too slow, messages are dropped");
        }
        queued
    }
}

impl SubscriberTask {
    /// Posts the subscription confirmation, waits until the subscriber has confirmed, and posts the messages in order.
    pub(super) async fn run(mut self, confirmation: SnsMessage) {
        self.post_confirmation(confirmation).await;
        // Fails only if the sender was dropped, and `self.subscriber` holds it.
        let _ = self.state.wait_for(|state| *state != SubscriptionState::Pending).await;
        while let Some(message) = self.queue.recv().await {
            if self.subscriber.state() != SubscriptionState::Unsubscribed {
                self.deliver(&message).await;
            }
            self.subscriber.unposted.send_modify(|count| *count -= 1);
        }
    }

    async fn post_confirmation(&self, confirmation: SnsMessage) {
        let Subscriber { subscription, topic, .. } = &*self.subscriber;
        let (message_id, topic_arn) = (confirmation.message_id().to_owned(), topic.arn().to_owned());
        let body = match self.context.sealer.seal(confirmation, subscription.signature_version.clone()).await {
            Ok(body) => body,
            Err(error) => {
                let error = error_chain(&error);
                return tracing::error!(error, "failed to sign subscription confirmation");
            }
        };
        let kind = SnsType::SubscriptionConfirmation;
        let post = Post { kind, message_id, topic_arn: topic_arn.clone(), subscription_arn: None, raw: false, body };
        let url = &subscription.url;
        if let (attempts, Err(error)) = self.context.poster.post(url, &post).await {
            tracing::warn!(%url, %error, attempts, "failed to post subscription confirmation");
            let (url, reason) = (url.to_string(), error.to_string());
            // Fails if there is no receiver.
            let _ = self.context.events.send(DeliveryEvent::ConfirmationFailed { topic_arn, url, reason });
        }
    }

    async fn deliver(&self, message: &SnsNotification) {
        let post = match self.notification(message).await {
            Ok(post) => post,
            Err(error) => return tracing::error!(error = error_chain(&error), "failed to sign message"),
        };
        let url = &self.subscriber.subscription.url;
        // With all attempts, a subscriber that does not answer takes minutes.
        let (attempts, result) = tokio::select! {
            biased;
            () = self.context.canceled.set() => (0, Err("the service is stopping".to_owned())),
            (attempts, result) = self.context.poster.post(url, &post) => (attempts, result.map_err(|error| error.to_string())),
        };
        let (topic_arn, message_id, url) = (post.topic_arn, post.message_id, url.to_string());
        let event = match result {
            Ok(()) => DeliveryEvent::MessageDelivered { topic_arn, message_id, url, attempts },
            Err(error) => {
                tracing::warn!(%url, %error, attempts, message_id, "failed to deliver message");
                DeliveryEvent::MessageFailed { topic_arn, message_id, url, reason: error }
            }
        };
        let _ = self.context.events.send(event);
    }

    async fn notification(&self, message: &SnsNotification) -> Result<Post, SealError> {
        let Subscriber { subscription, arn, .. } = &*self.subscriber;
        let body = if subscription.raw {
            message.message.clone().into()
        } else {
            let url = format!("{}{arn}", self.context.unsubscribe_url);
            let message = SnsMessage::Notification(message.clone().unsubscribe_url(url));
            self.context.sealer.seal(message, subscription.signature_version.clone()).await?
        };
        Ok(Post {
            kind: SnsType::Notification,
            message_id: message.message_id.clone(),
            topic_arn: message.topic_arn.clone(),
            subscription_arn: Some(arn.clone()),
            raw: subscription.raw,
            body,
        })
    }
}

//! One subscriber: asked first, then sent every message of its topic.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use kvs_notify::{SecretText, SignatureVersion, SnsMessage, SnsNotification, SnsType};
use tokio::sync::{broadcast, mpsc, watch};

use super::post::{Post, Poster};
use super::publisher::PublishError;
use super::signer::Keyring;
use super::topic::{Shape, Subscription, Topic};
use crate::deliver::DeliveryEvent;
use crate::deliver::limits::SUBSCRIBER_QUEUE;

/// Where a subscription stands.
///
/// ```text
/// Pending ──visits the URL──> Confirmed ──visits the other URL──> Ended
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::deliver) enum Standing {
    Pending,
    Confirmed,
    Ended,
}

/// One subscriber.
#[derive(Debug)]
pub(in crate::deliver) struct Subscriber {
    pub(in crate::deliver) subscription: Subscription,
    pub(in crate::deliver) topic: Topic,
    /// The topic's ARN, a colon and a GUID.
    pub(in crate::deliver) arn: String,
    pub(in crate::deliver) token: SecretText,
    standing: watch::Sender<Standing>,
    /// Messages queued or being posted.
    unposted: watch::Sender<usize>,
}

/// The queue of a subscriber; once it is dropped the subscriber's task ends when the queue is empty.
#[derive(Debug)]
pub(in crate::deliver) struct Inbox {
    pub(in crate::deliver) subscriber: Arc<Subscriber>,
    queue: mpsc::Sender<Arc<SnsNotification>>,
    full: AtomicBool,
}

/// The receiving end, taken by [`run`].
#[derive(Debug)]
pub(in crate::deliver) struct Work {
    subscriber: Arc<Subscriber>,
    queue: mpsc::Receiver<Arc<SnsNotification>>,
    standing: watch::Receiver<Standing>,
}

/// What every subscriber's task needs.
#[derive(Clone, Debug)]
pub(in crate::deliver) struct Tools {
    pub(in crate::deliver) poster: Poster,
    pub(in crate::deliver) keyring: Arc<Keyring>,
    /// Where the certificate is served.
    pub(in crate::deliver) cert_url: String,
    /// Where subscriptions end: `ARN` is put behind.
    pub(in crate::deliver) unsubscribe_url: String,
    pub(in crate::deliver) events: broadcast::Sender<DeliveryEvent>,
}

impl Inbox {
    pub(in crate::deliver) fn new(
        subscription: Subscription,
        topic: Topic,
        guid: &str,
        token: SecretText,
    ) -> (Self, Work) {
        let (standing, watched) = watch::channel(Standing::Pending);
        let (queue, receiver) = mpsc::channel(SUBSCRIBER_QUEUE);
        let arn = format!("{topic}:{guid}");
        let subscriber =
            Arc::new(Subscriber { subscription, topic, arn, token, standing, unposted: watch::Sender::new(0) });
        let work = Work { subscriber: Arc::clone(&subscriber), queue: receiver, standing: watched };
        (Self { subscriber, queue, full: AtomicBool::new(false) }, work)
    }

    /// Puts a message into the queue; `false` if that is full.
    pub(in crate::deliver) fn offer(&self, message: &Arc<SnsNotification>) -> bool {
        if self.subscriber.standing() == Standing::Ended {
            return true;
        }
        let unposted = &self.subscriber.unposted;
        unposted.send_modify(|count| *count += 1);
        let taken = self.queue.try_send(Arc::clone(message)).is_ok();
        if !taken {
            unposted.send_modify(|count| *count -= 1);
        }
        if !self.full.swap(!taken, Ordering::Relaxed) && !taken {
            let url = &self.subscriber.subscription.url;
            tracing::warn!(%url, limit = SUBSCRIBER_QUEUE, "a subscriber lags, messages are dropped");
        }
        taken
    }
}

impl Subscriber {
    pub(in crate::deliver) fn standing(&self) -> Standing {
        *self.standing.borrow()
    }

    /// Lets the subscriber have its messages, those that waited first. Whoever ended cannot begin again.
    pub(in crate::deliver) fn confirm(&self) -> Standing {
        self.standing.send_if_modified(|standing| {
            let pending = *standing == Standing::Pending;
            if pending {
                *standing = Standing::Confirmed;
            }
            pending
        });
        self.standing()
    }

    /// Waits until whoever agreed has everything that was queued for it.
    pub(in crate::deliver) async fn idle(&self) {
        if self.standing() == Standing::Confirmed {
            // Fails only without a sender, and this is one.
            let _ = self.unposted.subscribe().wait_for(|count| *count == 0).await;
        }
    }

    pub(in crate::deliver) fn end(&self) {
        self.standing.send_replace(Standing::Ended);
    }
}

/// Asks the subscriber, waits for its consent and posts messages one after the other until it ends.
pub(in crate::deliver) async fn run(mut work: Work, question: SnsMessage, tools: Tools) {
    let subscriber = Arc::clone(&work.subscriber);
    ask(&subscriber, question, &tools).await;
    // Fails only if the subscriber is gone, and this task holds it.
    let _ = work.standing.wait_for(|standing| *standing != Standing::Pending).await;
    while let Some(message) = work.queue.recv().await {
        if subscriber.standing() != Standing::Ended {
            deliver(&subscriber, &message, &tools).await;
        }
        subscriber.unposted.send_modify(|count| *count -= 1);
    }
}

async fn ask(subscriber: &Subscriber, question: SnsMessage, tools: &Tools) {
    let version = subscriber.subscription.signature.clone();
    let sealed = seal(question, version, tools).await;
    let (id, body) = match sealed {
        Ok(sealed) => sealed,
        Err(error) => return tracing::error!(%error, "the question to a subscriber cannot be signed"),
    };
    let post = Post {
        kind: SnsType::SubscriptionConfirmation,
        message_id: id,
        topic_arn: subscriber.topic.arn().to_owned(),
        subscription_arn: None,
        raw: false,
        body,
    };
    let url = &subscriber.subscription.url;
    if let (attempts, Err(error)) = tools.poster.post(url, &post).await {
        tracing::warn!(%url, %error, attempts, "a subscriber could not be asked");
        let event = DeliveryEvent::SubscriberUnreachable {
            topic_arn: subscriber.topic.arn().to_owned(),
            url: url.to_string(),
            reason: error.to_string(),
        };
        // Nobody inspects: fine.
        let _ = tools.events.send(event);
    }
}

async fn deliver(subscriber: &Subscriber, message: &SnsNotification, tools: &Tools) {
    let post = match envelope(subscriber, message, tools).await {
        Ok(post) => post,
        Err(error) => return tracing::error!(%error, "a message cannot be signed"),
    };
    let url = &subscriber.subscription.url;
    let (attempts, outcome) = tools.poster.post(url, &post).await;
    let (topic_arn, message_id, url) = (post.topic_arn, post.message_id, url.to_string());
    let event = match outcome {
        Ok(()) => DeliveryEvent::MessageDelivered { topic_arn, message_id, url, attempts },
        Err(error) => {
            tracing::warn!(%url, %error, attempts, message_id, "a message was not delivered");
            DeliveryEvent::MessageUndelivered { topic_arn, message_id, url, reason: error.to_string() }
        }
    };
    let _ = tools.events.send(event);
}

async fn envelope(subscriber: &Subscriber, message: &SnsNotification, tools: &Tools) -> Result<Post, PublishError> {
    let raw = subscriber.subscription.shape == Shape::Raw;
    let body = if raw {
        Bytes::from(message.message.clone())
    } else {
        let url = format!("{}{}", tools.unsubscribe_url, subscriber.arn);
        let message = SnsMessage::Notification(message.clone().unsubscribe_url(url));
        seal(message, subscriber.subscription.signature.clone(), tools).await?.1
    };
    Ok(Post {
        kind: SnsType::Notification,
        message_id: message.message_id.clone(),
        topic_arn: message.topic_arn.clone(),
        subscription_arn: Some(subscriber.arn.clone()),
        raw,
        body,
    })
}

/// Signs a message on a thread that may be busy for milliseconds, and gives its id and its JSON.
pub(in crate::deliver) async fn seal(
    message: SnsMessage,
    version: SignatureVersion,
    tools: &Tools,
) -> Result<(String, Bytes), PublishError> {
    let (signer, cert_url) = (tools.keyring.signer().await?, tools.cert_url.clone());
    let signed = tokio::task::spawn_blocking(move || {
        let signed = signer.sign(message, &version, &cert_url);
        let body = serde_json::to_vec(&signed).expect("a message of texts is JSON");
        (signed.message_id().to_owned(), Bytes::from(body))
    });
    signed.await.map_err(|_| PublishError::Stopped)
}

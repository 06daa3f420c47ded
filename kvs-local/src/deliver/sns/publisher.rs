//! Publishing: a message is kept in the data folder and handed to the subscribers of its topic.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use http::StatusCode;
use kvs_notify::{SecretText, SignatureVersion, SnsConfirmation, SnsMessage, SnsNotification, SnsTimestamp};
use percent_encoding::percent_decode_str;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::post::Poster;
use super::signer::{Keyring, SignerError};
use super::subscriber::{Inbox, Standing, Subscriber, Tools, run, seal};
use super::topic::{InvalidTopic, Source, Subscription, Topic};
use crate::clock::Clock;
use crate::deliver::limits::MESSAGE_BYTES;
use crate::deliver::path::{UnsafeName, directly_inside, inside};
use crate::deliver::s3::object_store::write_new;
use crate::deliver::{DeliveryEvent, DeliverySettings};

/// Topics, their subscribers, and the folder in which messages are kept.
#[derive(Debug)]
pub(in crate::deliver) struct Publisher {
    folder: PathBuf,
    clock: Clock,
    tools: Tools,
    subscribers: Vec<Inbox>,
    /// Posts in flight; they end with this.
    tasks: JoinSet<()>,
}

/// Why a message was not published.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// SNS takes no message of this size.
    #[error("a message of {size} bytes is larger than the limit of {limit}")]
    TooLarge {
        /// Bytes of the message.
        size: usize,
        /// Bytes allowed: [`limits::MESSAGE_BYTES`](crate::deliver::limits::MESSAGE_BYTES).
        limit: usize,
    },
    /// The message cannot be signed.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// The topic cannot be a folder.
    #[error(transparent)]
    Name(#[from] UnsafeName),
    /// The clock says a time that messages cannot.
    #[error("the clock stands before 1970 or after 9999")]
    Clock,
    /// The message could not be kept.
    #[error("{} cannot be written: {source}", path.display())]
    Disk {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The service shuts down.
    #[error("the service shuts down")]
    Stopped,
}

/// What a GET below `/sns/` is answered with.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a small response")]
pub struct Page {
    /// The status.
    pub status: StatusCode,
    /// The media type.
    pub content_type: &'static str,
    /// The body.
    pub body: String,
}

impl Publisher {
    /// Starts to ask the subscribers. Must be called on a tokio runtime.
    pub(in crate::deliver) fn start(
        settings: &DeliverySettings,
        clock: Clock,
        events: tokio::sync::broadcast::Sender<DeliveryEvent>,
    ) -> Result<Self, StartDeliveryError> {
        let base = settings.base_url.trim_end_matches('/');
        let tools = Tools {
            poster: Poster::new(),
            keyring: Arc::new(Keyring::new(settings.data_dir.join("keys"))),
            cert_url: format!("{base}{CERTIFICATE_PATH}"),
            unsubscribe_url: format!("{base}{SNS_PATH}?Action=Unsubscribe&SubscriptionArn="),
            events,
        };
        let folder = settings.data_dir.join("sns");
        let mut publisher = Self { folder, clock, tools, subscribers: Vec::new(), tasks: JoinSet::new() };
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
        let question = SnsConfirmation::new(Uuid::new_v4().to_string(), topic.arn(), token.clone(), url, timestamp);
        let (inbox, work) = Inbox::new(subscription, topic, &Uuid::new_v4().to_string(), token);
        self.subscribers.push(inbox);
        self.tasks.spawn(run(work, SnsMessage::SubscriptionConfirmation(question), self.tools.clone()));
        Ok(())
    }

    /// Keeps a message as `<topic>/<MessageId>.json` and queues it for the topic's subscribers.
    pub(in crate::deliver) async fn publish(
        &self,
        topic: &Topic,
        subject: &str,
        text: String,
    ) -> Result<PathBuf, PublishError> {
        if text.len() > MESSAGE_BYTES {
            return Err(PublishError::TooLarge { size: text.len(), limit: MESSAGE_BYTES });
        }
        let timestamp = SnsTimestamp::new(self.clock.wall()).map_err(|_| PublishError::Clock)?;
        let id = Uuid::new_v4().to_string();
        let message = SnsNotification::new(&id, topic.arn(), text, timestamp).subject(subject);
        let sealed = seal(SnsMessage::Notification(message.clone()), SignatureVersion::V1, &self.tools).await;
        let (_, json) = sealed?;
        let folder = directly_inside(&self.folder, topic.name())?;
        let path = inside(&folder, &format!("{id}.json"))?;
        let kept = path.clone();
        let written = tokio::task::spawn_blocking(move || keep(&folder, &kept, &json)).await;
        let written = written.map_err(|_| PublishError::Stopped)?;
        written.map_err(|source| PublishError::Disk { path: path.clone(), source })?;
        let published =
            DeliveryEvent::MessagePublished { topic_arn: topic.arn().to_owned(), message_id: id, path: path.clone() };
        let _ = self.tools.events.send(published);
        self.hand_out(topic, &Arc::new(message));
        Ok(path)
    }

    fn hand_out(&self, topic: &Topic, message: &Arc<SnsNotification>) {
        for inbox in self.subscribers.iter().filter(|inbox| inbox.subscriber.topic == *topic) {
            if !inbox.offer(message) {
                let _ = self.tools.events.send(DeliveryEvent::MessageUndelivered {
                    topic_arn: topic.arn().to_owned(),
                    message_id: message.message_id.clone(),
                    url: inbox.subscriber.subscription.url.to_string(),
                    reason: "the subscriber's queue is full".to_owned(),
                });
            }
        }
    }

    /// Whether anybody listens to this topic.
    pub(in crate::deliver) fn has_subscribers(&self, topic: &Topic) -> bool {
        self.subscribers.iter().any(|inbox| inbox.subscriber.topic == *topic)
    }

    /// The authority to be trusted by receivers in tests, as PEM.
    pub(in crate::deliver) async fn authority(&self) -> Result<String, SignerError> {
        Ok(self.tools.keyring.signer().await?.authority().to_owned())
    }

    /// Answers a GET below `/sns/`: the certificate, and the URLs that begin and end subscriptions.
    pub(in crate::deliver) async fn page(&self, path: &str, query: Option<&str>) -> Page {
        if path == CERTIFICATE_PATH {
            return self.certificate().await;
        }
        if path != SNS_PATH {
            return refusal(StatusCode::NOT_FOUND, "NotFound", "there is nothing at this path");
        }
        let fields = parse_query(query.unwrap_or_default());
        let field = |name: &str| fields.get(name).map_or("", String::as_str);
        match field("Action") {
            "ConfirmSubscription" => self.confirm(field("TopicArn"), field("Token")),
            "Unsubscribe" => self.unsubscribe(field("SubscriptionArn")),
            _ => refusal(
                StatusCode::BAD_REQUEST,
                "InvalidAction",
                "Action is neither ConfirmSubscription nor Unsubscribe",
            ),
        }
    }

    async fn certificate(&self) -> Page {
        match self.tools.keyring.signer().await {
            Ok(signer) => Page {
                status: StatusCode::OK,
                content_type: "application/x-pem-file",
                body: signer.certificate().to_owned(),
            },
            Err(error) => {
                tracing::error!(%error, "there is no certificate");
                refusal(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", "there is no certificate")
            }
        }
    }

    fn subscribers(&self) -> impl Iterator<Item = &Subscriber> {
        self.subscribers.iter().map(|inbox| &*inbox.subscriber)
    }

    fn confirm(&self, topic: &str, token: &str) -> Page {
        let asked = |subscriber: &&Subscriber| subscriber.topic.arn() == topic && subscriber.token.expose() == token;
        let Some(subscriber) = self.subscribers().find(asked) else {
            return refusal(StatusCode::BAD_REQUEST, "InvalidParameter", "Invalid token");
        };
        if subscriber.confirm() == Standing::Ended {
            return refusal(StatusCode::BAD_REQUEST, "InvalidParameter", "the subscription has ended");
        }
        let event = DeliveryEvent::SubscriptionConfirmed {
            topic_arn: subscriber.topic.arn().to_owned(),
            url: subscriber.subscription.url.to_string(),
        };
        let _ = self.tools.events.send(event);
        let result = format!("<SubscriptionArn>{}</SubscriptionArn>", subscriber.arn);
        answer("ConfirmSubscription", &format!("<ConfirmSubscriptionResult>{result}</ConfirmSubscriptionResult>"))
    }

    fn unsubscribe(&self, arn: &str) -> Page {
        let Some(subscriber) = self.subscribers().find(|subscriber| subscriber.arn == arn) else {
            return refusal(StatusCode::NOT_FOUND, "NotFound", "there is no such subscription");
        };
        subscriber.end();
        answer("Unsubscribe", "")
    }

    /// Waits until every subscriber that agreed has its messages.
    pub(in crate::deliver) async fn idle(&self) {
        for subscriber in self.subscribers() {
            subscriber.idle().await;
        }
    }
}

/// Why delivery did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartDeliveryError {
    /// A bucket that cannot stand in a topic's ARN.
    #[error(transparent)]
    Topic(#[from] InvalidTopic),
    /// The clock says a time that messages cannot.
    #[error("the clock stands before 1970 or after 9999")]
    Clock,
}

fn keep(folder: &std::path::Path, path: &std::path::Path, json: &[u8]) -> std::io::Result<()> {
    fs::create_dir_all(folder)?;
    let temporary = path.with_extension("json.tmp");
    write_new(&temporary, json)?;
    fs::rename(&temporary, path)
}

/// Names and values of a query, `%XX` and `+` decoded; of equal names the first counts.
fn parse_query(query: &str) -> BTreeMap<String, String> {
    let decode = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    let pairs = query.split('&').take(QUERY_FIELDS).filter_map(|pair| pair.split_once('='));
    let mut fields = BTreeMap::new();
    for (name, value) in pairs {
        fields.entry(decode(name)).or_insert_with(|| decode(value));
    }
    fields
}

fn answer(action: &str, result: &str) -> Page {
    let id = Uuid::new_v4();
    let body = format!(
        "<{action}Response xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\">{result}\
         <ResponseMetadata><RequestId>{id}</RequestId></ResponseMetadata></{action}Response>"
    );
    Page { status: StatusCode::OK, content_type: "text/xml", body }
}

fn refusal(status: StatusCode, code: &str, message: &str) -> Page {
    let id = Uuid::new_v4();
    let body = format!(
        "<ErrorResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><Error><Type>Sender</Type><Code>{code}</Code>\
         <Message>{message}</Message></Error><RequestId>{id}</RequestId></ErrorResponse>"
    );
    Page { status, content_type: "text/xml", body }
}

/// Below this path the server hands GETs to [`Delivery::page`](crate::deliver::Delivery::page), unsigned.
pub const SNS_PATH: &str = "/sns/";
/// Where the certificate is served; receivers expect the name to end so.
pub const CERTIFICATE_PATH: &str = "/sns/SimpleNotificationService-kvs-local.pem";
/// Fields of a query that are looked at.
const QUERY_FIELDS: usize = 16;

//! The HTTP endpoint of SNS: certificate, `ConfirmSubscription` and `Unsubscribe`.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::StatusCode;
use percent_encoding::percent_decode_str;
use tokio::sync::broadcast;
use uuid::Uuid;

use super::signer::LazySigner;
use super::subscriber::{Subscriber, SubscriptionState};
use crate::deliver::event::DeliveryEvent;
use crate::error_chain::error_chain;

/// Answers GET requests below [`SNS_PATH`].
#[derive(Debug)]
pub(in crate::deliver) struct SnsEndpoint {
    subscribers: Vec<Arc<Subscriber>>,
    signer: Arc<LazySigner>,
    events: broadcast::Sender<DeliveryEvent>,
}

/// The response to a GET request below [`SNS_PATH`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a response without further headers")]
pub struct SnsResponse {
    /// The status.
    pub status: StatusCode,
    /// The media type.
    pub content_type: &'static str,
    /// The body.
    pub body: String,
}

impl SnsEndpoint {
    pub(super) const fn new(
        subscribers: Vec<Arc<Subscriber>>,
        signer: Arc<LazySigner>,
        events: broadcast::Sender<DeliveryEvent>,
    ) -> Self {
        Self { subscribers, signer, events }
    }

    pub(in crate::deliver) async fn handle(&self, path: &str, query: Option<&str>) -> SnsResponse {
        if path == CERTIFICATE_PATH {
            return self.certificate().await;
        }
        if path != SNS_PATH {
            return error(StatusCode::NOT_FOUND, "NotFound", "There is no resource at this path");
        }
        let fields = parse_query(query.unwrap_or_default());
        let field = |name: &str| fields.get(name).map_or("", String::as_str);
        match field("Action") {
            "ConfirmSubscription" => self.confirm(field("TopicArn"), field("Token")),
            "Unsubscribe" => self.unsubscribe(field("SubscriptionArn")),
            _ => error(StatusCode::BAD_REQUEST, "InvalidAction", "Action must be ConfirmSubscription or Unsubscribe"),
        }
    }

    async fn certificate(&self) -> SnsResponse {
        match self.signer.get().await {
            Ok(signer) => SnsResponse {
                status: StatusCode::OK,
                content_type: "application/x-pem-file",
                body: signer.certificate().to_owned(),
            },
            Err(cause) => {
                tracing::error!(error = error_chain(&cause), "failed to read the certificate of the signing key");
                error(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", "The certificate is not available")
            }
        }
    }

    fn confirm(&self, topic: &str, token: &str) -> SnsResponse {
        let matches =
            |subscriber: &&Arc<Subscriber>| subscriber.topic.arn() == topic && subscriber.token.expose() == token;
        let Some(subscriber) = self.subscribers.iter().find(matches) else {
            return error(StatusCode::BAD_REQUEST, "InvalidParameter", "Invalid token");
        };
        if subscriber.confirm() == SubscriptionState::Unsubscribed {
            return error(StatusCode::BAD_REQUEST, "InvalidParameter", "The subscription was deleted");
        }
        let event = DeliveryEvent::SubscriptionConfirmed {
            topic_arn: subscriber.topic.arn().to_owned(),
            url: subscriber.subscription.url.to_string(),
        };
        let _ = self.events.send(event);
        let result = format!("<SubscriptionArn>{}</SubscriptionArn>", subscriber.arn);
        success("ConfirmSubscription", &format!("<ConfirmSubscriptionResult>{result}</ConfirmSubscriptionResult>"))
    }

    fn unsubscribe(&self, arn: &str) -> SnsResponse {
        let Some(subscriber) = self.subscribers.iter().find(|subscriber| subscriber.arn == arn) else {
            return error(StatusCode::NOT_FOUND, "NotFound", "Subscription does not exist");
        };
        subscriber.unsubscribe();
        success("Unsubscribe", "")
    }
}

/// Parses a query and decodes `%XX` and `+`. If a name occurs twice, the first value is used.
fn parse_query(query: &str) -> BTreeMap<String, String> {
    let decode = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    let pairs = query.split('&').take(QUERY_FIELDS).filter_map(|pair| pair.split_once('='));
    let mut fields = BTreeMap::new();
    for (name, value) in pairs {
        fields.entry(decode(name)).or_insert_with(|| decode(value));
    }
    fields
}

fn success(action: &str, result: &str) -> SnsResponse {
    let id = Uuid::new_v4();
    let body = format!(
        "<{action}Response xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\">{result}\
         <ResponseMetadata><RequestId>{id}</RequestId></ResponseMetadata></{action}Response>"
    );
    SnsResponse { status: StatusCode::OK, content_type: "text/xml", body }
}

fn error(status: StatusCode, code: &str, message: &str) -> SnsResponse {
    let id = Uuid::new_v4();
    let body = format!(
        "<ErrorResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><Error><Type>Sender</Type><Code>{code}</Code>\
         <Message>{message}</Message></Error><RequestId>{id}</RequestId></ErrorResponse>"
    );
    SnsResponse { status, content_type: "text/xml", body }
}

/// GET requests with this path prefix are handled by
/// [`Delivery::handle_sns_request`](crate::deliver::Delivery::handle_sns_request) and need no signature.
pub const SNS_PATH: &str = "/sns/";
/// The path of the certificate. Message validators expect a URL that ends with `.pem`.
pub const CERTIFICATE_PATH: &str = "/sns/SimpleNotificationService-kvs-local.pem";
/// Largest number of fields that are read from a query.
const QUERY_FIELDS: usize = 16;

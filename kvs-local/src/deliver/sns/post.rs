//! Posting messages to subscribers, with repeats.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, Uri};
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use kvs_notify::SnsType;

use crate::deliver::limits::{ANSWER_WITHIN, RETRY_PAUSES};

/// One message on its way to one subscriber.
#[derive(Clone, Debug)]
pub(in crate::deliver) struct Post {
    pub(in crate::deliver) kind: SnsType,
    pub(in crate::deliver) message_id: String,
    pub(in crate::deliver) topic_arn: String,
    /// Not on the question whether to subscribe.
    pub(in crate::deliver) subscription_arn: Option<String>,
    pub(in crate::deliver) raw: bool,
    pub(in crate::deliver) body: Bytes,
}

/// Why a post did not arrive.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(in crate::deliver) enum PostError {
    /// The subscriber could not be reached, or broke off.
    #[error("{0}")]
    Connection(String),
    /// It did not answer in time.
    #[error("no answer within {} s", .0.as_secs())]
    Timeout(Duration),
    /// It answered with something else than a success.
    #[error("answered with status {0}")]
    Status(u16),
    /// The message has something that headers cannot.
    #[error("the message cannot be posted: {0}")]
    Request(String),
}

impl PostError {
    /// As SNS does: what the subscriber calls the sender's fault is not repeated.
    /// <https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html>
    const fn is_worth_repeating(&self) -> bool {
        match self {
            Self::Connection(_) | Self::Timeout(_) => true,
            Self::Status(status) => *status == 429 || *status >= 500,
            Self::Request(_) => false,
        }
    }
}

/// Posts messages; one pool of connections for all subscribers.
#[derive(Clone, Debug)]
pub(in crate::deliver) struct Poster(Client<HttpConnector, Full<Bytes>>);

impl Poster {
    pub(in crate::deliver) fn new() -> Self {
        Self(Client::builder(TokioExecutor::new()).build_http())
    }

    /// Posts until it arrived or is not worth repeating, and says how many times that took.
    pub(in crate::deliver) async fn post(&self, url: &Uri, post: &Post) -> (usize, Result<(), PostError>) {
        let mut attempts = 1;
        let mut outcome = self.post_once(url, post).await;
        for pause in RETRY_PAUSES {
            match &outcome {
                Err(error) if error.is_worth_repeating() => tracing::debug!(%url, %error, ?pause, "a post is repeated"),
                _ => break,
            }
            tokio::time::sleep(pause).await;
            attempts += 1;
            outcome = self.post_once(url, post).await;
        }
        (attempts, outcome)
    }

    async fn post_once(&self, url: &Uri, post: &Post) -> Result<(), PostError> {
        let request = post.request(url).map_err(|error| PostError::Request(error.to_string()))?;
        let answer = tokio::time::timeout(ANSWER_WITHIN, self.0.request(request)).await;
        let answer = answer.map_err(|_| PostError::Timeout(ANSWER_WITHIN))?;
        let answer = answer.map_err(|error| PostError::Connection(chain(&error)))?;
        let status: StatusCode = answer.status();
        if status.is_success() { Ok(()) } else { Err(PostError::Status(status.as_u16())) }
    }
}

impl Post {
    /// Headers as SNS sends them.
    /// <https://docs.aws.amazon.com/sns/latest/dg/http-header.html>
    fn request(&self, url: &Uri) -> http::Result<Request<Full<Bytes>>> {
        let mut request = Request::post(url.clone())
            .header("x-amz-sns-message-type", self.kind.as_str())
            .header("x-amz-sns-message-id", &self.message_id)
            .header("x-amz-sns-topic-arn", &self.topic_arn)
            .header(http::header::CONTENT_TYPE, "text/plain; charset=UTF-8")
            .header(http::header::USER_AGENT, "Amazon Simple Notification Service Agent");
        if let Some(arn) = &self.subscription_arn {
            request = request.header("x-amz-sns-subscription-arn", arn);
        }
        if self.raw {
            request = request.header("x-amz-sns-rawdelivery", HeaderValue::from_static("true"));
        }
        request.body(Full::new(self.body.clone()))
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

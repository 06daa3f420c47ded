//! Posts messages to subscribers, with retries.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, Uri};
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use kvs_notify::SnsType;

use crate::deliver::limits::{RESPONSE_TIMEOUT, RETRY_DELAYS};
use crate::error_chain::error_chain;

/// One message for one subscriber.
#[derive(Clone, Debug)]
pub(super) struct Post {
    pub(super) kind: SnsType,
    pub(super) message_id: String,
    pub(super) topic_arn: String,
    /// `None` for a subscription confirmation.
    pub(super) subscription_arn: Option<String>,
    pub(super) raw: bool,
    pub(super) body: Bytes,
}

/// Why a post failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum PostError {
    /// The subscriber could not be reached, or the connection broke.
    #[error("connection failed: {0}")]
    Connection(String),
    #[error("no response within {} s", .0.as_secs())]
    Timeout(Duration),
    #[error("subscriber responded with status {0}")]
    Status(u16),
    /// A value cannot be sent in a header.
    #[error("invalid request: {0}")]
    Request(String),
}

impl PostError {
    /// Returns whether SNS would retry: not after a client error other than 429.
    /// <https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html>
    const fn is_retryable(&self) -> bool {
        match self {
            Self::Connection(_) | Self::Timeout(_) => true,
            Self::Status(status) => *status == 429 || *status >= 500,
            Self::Request(_) => false,
        }
    }
}

/// Posts messages. All subscribers share one connection pool.
#[derive(Clone, Debug)]
pub(super) struct Poster(Client<HttpConnector, Full<Bytes>>);

impl Poster {
    pub(super) fn new() -> Self {
        Self(Client::builder(TokioExecutor::new()).build_http())
    }

    /// Posts a message until the subscriber accepts it or a retry is useless. Returns the number of attempts.
    pub(super) async fn post(&self, url: &Uri, post: &Post) -> (usize, Result<(), PostError>) {
        let mut attempts = 1;
        let mut result = self.post_once(url, post).await;
        for delay in RETRY_DELAYS {
            match &result {
                Err(error) if error.is_retryable() => tracing::debug!(%url, %error, ?delay, "retrying post"),
                _ => break,
            }
            tokio::time::sleep(delay).await;
            attempts += 1;
            result = self.post_once(url, post).await;
        }
        (attempts, result)
    }

    async fn post_once(&self, url: &Uri, post: &Post) -> Result<(), PostError> {
        let request = post.request(url).map_err(|error| PostError::Request(error.to_string()))?;
        let response = tokio::time::timeout(RESPONSE_TIMEOUT, self.0.request(request)).await;
        let response = response.map_err(|_| PostError::Timeout(RESPONSE_TIMEOUT))?;
        let response = response.map_err(|error| PostError::Connection(error_chain(&error)))?;
        let status: StatusCode = response.status();
        if status.is_success() { Ok(()) } else { Err(PostError::Status(status.as_u16())) }
    }
}

impl Post {
    /// Returns the request, with the headers of SNS.
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

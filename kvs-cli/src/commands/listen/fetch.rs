//! Fetches certificates, and confirms subscriptions, by GET of a checked URL.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::{Request, StatusCode};
use kvs_notify::__internal::CERTIFICATE_BYTES;

use crate::commands::https::{self, HttpsClient};

/// Longest fetch. SNS waits 15 s for the answer to its post, of which this is a part.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Fetches over http and https. Follows no redirects, as only the first URL was checked.
pub(super) struct Fetcher {
    client: HttpsClient,
}

impl Fetcher {
    pub(super) fn new() -> Result<Self, rustls::Error> {
        Ok(Self { client: https::client()? })
    }

    pub(super) async fn get(&self, url: &str) -> Result<Bytes, FetchError> {
        let request = Request::get(url).body(Empty::new())?;
        let whole = async {
            let response = self.client.request(request).await?;
            if !response.status().is_success() {
                return Err(FetchError::Status(response.status()));
            }
            let body = Limited::new(response.into_body(), CERTIFICATE_BYTES).collect().await;
            Ok(body.map_err(FetchError::Body)?.to_bytes())
        };
        tokio::time::timeout(TIMEOUT, whole).await.map_err(|_| FetchError::Timeout)?
    }
}

/// Why a fetch failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error("no response within {TIMEOUT:?}")]
    Timeout,
    #[error("response status {0}")]
    Status(StatusCode),
    #[error("cannot read the response")]
    Body(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("cannot connect")]
    Connection(#[from] hyper_util::client::legacy::Error),
    #[error("invalid URL")]
    Url(#[from] http::Error),
}

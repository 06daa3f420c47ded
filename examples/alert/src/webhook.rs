//! Alerts as HTTP posts.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use hyper::header::CONTENT_TYPE;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;

use crate::BoxError;
use crate::alert::Alert;

/// How long a post may take.
const POST_TIME: Duration = Duration::from_secs(10);

/// An address that alerts are posted to.
pub(crate) struct Webhook {
    url: String,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl Webhook {
    pub(crate) fn new(url: String) -> Self {
        let https = HttpsConnectorBuilder::new().with_webpki_roots().https_or_http().enable_http1().build();
        Self { url, client: Client::builder(TokioExecutor::new()).build(https) }
    }

    /// Posts an alert once. It was printed before: whoever needs every alert reads the output.
    pub(crate) async fn post(&self, alert: &Alert) -> Result<(), BoxError> {
        let body = Full::new(Bytes::from(alert.to_json().to_string()));
        let request = Request::post(&self.url).header(CONTENT_TYPE, "application/json").body(body)?;
        let response = tokio::time::timeout(POST_TIME, self.client.request(request)).await??;
        if response.status().is_success() {
            Ok(())
        } else {
            Err(format!("{} answered {}", self.url, response.status()).into())
        }
    }
}

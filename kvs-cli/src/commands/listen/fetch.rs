//! Fetches certificates, and confirms subscriptions, by GET of a checked URL.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::{Request, StatusCode};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use kvs_notify::__internal::CERTIFICATE_BYTES;
use rustls::{ClientConfig, RootCertStore};

/// Longest fetch. SNS waits 15 s for the answer to its post, of which this is a part.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Fetches over http and https. Follows no redirects, as only the first URL was checked.
pub(super) struct Fetcher {
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
}

impl Fetcher {
    pub(super) fn new() -> Result<Self, rustls::Error> {
        let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        let tls = ClientConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().build();
        Ok(Self { client: Client::builder(TokioExecutor::new()).build(connector) })
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

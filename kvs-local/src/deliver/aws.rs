//! Signed requests to S3 and SNS, or to an emulator of them.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings, UriPathNormalizationMode,
    sign,
};
use aws_sigv4::sign::v4;
use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

use super::limits::{ENDPOINT_ANSWER_BYTES, ENDPOINT_RETRY_DELAYS, RESPONSE_TIMEOUT};
use crate::error_chain::error_chain;

/// Where images or messages are sent to, and with which keys.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "filled in by the service")]
pub struct AwsEndpoint {
    /// `http://HOST[:PORT]` or `https://HOST[:PORT]`, without a slash at the end.
    pub url: String,
    /// The keys that sign the requests.
    pub keys: AwsKeys,
    /// Whether buckets and topics that do not exist are created.
    pub create_missing: bool,
}

/// The keys that sign requests to an endpoint.
#[derive(Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the parts of AWS credentials")]
pub struct AwsKeys {
    /// The access key.
    pub id: String,
    /// The secret key.
    pub secret: String,
    /// The session token of temporary keys.
    pub token: Option<String>,
}

impl std::fmt::Debug for AwsKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AwsKeys").field("id", &self.id).field("secret", &"[redacted]").finish_non_exhaustive()
    }
}

/// Why an endpoint did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum EndpointError {
    /// It could not be reached, or the connection broke.
    #[error("{url}: connection failed: {reason}")]
    Connection { url: String, reason: String },
    #[error("{url}: no response within {} s", RESPONSE_TIMEOUT.as_secs())]
    Timeout { url: String },
    /// It refused the request.
    #[error("{url} responded with status {status}: {}", text.escape_debug())]
    Refused { url: String, status: u16, text: String },
    /// A value cannot be sent.
    #[error("invalid request: {0}")]
    Request(String),
}

impl EndpointError {
    const fn is_retryable(&self) -> bool {
        match self {
            Self::Connection { .. } | Self::Timeout { .. } => true,
            Self::Refused { status, .. } => *status == 429 || *status >= 500,
            Self::Request(_) => false,
        }
    }

    /// Returns whether the endpoint answered with status 404 and this code.
    pub(super) fn is_missing(&self, code: &str) -> bool {
        matches!(self, Self::Refused { status: 404, text, .. } if text.contains(code))
    }
}

/// Sends signed requests to one service at one endpoint.
#[derive(Clone, Debug)]
pub(super) struct AwsClient {
    pub(super) endpoint: AwsEndpoint,
    service: &'static str,
    http: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl AwsClient {
    pub(super) fn new(endpoint: AwsEndpoint, service: &'static str) -> Result<Self, rustls::Error> {
        // Name the provider: with two of them in a program's dependency tree, rustls panics instead of choosing one.
        let config = ClientConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
            .with_safe_default_protocol_versions()?
            .with_root_certificates(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() })
            .with_no_client_auth();
        let connector = HttpsConnectorBuilder::new().with_tls_config(config).https_or_http().enable_http1().build();
        Ok(Self { endpoint, service, http: Client::builder(TokioExecutor::new()).build(connector) })
    }

    /// Sends a request until the endpoint accepts it or a retry is useless. Returns the body of the answer.
    pub(super) async fn send(&self, request: &AwsRequest<'_>) -> Result<Bytes, EndpointError> {
        let mut result = self.send_once(request).await;
        for delay in ENDPOINT_RETRY_DELAYS {
            match &result {
                Err(error) if error.is_retryable() => {
                    tracing::debug!(error = error_chain(error), ?delay, "retrying a request to {}", self.service);
                }
                _ => break,
            }
            tokio::time::sleep(delay).await;
            result = self.send_once(request).await;
        }
        result
    }

    async fn send_once(&self, request: &AwsRequest<'_>) -> Result<Bytes, EndpointError> {
        let url = || self.endpoint.url.clone();
        let signed = self.signed(request).map_err(|error| EndpointError::Request(error.to_string()))?;
        let exchange = async {
            let response = self.http.request(signed).await.map_err(|error| error_chain(&error))?;
            read(response).await
        };
        let answered = tokio::time::timeout(RESPONSE_TIMEOUT, exchange).await;
        let answered = answered.map_err(|_| EndpointError::Timeout { url: url() })?;
        let (status, body) = answered.map_err(|reason| EndpointError::Connection { url: url(), reason })?;
        if status.is_success() {
            return Ok(body);
        }
        let text = String::from_utf8_lossy(&body).chars().take(SHOWN_CHARS).collect();
        Err(EndpointError::Refused { url: url(), status: status.as_u16(), text })
    }

    fn signed(
        &self,
        request: &AwsRequest<'_>,
    ) -> Result<Request<Full<Bytes>>, Box<dyn std::error::Error + Send + Sync>> {
        let uri: Uri = format!("{}{}", self.endpoint.url, request.path).parse()?;
        let host = uri.authority().ok_or("the endpoint has no host")?.as_str().to_owned();
        let mut sent = Request::builder().method(request.method).uri(uri).body(Full::new(request.body.clone()))?;
        let headers = sent.headers_mut();
        headers.insert(header::HOST, HeaderValue::try_from(host)?);
        headers.insert(header::CONTENT_TYPE, HeaderValue::try_from(request.content_type)?);
        for (name, value) in request.headers {
            headers.append(http::HeaderName::try_from(name)?, HeaderValue::try_from(value)?);
        }
        let mut settings = SigningSettings::default();
        if self.service == "s3" {
            // https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html, notes about S3
            settings.percent_encoding_mode = PercentEncodingMode::Single;
            settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
            settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        }
        let AwsKeys { id, secret, token } = &self.endpoint.keys;
        let identity = Credentials::from_keys(id, secret, token.clone()).into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(request.region)
            .name(self.service)
            // The endpoint compares it with its own clock.
            .time(SystemTime::now())
            .settings(settings)
            .build()?
            .into();
        let headers = sent.headers().iter().map(|(name, value)| Ok((name.as_str(), value.to_str()?)));
        let headers = headers.collect::<Result<Vec<_>, header::ToStrError>>()?;
        let body = SignableBody::Bytes(&request.body);
        let signable = SignableRequest::new(request.method, sent.uri().to_string(), headers.into_iter(), body)?;
        let (instructions, _signature) = sign(signable, &params)?.into_parts();
        instructions.apply_to_request_http1x(&mut sent);
        Ok(sent)
    }
}

async fn read(response: Response<hyper::body::Incoming>) -> Result<(StatusCode, Bytes), String> {
    let status = response.status();
    let body = Limited::new(response.into_body(), ENDPOINT_ANSWER_BYTES).collect().await;
    Ok((status, body.map_err(|error| error.to_string())?.to_bytes()))
}

/// A request before it is signed.
#[derive(Clone, Debug)]
pub(super) struct AwsRequest<'a> {
    pub(super) method: &'static str,
    /// Percent-encoded, starts with a slash.
    pub(super) path: String,
    pub(super) region: &'a str,
    pub(super) content_type: &'a str,
    pub(super) headers: &'a [(String, String)],
    pub(super) body: Bytes,
}

/// Returns whether a URL is one of AWS.
pub(crate) fn is_of_aws(url: &str) -> bool {
    let host = url.parse::<Uri>().ok().and_then(|url| url.host().map(str::to_ascii_lowercase)).unwrap_or_default();
    let host = host.trim_end_matches('.');
    ["amazonaws.com", "amazonaws.com.cn", "api.aws", "amazonaws.eu"]
        .iter()
        .any(|domain| host == *domain || host.strip_suffix(domain).is_some_and(|below| below.ends_with('.')))
}

/// Characters of a refusal that an error repeats.
const SHOWN_CHARS: usize = 300;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_of_aws_are_recognized() {
        for url in ["https://s3.us-west-2.amazonaws.com", "https://SNS.us-east-1.AMAZONAWS.com.", "https://s3.api.aws"]
        {
            assert!(is_of_aws(url), "{url}");
        }
        for url in ["http://localhost:4566", "http://amazonaws.com.evil.example", "http://notamazonaws.com", "x"] {
            assert!(!is_of_aws(url), "{url}");
        }
    }
}

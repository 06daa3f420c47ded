//! Whether the bucket of the images exists, and where: S3 tells this to anybody.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Empty;
use hyper::{Request, StatusCode};

use crate::commands::https;

/// How long the question may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// What S3 says about a bucket.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Bucket {
    /// It exists; whether it may be written to is not known.
    There,
    Missing,
    /// It is in another Region.
    In(String),
    /// No answer, or none that we know.
    Unknown(String),
}

/// Asks an S3 endpoint for a bucket, without credentials: it answers 403 for a bucket of others, and 404 for none.
pub(super) async fn ask(endpoint: &str, bucket: &str, region: &str) -> Bucket {
    let asked = tokio::time::timeout(TIMEOUT, head(&format!("{}/{bucket}", endpoint.trim_end_matches('/')))).await;
    match asked {
        Ok(Ok((StatusCode::NOT_FOUND, _))) => Bucket::Missing,
        Ok(Ok((_, Some(found)))) if found != region => Bucket::In(found),
        Ok(Ok((StatusCode::OK | StatusCode::FORBIDDEN, _))) => Bucket::There,
        Ok(Ok((status, _))) => Bucket::Unknown(format!("{endpoint} answered {status}")),
        Ok(Err(error)) => Bucket::Unknown(error.to_string()),
        Err(_) => Bucket::Unknown(format!("{endpoint} did not answer within {TIMEOUT:?}")),
    }
}

/// Returns the status, and the Region that S3 names.
async fn head(url: &str) -> Result<(StatusCode, Option<String>), Box<dyn std::error::Error + Send + Sync>> {
    let request = Request::head(url).body(Empty::<Bytes>::new())?;
    let response = https::client()?.request(request).await?;
    let region = response.headers().get("x-amz-bucket-region").and_then(|region| region.to_str().ok());
    Ok((response.status(), region.map(str::to_owned)))
}

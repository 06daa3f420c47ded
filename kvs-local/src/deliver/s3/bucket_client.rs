//! Objects in S3, or in an emulator of it: PutObject calls.

use bytes::Bytes;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::object_store::NewObject;
use crate::deliver::aws::{AwsClient, AwsRequest, EndpointError};

/// Puts objects into the buckets of an endpoint.
#[derive(Clone, Debug)]
pub(in crate::deliver) struct BucketClient(AwsClient);

impl BucketClient {
    pub(in crate::deliver) const fn new(client: AwsClient) -> Self {
        Self(client)
    }

    /// Puts an object with its content type and metadata; creates the bucket if that was asked for.
    pub(in crate::deliver) async fn put(&self, object: &NewObject<'_>, region: &str) -> Result<(), EndpointError> {
        let headers: Vec<(String, String)> = object
            .metadata
            .iter()
            .map(|(name, value)| (format!("x-amz-meta-{}", name.to_ascii_lowercase()), header_text(value)))
            .collect();
        let put = AwsRequest {
            method: "PUT",
            path: format!("/{}/{}", object.bucket, utf8_percent_encode(object.key, IN_KEY)),
            region,
            content_type: object.content_type,
            headers: &headers,
            body: Bytes::copy_from_slice(object.content),
        };
        match self.0.send(&put).await {
            Err(error) if self.0.endpoint.create_missing && error.is_missing("NoSuchBucket") => {
                self.create(object.bucket, region).await?;
                self.0.send(&put).await.map(drop)
            }
            result => result.map(drop),
        }
    }

    async fn create(&self, bucket: &str, region: &str) -> Result<(), EndpointError> {
        // us-east-1 must not be named: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html
        let body = if region == "us-east-1" {
            String::new()
        } else {
            format!(
                "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><LocationConstraint>{region}\
                 </LocationConstraint></CreateBucketConfiguration>"
            )
        };
        let path = format!("/{bucket}");
        let create = AwsRequest {
            method: "PUT",
            path,
            region,
            content_type: "application/xml",
            headers: &[],
            body: body.into(),
        };
        match self.0.send(&create).await {
            // Another image was faster.
            Err(EndpointError::Refused { status: 409, .. }) => Ok(()),
            result => result.map(|_| tracing::info!(bucket, "created a bucket")),
        }
    }
}

/// Returns a value as it can be sent in a header: text beyond printable ASCII as S3 returns it, by RFC 2047.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html>
fn header_text(value: &str) -> String {
    if value.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return value.to_owned();
    }
    format!("=?UTF-8?B?{}?=", base64_simd::STANDARD.encode_to_string(value))
}

/// What S3 encodes in the path of a request: all but unreserved characters and `/`.
const IN_KEY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.').remove(b'~');

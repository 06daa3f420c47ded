//! The test event of S3.

use serde::{Deserialize, Serialize};

/// The event that S3 sends once when the notifications of a bucket are configured: flat, without records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[non_exhaustive]
pub struct S3TestEvent {
    /// The bucket.
    pub bucket: String,
    /// `s3:TestEvent`.
    pub event: String,
    /// `Amazon S3`.
    #[serde(default)]
    pub service: Option<String>,
    /// The time as RFC 3339.
    #[serde(default)]
    pub time: Option<String>,
}

//! What S3 sends when notifications are set up.

use serde::{Deserialize, Serialize};

/// The event that S3 sends once when a bucket's notifications are configured: flat, without records.
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
    /// When, as RFC 3339.
    #[serde(default)]
    pub time: Option<String>,
}

//! The description of a stream.

use std::time::SystemTime;

use kvs_types::__internal::epoch_seconds;
use kvs_types::StreamStatus;
use serde::Deserialize;

/// The description of a stream. Members that the service omitted or sent as null are `None`.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
#[non_exhaustive]
pub struct StreamInfo {
    /// The device name.
    pub device_name: Option<String>,
    /// The name.
    pub stream_name: Option<String>,
    /// The ARN.
    #[serde(rename = "StreamARN")]
    pub stream_arn: Option<String>,
    /// The media type, for example `video/h264`.
    pub media_type: Option<String>,
    /// The KMS key that encrypts stored media.
    pub kms_key_id: Option<String>,
    /// The version, which changes with every update. Update operations require the current one.
    pub version: Option<String>,
    /// The status.
    pub status: Option<StreamStatus>,
    /// The time of creation.
    #[serde(with = "epoch_seconds::option")]
    pub creation_time: Option<SystemTime>,
    /// The data retention in hours. With 0, no media is stored and there are no images.
    pub data_retention_in_hours: Option<u32>,
}

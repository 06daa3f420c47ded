//! What the service tells about a stream.

use std::time::SystemTime;

use kvs_types::__internal::epoch_seconds;
use kvs_types::StreamStatus;
use serde::Deserialize;

/// A stream as DescribeStream and ListStreams show it. What the service left out or sent as null is `None`.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
#[non_exhaustive]
pub struct StreamInfo {
    /// The device name given at creation.
    pub device_name: Option<String>,
    /// The name.
    pub stream_name: Option<String>,
    /// The ARN.
    #[serde(rename = "StreamARN")]
    pub stream_arn: Option<String>,
    /// The media type given at creation, for example `video/h264`.
    pub media_type: Option<String>,
    /// The key that stored media is encrypted with.
    pub kms_key_id: Option<String>,
    /// Changes with every change of the stream; update calls want the current one.
    pub version: Option<String>,
    /// What state it is in.
    pub status: Option<StreamStatus>,
    /// When it was created.
    #[serde(with = "epoch_seconds::option")]
    pub creation_time: Option<SystemTime>,
    /// For how many hours media is kept; 0 keeps none, and then there are no images.
    pub data_retention_in_hours: Option<u32>,
}

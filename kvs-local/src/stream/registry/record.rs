//! The record of one stream.

use std::collections::BTreeMap;
use std::time::SystemTime;

use kvs_types::__internal::from_epoch_millis;
use kvs_types::{ImageGenerationConfiguration, NotificationConfiguration, StreamStatus};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::configuration::Delayed;
use crate::clock::json_seconds;

/// A stream: its name, settings and lifecycle phase.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct StreamRecord {
    pub(crate) name: String,
    pub(crate) arn: String,
    /// Creation time in ms since the Unix epoch; the last field of the ARN.
    pub(crate) created_ms: u64,
    pub(crate) version: String,
    pub(crate) phase: Phase,
    pub(crate) device_name: Option<String>,
    pub(crate) media_type: Option<String>,
    pub(crate) kms_key_id: String,
    pub(crate) retention_hours: u64,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) storage_tier: String,
    pub(crate) images: Delayed<ImageGenerationConfiguration>,
    pub(crate) notifications: Delayed<NotificationConfiguration>,
}

/// The lifecycle phase of a stream.
///
/// ```text
///  CreateStream            until            Update…             until
/// ────────────▶ Creating ────────▶ Active ────────▶ Updating ────────▶ Active
///                                    │ DeleteStream
///                                    ▼          until
///                                 Deleting ────────▶ removed
/// ```
///
/// Without a transition delay `until` is the time of the change. Updates of image and notification configuration do not go
/// through Updating.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Phase {
    Creating { until: SystemTime },
    Active,
    Updating { until: SystemTime },
    Deleting { until: SystemTime },
}

impl Phase {
    /// Returns the status that the API shows at `now`.
    pub(crate) fn status(self, now: SystemTime) -> StreamStatus {
        match self {
            Self::Creating { until } if now < until => StreamStatus::Creating,
            Self::Updating { until } if now < until => StreamStatus::Updating,
            Self::Creating { .. } | Self::Updating { .. } | Self::Active => StreamStatus::Active,
            Self::Deleting { .. } => StreamStatus::Deleting,
        }
    }

    /// Returns whether the deletion is complete: the record is to be removed.
    pub(crate) fn is_over(self, now: SystemTime) -> bool {
        matches!(self, Self::Deleting { until } if now >= until)
    }
}

impl StreamRecord {
    /// Returns the status at `now`.
    pub(crate) fn status(&self, now: SystemTime) -> StreamStatus {
        self.phase.status(now)
    }

    /// Returns the key of its media in the store; a stream created again under the same name has another one.
    pub(crate) fn media_key(&self) -> String {
        format!("{}/{}", self.name, self.created_ms)
    }

    /// Returns whether media can be put and read: the stream is neither being created nor deleted.
    pub(crate) fn takes_media(&self, now: SystemTime) -> bool {
        matches!(self.status(now), StreamStatus::Active | StreamStatus::Updating)
    }

    /// Returns `StreamInfo` of DescribeStream and ListStreams; absent values are explicit nulls, as in the service.
    pub(crate) fn info(&self, now: SystemTime) -> Value {
        json!({
            "CreationTime": json_seconds(self.created_ms),
            "DataRetentionInHours": self.retention_hours,
            "DeviceName": self.device_name,
            "IngestionConfiguration": null,
            "KmsKeyId": self.kms_key_id,
            "MediaType": self.media_type,
            "Status": self.status(now).as_str(),
            "StreamARN": self.arn,
            "StreamName": self.name,
            "Version": self.version,
        })
    }

    /// Returns the oldest server time within retention, `None` if retention is zero.
    pub(crate) fn keeps_since(&self, now: SystemTime) -> Option<SystemTime> {
        let kept = std::time::Duration::from_secs(self.retention_hours.checked_mul(3600).filter(|&kept| kept > 0)?);
        Some(now.checked_sub(kept).unwrap_or_else(|| from_epoch_millis(0)))
    }
}

//! The requests of the control plane.

use std::collections::BTreeMap;

use kvs_types::{ImageGenerationConfiguration, NotificationConfiguration};
use serde::Deserialize;

use crate::api::{self, ApiError, StreamRef, Text};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CreateStream {
    pub(super) stream_name: Option<String>,
    pub(super) device_name: Option<String>,
    pub(super) media_type: Option<String>,
    pub(super) kms_key_id: Option<String>,
    pub(super) data_retention_in_hours: Option<u64>,
    pub(super) tags: Option<BTreeMap<String, String>>,
    pub(super) stream_storage_configuration: Option<Storage>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Storage {
    pub(super) default_storage_tier: StorageTier,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum StorageTier {
    Hot,
    Warm,
}

impl StorageTier {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Hot => "HOT",
            Self::Warm => "WARM",
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListStreams {
    pub(super) max_results: Option<u64>,
    pub(super) next_token: Option<String>,
    pub(super) stream_name_condition: Option<NameCondition>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct NameCondition {
    pub(super) comparison_operator: Option<String>,
    pub(super) comparison_value: Option<String>,
}

impl NameCondition {
    /// Returns the prefix that stream names must have.
    pub(super) fn prefix(&self) -> Result<&str, ApiError> {
        match self.comparison_operator.as_deref() {
            None | Some("BEGINS_WITH") => {}
            Some(other) => {
                let other = other.escape_debug();
                return Err(ApiError::invalid(format!("ComparisonOperator must be BEGINS_WITH, but is '{other}'")));
            }
        }
        let Some(prefix) = self.comparison_value.as_deref() else { return Ok("") };
        api::text(&Text::NAME_PREFIX, prefix).map(|()| prefix)
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct DeleteStream {
    #[serde(rename = "StreamARN")]
    pub(super) stream_arn: Option<String>,
    #[serde(rename = "CurrentVersion")]
    pub(super) current_version: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct UpdateStream {
    #[serde(flatten)]
    pub(super) stream: StreamRef,
    pub(super) current_version: Option<String>,
    pub(super) device_name: Option<String>,
    pub(super) media_type: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct UpdateDataRetention {
    #[serde(flatten)]
    pub(super) stream: StreamRef,
    pub(super) current_version: Option<String>,
    pub(super) operation: Option<RetentionChange>,
    pub(super) data_retention_change_in_hours: Option<u64>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum RetentionChange {
    IncreaseDataRetention,
    DecreaseDataRetention,
}

#[derive(Debug, Deserialize)]
pub(super) struct GetDataEndpoint {
    #[serde(flatten)]
    pub(super) stream: StreamRef,
    #[serde(rename = "APIName")]
    pub(super) api_name: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct UpdateImages {
    #[serde(flatten)]
    pub(super) stream: StreamRef,
    pub(super) image_generation_configuration: Option<ImageGenerationConfiguration>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct UpdateNotifications {
    #[serde(flatten)]
    pub(super) stream: StreamRef,
    pub(super) notification_configuration: Option<NotificationConfiguration>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct UpdateStorage {
    #[serde(flatten)]
    pub(super) stream: StreamRef,
    pub(super) current_version: Option<String>,
    pub(super) stream_storage_configuration: Option<Storage>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct DescribeMapping {
    #[serde(flatten)]
    pub(super) stream: StreamRef,
    pub(super) max_results: Option<u64>,
    pub(super) next_token: Option<String>,
}

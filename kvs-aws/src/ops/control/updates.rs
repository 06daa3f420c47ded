//! UpdateStream, UpdateDataRetention, and the storage configuration.

use kvs_types::__internal::{check_range, open_enum};
use kvs_types::{InvalidField, StreamId, limits};
use serde::{Deserialize, Serialize};

use super::streams::{check_media_type, check_optional_name, check_version};
use crate::client_limits;
use crate::protocol::error::Error;
use crate::protocol::operation::Operation;
use crate::protocol::response::Response;

/// Changes the device name or the media type of a stream. The stream gets a new version.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct UpdateStream {
    #[serde(flatten)]
    stream: StreamId,
    current_version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    device_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    media_type: Option<String>,
}

impl UpdateStream {
    /// Creates a request that succeeds if `current_version` is still the version of the stream.
    pub fn new(stream: StreamId, current_version: impl Into<String>) -> Self {
        Self { stream, current_version: current_version.into(), device_name: None, media_type: None }
    }

    /// Sets the device name.
    #[must_use]
    pub fn device_name(mut self, name: impl Into<String>) -> Self {
        self.device_name = Some(name.into());
        self
    }

    /// Sets the media type.
    #[must_use]
    pub fn media_type(mut self, media_type: impl Into<String>) -> Self {
        self.media_type = Some(media_type.into());
        self
    }
}

impl Operation for UpdateStream {
    type Output = ();
    const NAME: &'static str = "UpdateStream";
    const PATH: &'static str = "/updateStream";

    fn region(&self) -> Option<&str> {
        self.stream.region()
    }

    fn check(&self) -> Result<(), InvalidField> {
        check_version(&self.current_version)?;
        check_optional_name("DeviceName", self.device_name.as_deref())?;
        self.media_type.as_deref().map_or(Ok(()), check_media_type)
    }

    async fn read(response: Response) -> Result<(), Error> {
        response.empty().await
    }
}

/// Changes the data retention. Decreasing it deletes older media immediately.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct UpdateDataRetention {
    #[serde(flatten)]
    stream: StreamId,
    current_version: String,
    operation: &'static str,
    data_retention_change_in_hours: u32,
}

impl UpdateDataRetention {
    /// Increases the retention by `hours`, if `current_version` is still the version of the stream.
    pub fn increase(stream: StreamId, current_version: impl Into<String>, hours: u32) -> Self {
        Self::change(stream, current_version.into(), "INCREASE_DATA_RETENTION", hours)
    }

    /// Decreases the retention by `hours`, if `current_version` is still the version of the stream.
    pub fn decrease(stream: StreamId, current_version: impl Into<String>, hours: u32) -> Self {
        Self::change(stream, current_version.into(), "DECREASE_DATA_RETENTION", hours)
    }

    const fn change(stream: StreamId, current_version: String, operation: &'static str, hours: u32) -> Self {
        Self { stream, current_version, operation, data_retention_change_in_hours: hours }
    }
}

impl Operation for UpdateDataRetention {
    type Output = ();
    const NAME: &'static str = "UpdateDataRetention";
    const PATH: &'static str = "/updateDataRetention";

    fn region(&self) -> Option<&str> {
        self.stream.region()
    }

    fn check(&self) -> Result<(), InvalidField> {
        check_version(&self.current_version)?;
        let hours = self.data_retention_change_in_hours;
        check_range("DataRetentionChangeInHours", hours, (1, limits::RETENTION_HOURS))
    }

    async fn read(response: Response) -> Result<(), Error> {
        response.empty().await
    }
}

open_enum! {
    /// The storage tier of media.
    pub enum StorageTier {
        /// For media that is read soon. The default.
        Hot = "HOT",
        /// For media that is stored for long: cheaper, with a minimum charge of 30 days.
        Warm = "WARM",
    }
}

/// The JSON object around the tier.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct StorageConfiguration {
    pub(super) default_storage_tier: StorageTier,
}

/// Changes the storage tier for new media of a stream.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct UpdateStreamStorageConfiguration {
    #[serde(flatten)]
    stream: StreamId,
    current_version: String,
    stream_storage_configuration: StorageConfiguration,
}

impl UpdateStreamStorageConfiguration {
    /// Creates a request that succeeds if `current_version` is still the version of the stream.
    pub fn new(stream: StreamId, current_version: impl Into<String>, tier: StorageTier) -> Self {
        let stream_storage_configuration = StorageConfiguration { default_storage_tier: tier };
        Self { stream, current_version: current_version.into(), stream_storage_configuration }
    }
}

impl Operation for UpdateStreamStorageConfiguration {
    type Output = ();
    const NAME: &'static str = "UpdateStreamStorageConfiguration";
    const PATH: &'static str = "/updateStreamStorageConfiguration";

    fn region(&self) -> Option<&str> {
        self.stream.region()
    }

    fn check(&self) -> Result<(), InvalidField> {
        check_version(&self.current_version)
    }

    async fn read(response: Response) -> Result<(), Error> {
        response.empty().await
    }
}

/// Returns the storage tier of a stream; `None` if the response has none.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DescribeStreamStorageConfiguration {
    #[serde(flatten)]
    stream: StreamId,
}

impl DescribeStreamStorageConfiguration {
    /// Creates a request.
    #[must_use]
    pub const fn new(stream: StreamId) -> Self {
        Self { stream }
    }
}

impl Operation for DescribeStreamStorageConfiguration {
    type Output = Option<StorageTier>;
    const NAME: &'static str = "DescribeStreamStorageConfiguration";
    const PATH: &'static str = "/describeStreamStorageConfiguration";

    fn region(&self) -> Option<&str> {
        self.stream.region()
    }

    fn check(&self) -> Result<(), InvalidField> {
        Ok(())
    }

    async fn read(response: Response) -> Result<Option<StorageTier>, Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Body {
            stream_storage_configuration: Option<StorageConfiguration>,
        }
        let body: Body = response.json(client_limits::RESPONSE_BYTES).await?;
        Ok(body.stream_storage_configuration.map(|configuration| configuration.default_storage_tier))
    }
}

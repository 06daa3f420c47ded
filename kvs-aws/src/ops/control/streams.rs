//! CreateStream, DescribeStream, ListStreams, DeleteStream.

use std::collections::BTreeMap;

use kvs_types::__internal::{NAME_CHARACTERS, check_length, check_range, check_text, is_name_character};
use kvs_types::{InvalidField, StreamArn, StreamId, StreamName, limits};
use serde::{Deserialize, Serialize};

use super::stream_info::StreamInfo;
use super::updates::{StorageConfiguration, StorageTier};
use crate::client_limits;
use crate::protocol::error::{Error, ResponseProblem};
use crate::protocol::operation::Operation;
use crate::protocol::response::Response;

/// Creates a stream and returns its ARN. Call [`DescribeStream`] until the stream is active.
///
/// ```
/// use kvs_aws::CreateStream;
///
/// let create = CreateStream::new("front-door".parse()?).data_retention_in_hours(24).media_type("video/h264");
/// let json = serde_json::to_string(&create)?;
/// assert_eq!(json, r#"{"StreamName":"front-door","MediaType":"video/h264","DataRetentionInHours":24}"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct CreateStream {
    stream_name: StreamName,
    #[serde(skip_serializing_if = "Option::is_none")]
    device_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    media_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kms_key_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_retention_in_hours: Option<u32>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    tags: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_storage_configuration: Option<StorageConfiguration>,
}

impl CreateStream {
    /// Creates a request with the defaults of the service: media is not stored.
    #[must_use]
    pub const fn new(name: StreamName) -> Self {
        Self {
            stream_name: name,
            device_name: None,
            media_type: None,
            kms_key_id: None,
            data_retention_in_hours: None,
            tags: BTreeMap::new(),
            stream_storage_configuration: None,
        }
    }

    /// Sets the storage tier. Default: hot.
    #[must_use]
    pub fn storage_tier(mut self, tier: StorageTier) -> Self {
        self.stream_storage_configuration = Some(StorageConfiguration { default_storage_tier: tier });
        self
    }

    /// Sets the device name, which the service stores but does not use.
    #[must_use]
    pub fn device_name(mut self, name: impl Into<String>) -> Self {
        self.device_name = Some(name.into());
        self
    }

    /// Sets the media type, for example `video/h264,audio/aac`.
    #[must_use]
    pub fn media_type(mut self, media_type: impl Into<String>) -> Self {
        self.media_type = Some(media_type.into());
        self
    }

    /// Sets the KMS key that encrypts stored media. Default: the account's key for Kinesis Video Streams.
    #[must_use]
    pub fn kms_key_id(mut self, key: impl Into<String>) -> Self {
        self.kms_key_id = Some(key.into());
        self
    }

    /// Sets the data retention in hours, 0 to 87,600. Default: 0; then no media is stored and there are no images.
    #[must_use]
    pub const fn data_retention_in_hours(mut self, hours: u32) -> Self {
        self.data_retention_in_hours = Some(hours);
        self
    }

    /// Adds a tag.
    #[must_use]
    pub fn tag(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.tags.insert(key.into(), value.into());
        self
    }
}

impl Operation for CreateStream {
    type Output = StreamArn;
    const NAME: &'static str = "CreateStream";
    const PATH: &'static str = "/createStream";

    fn check(&self) -> Result<(), InvalidField> {
        check_optional_name("DeviceName", self.device_name.as_deref())?;
        if let Some(media_type) = &self.media_type {
            check_media_type(media_type)?;
        }
        if let Some(key) = &self.kms_key_id {
            check_length("KmsKeyId", key.chars().count(), (1, limits::KMS_KEY_ID_CHARS))?;
        }
        if let Some(hours) = self.data_retention_in_hours {
            check_range("DataRetentionInHours", hours, (0, limits::RETENTION_HOURS))?;
        }
        check_tags(&self.tags)
    }

    async fn read(response: Response) -> Result<StreamArn, Error> {
        #[derive(Deserialize)]
        struct Body {
            #[serde(rename = "StreamARN")]
            arn: Option<String>,
        }
        let operation = response.operation;
        let invalid = |problem| Error::Response { operation, problem };
        let body: Body = response.json(client_limits::RESPONSE_BYTES).await?;
        let arn = body.arn.ok_or_else(|| invalid(ResponseProblem::Missing("StreamARN")))?;
        StreamArn::new(arn.as_str()).map_err(|_| invalid(ResponseProblem::Member { member: "StreamARN", value: arn }))
    }
}

pub(crate) fn check_optional_name(field: &'static str, name: Option<&str>) -> Result<(), InvalidField> {
    let Some(name) = name else { return Ok(()) };
    let length = (1, limits::DEVICE_NAME_CHARS);
    check_text(field, name, length, NAME_CHARACTERS, is_name_character)
}

/// Checks for `type/subtype`, or several of them separated by commas.
pub(crate) fn check_media_type(media_type: &str) -> Result<(), InvalidField> {
    check_length("MediaType", media_type.chars().count(), (1, limits::MEDIA_TYPE_CHARS))?;
    let word = |text: &str| {
        let allowed = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '+');
        !text.is_empty() && text.chars().all(allowed)
    };
    let shape = |one: &str| one.split_once('/').is_some_and(|(kind, sub)| word(kind) && word(sub));
    if media_type.split(',').all(shape) {
        Ok(())
    } else {
        Err(InvalidField::malformed("MediaType", "type/subtype, or several of them separated by commas", media_type))
    }
}

/// Checks the lengths of keys and values and the number of tags. The service accepts letters of any script.
pub(crate) fn check_tags(tags: &BTreeMap<String, String>) -> Result<(), InvalidField> {
    check_length("Tags", tags.len(), (0, limits::STREAM_TAGS))?;
    for (key, value) in tags {
        check_length("Tags key", key.chars().count(), (1, limits::STREAM_TAG_KEY_CHARS))?;
        check_length("Tags value", value.chars().count(), (0, limits::STREAM_TAG_VALUE_CHARS))?;
    }
    Ok(())
}

/// Returns the description of a stream.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DescribeStream {
    #[serde(flatten)]
    stream: StreamId,
}

impl DescribeStream {
    /// Creates a request.
    #[must_use]
    pub const fn new(stream: StreamId) -> Self {
        Self { stream }
    }
}

impl Operation for DescribeStream {
    type Output = StreamInfo;
    const NAME: &'static str = "DescribeStream";
    const PATH: &'static str = "/describeStream";

    fn region(&self) -> Option<&str> {
        self.stream.region()
    }

    fn check(&self) -> Result<(), InvalidField> {
        Ok(())
    }

    async fn read(response: Response) -> Result<StreamInfo, Error> {
        #[derive(Deserialize)]
        struct Body {
            #[serde(rename = "StreamInfo")]
            info: Option<StreamInfo>,
        }
        let operation = response.operation;
        let body: Body = response.json(client_limits::RESPONSE_BYTES).await?;
        body.info.ok_or(Error::Response { operation, problem: ResponseProblem::Missing("StreamInfo") })
    }
}

/// Lists the streams of the account in the region, one page per call.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListStreams {
    #[serde(skip_serializing_if = "Option::is_none")]
    max_results: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_name_condition: Option<NameCondition>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
struct NameCondition {
    comparison_operator: &'static str,
    comparison_value: StreamName,
}

/// A page of streams.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[non_exhaustive]
pub struct StreamPage {
    /// The streams, in no order.
    #[serde(default, rename = "StreamInfoList", deserialize_with = "crate::protocol::lenient::null_as_default")]
    pub streams: Vec<StreamInfo>,
    /// The token for [`ListStreams::next_token`]; `None` on the last page.
    pub next_token: Option<String>,
}

impl ListStreams {
    /// Creates a request for the first page of all streams.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the page size, 1 to 10,000. Default: 10,000.
    #[must_use]
    pub const fn max_results(mut self, most: u32) -> Self {
        self.max_results = Some(most);
        self
    }

    /// Requests the page after the one that returned `token`.
    #[must_use]
    pub fn next_token(mut self, token: impl Into<String>) -> Self {
        self.next_token = Some(token.into());
        self
    }

    /// Lists only streams whose names begin with `prefix`.
    #[must_use]
    pub fn name_begins_with(mut self, prefix: StreamName) -> Self {
        self.stream_name_condition =
            Some(NameCondition { comparison_operator: "BEGINS_WITH", comparison_value: prefix });
        self
    }
}

impl Operation for ListStreams {
    type Output = StreamPage;
    const NAME: &'static str = "ListStreams";
    const PATH: &'static str = "/listStreams";

    fn check(&self) -> Result<(), InvalidField> {
        if let Some(most) = self.max_results {
            check_range("MaxResults", most, (1, limits::LIST_STREAMS_RESULTS))?;
        }
        check_token(self.next_token.as_deref(), limits::CONTROL_PLANE_TOKEN_CHARS)
    }

    async fn read(response: Response) -> Result<StreamPage, Error> {
        let mut page: StreamPage = response.json(client_limits::RESPONSE_BYTES).await?;
        page.next_token = page.next_token.filter(|token| !token.is_empty());
        Ok(page)
    }
}

/// Checks only the length of a page token, which comes from the service.
pub(crate) fn check_token(token: Option<&str>, most: usize) -> Result<(), InvalidField> {
    token.map_or(Ok(()), |token| check_length("NextToken", token.chars().count(), (0, most)))
}

/// Deletes a stream and its media. The name remains in use for a while.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DeleteStream {
    #[serde(rename = "StreamARN")]
    stream: StreamArn,
    #[serde(rename = "CurrentVersion", skip_serializing_if = "Option::is_none")]
    current_version: Option<String>,
}

impl DeleteStream {
    /// Creates a request that deletes the stream in any version.
    #[must_use]
    pub const fn new(stream: StreamArn) -> Self {
        Self { stream, current_version: None }
    }

    /// Deletes the stream only if this is still its version.
    #[must_use]
    pub fn current_version(mut self, version: impl Into<String>) -> Self {
        self.current_version = Some(version.into());
        self
    }
}

impl Operation for DeleteStream {
    type Output = ();
    const NAME: &'static str = "DeleteStream";
    const PATH: &'static str = "/deleteStream";

    fn region(&self) -> Option<&str> {
        Some(self.stream.region())
    }

    fn check(&self) -> Result<(), InvalidField> {
        self.current_version.as_deref().map_or(Ok(()), check_version)
    }

    async fn read(response: Response) -> Result<(), Error> {
        response.empty().await
    }
}

pub(crate) fn check_version(version: &str) -> Result<(), InvalidField> {
    let length = (1, limits::STREAM_VERSION_CHARS);
    check_text("CurrentVersion", version, length, "letters a-z A-Z and digits", |c| c.is_ascii_alphanumeric())
}

//! The operations of the control plane that make, show, change and delete streams.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use serde::Deserialize;
use serde_json::{Value, json};

use super::paging::Page;
use super::tags;
use crate::api::{self, ApiError, ControlOperation, Exception, StreamRef, Text, parse, required};
use crate::limits;
use crate::stream::registry::{ImageGeneration, Notification, Pace, Phase, Registry, Status, StreamRecord};

/// An operation's answer.
#[derive(Debug, Default)]
pub(crate) struct Reply {
    /// The JSON to send; operations without output send an empty body.
    pub(crate) body: Option<Value>,
    /// What else is to happen.
    pub(crate) effect: Option<Effect>,
}

/// What an operation means for the media.
#[derive(Debug)]
pub(crate) enum Effect {
    /// The stream is gone: so is its media, and who is putting or reading is cut off.
    Deleted(StreamRecord),
    /// Retention changed: what it no longer covers goes now.
    RetentionChanged(StreamRecord),
}

/// The control plane.
#[derive(Debug)]
pub(crate) struct Control {
    registry: Arc<Registry>,
    pace: Pace,
    shortest_interval: u64,
}

type Answer = Result<Reply, ApiError>;

fn reply(body: Value) -> Answer {
    Ok(Reply { body: Some(body), effect: None })
}

fn done() -> Answer {
    Ok(Reply::default())
}

impl Control {
    /// A control plane over a registry. `shortest_interval` bounds the sampling interval of images, in ms.
    pub(crate) const fn new(registry: Arc<Registry>, pace: Pace, shortest_interval: u64) -> Self {
        Self { registry, pace, shortest_interval }
    }

    /// Answers an operation. It writes to disk, so it must not run where that would hold up others.
    pub(crate) fn call(&self, operation: ControlOperation, body: &[u8], endpoint: &str, now: SystemTime) -> Answer {
        use ControlOperation as Op;
        match operation {
            Op::CreateStream => self.create_stream(parse(body)?, now),
            Op::DescribeStream => reply(json!({ "StreamInfo": self.registry.find(&parse(body)?, now)?.info(now) })),
            Op::ListStreams => self.list_streams(&parse(body)?, now),
            Op::DeleteStream => self.delete_stream(parse(body)?, now),
            Op::UpdateStream => self.update_stream(parse(body)?, now),
            Op::UpdateDataRetention => self.update_data_retention(parse(body)?, now),
            Op::TagStream => tags::tag(&self.registry, parse(body)?, now).and_then(|()| done()),
            Op::UntagStream => tags::untag(&self.registry, parse(body)?, now).and_then(|()| done()),
            Op::ListTagsForStream => tags::list(&self.registry, &parse(body)?, now).and_then(reply),
            Op::GetDataEndpoint => self.get_data_endpoint(&parse(body)?, endpoint, now),
            Op::UpdateImageGenerationConfiguration => self.update_images(parse(body)?, now),
            Op::DescribeImageGenerationConfiguration => {
                let stream = self.registry.find(&parse(body)?, now)?;
                reply(json!({ "ImageGenerationConfiguration": stream.images.latest() }))
            }
            Op::UpdateNotificationConfiguration => self.update_notifications(parse(body)?, now),
            Op::DescribeNotificationConfiguration => {
                let stream = self.registry.find(&parse(body)?, now)?;
                reply(json!({ "NotificationConfiguration": stream.notifications.latest() }))
            }
            Op::UpdateStreamStorageConfiguration => self.update_storage(parse(body)?, now),
            Op::DescribeStreamStorageConfiguration => self.describe_storage(&parse(body)?, now),
            Op::DescribeMappedResourceConfiguration => self.describe_mapping(&parse(body)?, now),
        }
    }

    fn create_stream(&self, request: CreateStream, now: SystemTime) -> Answer {
        let name = required("streamName", request.stream_name)?;
        api::optional(&Text::DEVICE_NAME, request.device_name.as_deref())?;
        api::optional(&Text::MEDIA_TYPE, request.media_type.as_deref())?;
        api::optional(&Text::KMS_KEY, request.kms_key_id.as_deref())?;
        let retention = request.data_retention_in_hours.unwrap_or(0);
        api::within("DataRetentionInHours", Some(retention), 0, limits::RETENTION_HOURS)?;
        let tags = request.tags.unwrap_or_default();
        tags::check(&tags, 0)?;
        let tier = request.stream_storage_configuration.map(|storage| storage.default_storage_tier);
        let stream = self.registry.create(&name, self.pace, now, |stream| {
            stream.device_name = request.device_name;
            stream.media_type = request.media_type;
            stream.retention_hours = retention;
            stream.tags = tags;
            if let Some(key) = request.kms_key_id {
                stream.kms_key_id = key;
            }
            if let Some(tier) = tier {
                tier.name().clone_into(&mut stream.storage_tier);
            }
        })?;
        reply(json!({ "StreamARN": stream.arn }))
    }

    fn list_streams(&self, request: &ListStreams, now: SystemTime) -> Answer {
        api::within("MaxResults", request.max_results, 1, limits::LIST_STREAMS_PAGE)?;
        let prefix = match &request.stream_name_condition {
            Some(condition) => condition.prefix()?,
            None => "",
        };
        let token = request.next_token.as_deref().filter(|token| !token.is_empty());
        let page = token.map(|token| Page::from_token(token, prefix)).transpose()?;
        let most = request.max_results.unwrap_or(limits::LIST_STREAMS_PAGE);
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let (streams, more) = self.registry.list(prefix, page.as_ref().map(Page::last), most, now);
        let next = streams.last().filter(|_| more).map(|last| Page::after(&last.name, prefix).token());
        let list: Vec<Value> = streams.iter().map(|stream| stream.info(now)).collect();
        reply(json!({ "StreamInfoList": list, "NextToken": next }))
    }

    fn delete_stream(&self, request: DeleteStream, now: SystemTime) -> Answer {
        let wanted = StreamRef::by_arn(required("streamARN", request.stream_arn)?);
        api::optional(&Text::VERSION, request.current_version.as_deref())?;
        let deleted = self.registry.change(&wanted, now, |stream| {
            if let Some(version) = &request.current_version {
                check_version(stream, version)?;
            }
            check_settled(stream, now)?;
            stream.phase = Phase::Deleting { until: self.settles(now) };
            Ok(stream.clone())
        })?;
        Ok(Reply { body: None, effect: Some(Effect::Deleted(deleted)) })
    }

    fn update_stream(&self, request: UpdateStream, now: SystemTime) -> Answer {
        api::optional(&Text::DEVICE_NAME, request.device_name.as_deref())?;
        api::optional(&Text::MEDIA_TYPE, request.media_type.as_deref())?;
        self.change_version(&request.stream, request.current_version, now, |stream| {
            stream.device_name = request.device_name.or_else(|| stream.device_name.take());
            stream.media_type = request.media_type.or_else(|| stream.media_type.take());
            Ok(())
        })?;
        done()
    }

    fn update_data_retention(&self, request: UpdateDataRetention, now: SystemTime) -> Answer {
        let operation = required("operation", request.operation)?;
        let hours = required("dataRetentionChangeInHours", request.data_retention_change_in_hours)?;
        api::within("DataRetentionChangeInHours", Some(hours), 1, i32::MAX.unsigned_abs().into())?;
        let changed = self.change_version(&request.stream, request.current_version, now, |stream| {
            let held = stream.retention_hours;
            let wanted = match operation {
                RetentionChange::IncreaseDataRetention => held.checked_add(hours),
                RetentionChange::DecreaseDataRetention => held.checked_sub(hours),
            };
            stream.retention_hours = wanted.filter(|&wanted| wanted <= limits::RETENTION_HOURS).ok_or_else(|| {
                ApiError::invalid(format!(
                    "DataRetentionInHours must stay within 0 to {}: it is {held}, and the change is {hours}",
                    limits::RETENTION_HOURS
                ))
            })?;
            Ok(())
        })?;
        Ok(Reply { body: None, effect: Some(Effect::RetentionChanged(changed)) })
    }

    fn get_data_endpoint(&self, request: &GetDataEndpoint, endpoint: &str, now: SystemTime) -> Answer {
        let name = required("aPIName", request.api_name.as_deref())?;
        if !DATA_APIS.contains(&name) {
            let (name, all) = (name.escape_debug(), DATA_APIS.join(", "));
            return Err(ApiError::invalid(format!("APIName must be one of [{all}], but is '{name}'")));
        }
        let stream = self.registry.find(&request.stream, now)?;
        if !stream.takes_media(now) {
            return Err(ApiError::no_stream());
        }
        reply(json!({ "DataEndpoint": endpoint }))
    }

    fn update_images(&self, request: UpdateImages, now: SystemTime) -> Answer {
        if let Some(configuration) = &request.image_generation_configuration {
            configuration.check(&self.registry.identity().region, self.shortest_interval)?;
        }
        self.configure(&request.stream, now, |stream, since| {
            stream.images.set(request.image_generation_configuration, since, now);
        })
    }

    fn update_notifications(&self, request: UpdateNotifications, now: SystemTime) -> Answer {
        if let Some(configuration) = &request.notification_configuration {
            configuration.check()?;
        }
        self.configure(&request.stream, now, |stream, since| {
            stream.notifications.set(request.notification_configuration, since, now);
        })
    }

    fn update_storage(&self, request: UpdateStorage, now: SystemTime) -> Answer {
        let storage = required("streamStorageConfiguration", request.stream_storage_configuration)?;
        self.change_version(&request.stream, request.current_version, now, |stream| {
            storage.default_storage_tier.name().clone_into(&mut stream.storage_tier);
            Ok(())
        })?;
        done()
    }

    fn describe_storage(&self, wanted: &StreamRef, now: SystemTime) -> Answer {
        let stream = self.registry.find(wanted, now)?;
        reply(json!({
            "StreamName": stream.name,
            "StreamARN": stream.arn,
            "StreamStorageConfiguration": { "DefaultStorageTier": stream.storage_tier },
        }))
    }

    /// No stream is mapped to a signaling channel here, so the list is empty.
    fn describe_mapping(&self, request: &DescribeMapping, now: SystemTime) -> Answer {
        api::within("MaxResults", request.max_results, 1, 1)?;
        self.registry.find(&request.stream, now)?;
        reply(json!({ "MappedResourceConfigurationList": [], "NextToken": null }))
    }

    /// Changes a stream under the guard of its version: it gets a new one and passes through UPDATING.
    fn change_version(
        &self,
        wanted: &StreamRef,
        version: Option<String>,
        now: SystemTime,
        change: impl FnOnce(&mut StreamRecord) -> Result<(), ApiError>,
    ) -> Result<StreamRecord, ApiError> {
        let version = required("currentVersion", version)?;
        api::text(&Text::VERSION, &version)?;
        let next = self.registry.new_version(now);
        self.registry.change(wanted, now, |stream| {
            check_version(stream, &version)?;
            check_settled(stream, now)?;
            change(stream)?;
            stream.version = next;
            stream.phase = Phase::Updating { until: self.settles(now) };
            Ok(stream.clone())
        })
    }

    /// Sets what happens to tagged fragments; needs retention and a settled stream, leaves the version alone.
    fn configure(
        &self,
        wanted: &StreamRef,
        now: SystemTime,
        set: impl FnOnce(&mut StreamRecord, SystemTime),
    ) -> Answer {
        let since = now.checked_add(self.pace.configuration).unwrap_or(now);
        self.registry.change(wanted, now, |stream| {
            check_settled(stream, now)?;
            if stream.retention_hours == 0 {
                let message = "the stream keeps no data (DataRetentionInHours is 0), so it cannot be configured";
                return Err(ApiError::new(Exception::NoDataRetention, message));
            }
            set(stream, since);
            Ok(())
        })?;
        done()
    }

    fn settles(&self, now: SystemTime) -> SystemTime {
        now.checked_add(self.pace.transition).unwrap_or(now)
    }
}

/// The names GetDataEndpoint takes.
const DATA_APIS: &[&str] = &[
    "PUT_MEDIA",
    "GET_MEDIA",
    "LIST_FRAGMENTS",
    "GET_MEDIA_FOR_FRAGMENT_LIST",
    "GET_HLS_STREAMING_SESSION_URL",
    "GET_DASH_STREAMING_SESSION_URL",
    "GET_CLIP",
    "GET_IMAGES",
];

fn check_version(stream: &StreamRecord, version: &str) -> Result<(), ApiError> {
    if stream.version == version {
        return Ok(());
    }
    let message = format!("CurrentVersion is stale: the stream's version is {}, not {version}", stream.version);
    Err(ApiError::new(Exception::VersionMismatch, message))
}

fn check_settled(stream: &StreamRecord, now: SystemTime) -> Result<(), ApiError> {
    match stream.status(now) {
        Status::Active => Ok(()),
        Status::Deleting | Status::Deleted => Err(ApiError::no_stream()),
        status => Err(ApiError::new(
            Exception::ResourceInUse,
            format!("The stream {} is not ACTIVE yet but {status:?}", stream.name),
        )),
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CreateStream {
    stream_name: Option<String>,
    device_name: Option<String>,
    media_type: Option<String>,
    kms_key_id: Option<String>,
    data_retention_in_hours: Option<u64>,
    #[serde(default, deserialize_with = "api::without_nulls")]
    tags: Option<BTreeMap<String, String>>,
    stream_storage_configuration: Option<Storage>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Storage {
    default_storage_tier: StorageTier,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum StorageTier {
    Hot,
    Warm,
}

impl StorageTier {
    const fn name(self) -> &'static str {
        match self {
            Self::Hot => "HOT",
            Self::Warm => "WARM",
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListStreams {
    max_results: Option<u64>,
    next_token: Option<String>,
    stream_name_condition: Option<NameCondition>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct NameCondition {
    comparison_operator: Option<String>,
    comparison_value: Option<String>,
}

impl NameCondition {
    fn prefix(&self) -> Result<&str, ApiError> {
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
struct DeleteStream {
    #[serde(rename = "StreamARN")]
    stream_arn: Option<String>,
    #[serde(rename = "CurrentVersion")]
    current_version: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct UpdateStream {
    #[serde(flatten)]
    stream: StreamRef,
    current_version: Option<String>,
    device_name: Option<String>,
    media_type: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct UpdateDataRetention {
    #[serde(flatten)]
    stream: StreamRef,
    current_version: Option<String>,
    operation: Option<RetentionChange>,
    data_retention_change_in_hours: Option<u64>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum RetentionChange {
    IncreaseDataRetention,
    DecreaseDataRetention,
}

#[derive(Debug, Deserialize)]
struct GetDataEndpoint {
    #[serde(flatten)]
    stream: StreamRef,
    #[serde(rename = "APIName")]
    api_name: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct UpdateImages {
    #[serde(flatten)]
    stream: StreamRef,
    image_generation_configuration: Option<ImageGeneration>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct UpdateNotifications {
    #[serde(flatten)]
    stream: StreamRef,
    notification_configuration: Option<Notification>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct UpdateStorage {
    #[serde(flatten)]
    stream: StreamRef,
    current_version: Option<String>,
    stream_storage_configuration: Option<Storage>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DescribeMapping {
    #[serde(flatten)]
    stream: StreamRef,
    max_results: Option<u64>,
}

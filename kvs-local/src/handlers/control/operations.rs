//! The operations of the control plane.
//!
//! They are synchronous and have neither HTTP nor a clock: JSON and the wall time go in, JSON comes out. What must happen to
//! the media is returned as an [`Effect`].

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use kvs_types::StreamStatus;
use serde_json::{Value, json};

use super::paging::{Page, check_single_page};
use super::requests::{
    CreateStream, DeleteStream, DescribeMapping, GetDataEndpoint, ListStreams, RetentionChange, UpdateDataRetention,
    UpdateImages, UpdateNotifications, UpdateStorage, UpdateStream,
};
use super::tags;
use crate::api::{self, ApiError, ControlOperation, DataEndpoints, Exception, StreamRef, Text, parse, required};
use crate::limits;
use crate::stream::registry::{Delays, Phase, Registry, StreamRecord, check_images, check_notifications};

/// The result of an operation.
#[derive(Debug, Default)]
pub(crate) struct Reply {
    /// The JSON body; operations without output have an empty body.
    pub(crate) body: Option<Value>,
    /// What must happen to the media.
    pub(crate) effect: Option<Effect>,
}

/// A change that affects the media of a stream.
#[derive(Debug)]
pub(crate) enum Effect {
    /// The stream was deleted: its media is removed and its connections end.
    Deleted(StreamRecord),
    /// Retention changed: media past it is removed.
    RetentionChanged(StreamRecord),
}

/// The control plane.
#[derive(Debug)]
pub(crate) struct Control {
    registry: Arc<Registry>,
    delays: Delays,
    shortest_interval: u64,
}

type Outcome = Result<Reply, ApiError>;

fn reply(body: Value) -> Outcome {
    Ok(Reply { body: Some(body), effect: None })
}

fn done() -> Outcome {
    Ok(Reply::default())
}

impl Control {
    /// Creates a control plane. `shortest_interval` is the lower limit of the sampling interval of images, in ms.
    pub(crate) const fn new(registry: Arc<Registry>, delays: Delays, shortest_interval: u64) -> Self {
        Self { registry, delays, shortest_interval }
    }

    /// Runs an operation. Blocks: it writes to disk.
    pub(crate) fn call(
        &self,
        operation: ControlOperation,
        body: &[u8],
        endpoints: &DataEndpoints,
        now: SystemTime,
    ) -> Outcome {
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
            Op::GetDataEndpoint => self.get_data_endpoint(&parse(body)?, endpoints, now),
            Op::UpdateImageGenerationConfiguration => self.update_images(parse(body)?, now),
            Op::DescribeImageGenerationConfiguration => {
                let stream = self.registry.find_live(&parse(body)?, now)?;
                reply(json!({ "ImageGenerationConfiguration": stream.images.latest() }))
            }
            Op::UpdateNotificationConfiguration => self.update_notifications(parse(body)?, now),
            Op::DescribeNotificationConfiguration => {
                let stream = self.registry.find_live(&parse(body)?, now)?;
                reply(json!({ "NotificationConfiguration": stream.notifications.latest() }))
            }
            Op::UpdateStreamStorageConfiguration => self.update_storage(parse(body)?, now),
            Op::DescribeStreamStorageConfiguration => self.describe_storage(&parse(body)?, now),
            Op::DescribeMappedResourceConfiguration => self.describe_mapping(&parse(body)?, now),
        }
    }

    fn create_stream(&self, request: CreateStream, now: SystemTime) -> Outcome {
        let name = required("streamName", request.stream_name)?;
        api::optional(&Text::DEVICE_NAME, request.device_name.as_deref())?;
        api::optional(&Text::MEDIA_TYPE, request.media_type.as_deref())?;
        api::optional(&Text::KMS_KEY, request.kms_key_id.as_deref())?;
        let retention = request.data_retention_in_hours.unwrap_or(0);
        api::within("DataRetentionInHours", Some(retention), 0, limits::RETENTION_HOURS)?;
        api::not_empty("tags", request.tags.as_ref().map(BTreeMap::len))?;
        let tags = request.tags.unwrap_or_default();
        tags::check(&tags, 0)?;
        let tier = request.stream_storage_configuration.map(|storage| storage.default_storage_tier);
        let stream = self.registry.create(&name, self.delays, now, |stream| {
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

    fn list_streams(&self, request: &ListStreams, now: SystemTime) -> Outcome {
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

    fn delete_stream(&self, request: DeleteStream, now: SystemTime) -> Outcome {
        let wanted = StreamRef::by_arn(required("streamARN", request.stream_arn)?);
        api::optional(&Text::VERSION, request.current_version.as_deref())?;
        let deleted = self.registry.delete(&wanted, now, |stream| {
            if let Some(version) = &request.current_version {
                check_version(stream, version)?;
            }
            check_active(stream, now)?;
            Ok(self.transition_end(now))
        })?;
        Ok(Reply { body: None, effect: Some(Effect::Deleted(deleted)) })
    }

    fn update_stream(&self, request: UpdateStream, now: SystemTime) -> Outcome {
        api::optional(&Text::DEVICE_NAME, request.device_name.as_deref())?;
        api::optional(&Text::MEDIA_TYPE, request.media_type.as_deref())?;
        self.change_version(&request.stream, request.current_version, now, |stream| {
            stream.device_name = request.device_name.or_else(|| stream.device_name.take());
            stream.media_type = request.media_type.or_else(|| stream.media_type.take());
            Ok(())
        })?;
        done()
    }

    fn update_data_retention(&self, request: UpdateDataRetention, now: SystemTime) -> Outcome {
        let operation = required("operation", request.operation)?;
        let hours = required("dataRetentionChangeInHours", request.data_retention_change_in_hours)?;
        api::within("DataRetentionChangeInHours", Some(hours), 1, i32::MAX.unsigned_abs().into())?;
        let changed = self.change_version(&request.stream, request.current_version, now, |stream| {
            let hours_before = stream.retention_hours;
            let wanted = match operation {
                RetentionChange::IncreaseDataRetention => hours_before.checked_add(hours),
                RetentionChange::DecreaseDataRetention => hours_before.checked_sub(hours),
            };
            stream.retention_hours = wanted.filter(|&wanted| wanted <= limits::RETENTION_HOURS).ok_or_else(|| {
                ApiError::invalid(format!(
                    "DataRetentionInHours must stay within 0 to {}: it is {hours_before}, and the change is {hours}",
                    limits::RETENTION_HOURS
                ))
            })?;
            Ok(())
        })?;
        Ok(Reply { body: None, effect: Some(Effect::RetentionChanged(changed)) })
    }

    fn get_data_endpoint(&self, request: &GetDataEndpoint, endpoints: &DataEndpoints, now: SystemTime) -> Outcome {
        let name = required("aPIName", request.api_name.as_deref())?;
        if !DATA_APIS.contains(&name) {
            let (name, all) = (name.escape_debug(), DATA_APIS.join(", "));
            return Err(ApiError::invalid(format!("APIName must be one of [{all}], but is '{name}'")));
        }
        let stream = self.registry.find(&request.stream, now)?;
        if !stream.takes_media(now) {
            return Err(ApiError::no_stream());
        }
        let endpoint = match name {
            "PUT_MEDIA" | "GET_MEDIA" => &endpoints.media,
            _ => &endpoints.archived_media,
        };
        reply(json!({ "DataEndpoint": endpoint }))
    }

    fn update_images(&self, request: UpdateImages, now: SystemTime) -> Outcome {
        if let Some(configuration) = &request.image_generation_configuration {
            check_images(configuration, &self.registry.identity().region, self.shortest_interval)?;
        }
        self.configure(&request.stream, now, |stream, since| {
            stream.images.set(request.image_generation_configuration, since, now);
        })
    }

    fn update_notifications(&self, request: UpdateNotifications, now: SystemTime) -> Outcome {
        if let Some(configuration) = &request.notification_configuration {
            check_notifications(configuration)?;
        }
        self.configure(&request.stream, now, |stream, since| {
            stream.notifications.set(request.notification_configuration, since, now);
        })
    }

    fn update_storage(&self, request: UpdateStorage, now: SystemTime) -> Outcome {
        let storage = required("streamStorageConfiguration", request.stream_storage_configuration)?;
        self.change_version(&request.stream, request.current_version, now, |stream| {
            storage.default_storage_tier.name().clone_into(&mut stream.storage_tier);
            Ok(())
        })?;
        done()
    }

    fn describe_storage(&self, wanted: &StreamRef, now: SystemTime) -> Outcome {
        let stream = self.registry.find_live(wanted, now)?;
        reply(json!({
            "StreamName": stream.name,
            "StreamARN": stream.arn,
            "StreamStorageConfiguration": { "DefaultStorageTier": stream.storage_tier },
        }))
    }

    /// Returns an empty list, since there are no signaling channels.
    fn describe_mapping(&self, request: &DescribeMapping, now: SystemTime) -> Outcome {
        api::within("MaxResults", request.max_results, 1, 1)?;
        check_single_page(request.next_token.as_deref())?;
        self.registry.find_live(&request.stream, now)?;
        reply(json!({ "MappedResourceConfigurationList": [], "NextToken": null }))
    }

    /// Changes a stream if its version matches. The stream gets a new version and goes through UPDATING.
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
            check_active(stream, now)?;
            change(stream)?;
            stream.version = next;
            stream.phase = Phase::Updating { until: self.transition_end(now) };
            Ok(stream.clone())
        })
    }

    /// Sets image or notification configuration. Requires an active stream with retention; keeps the version.
    fn configure(
        &self,
        wanted: &StreamRef,
        now: SystemTime,
        set: impl FnOnce(&mut StreamRecord, SystemTime),
    ) -> Outcome {
        let since = now.checked_add(self.delays.configuration).unwrap_or(now);
        self.registry.change(wanted, now, |stream| {
            check_active(stream, now)?;
            if stream.retention_hours == 0 {
                let message = "the stream keeps no data (DataRetentionInHours is 0), so it cannot be configured";
                return Err(ApiError::new(Exception::NoDataRetention, message));
            }
            set(stream, since);
            Ok(())
        })?;
        done()
    }

    fn transition_end(&self, now: SystemTime) -> SystemTime {
        now.checked_add(self.delays.transition).unwrap_or(now)
    }
}

/// The names that GetDataEndpoint accepts.
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

fn check_active(stream: &StreamRecord, now: SystemTime) -> Result<(), ApiError> {
    match stream.status(now) {
        StreamStatus::Active => Ok(()),
        StreamStatus::Deleting => Err(ApiError::no_stream()),
        status => Err(ApiError::new(
            Exception::ResourceInUse,
            format!("The stream {} is not ACTIVE yet but {status:?}", stream.name),
        )),
    }
}

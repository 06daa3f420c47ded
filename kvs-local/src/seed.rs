//! Streams that exist from the start.

use std::time::SystemTime;

use serde_json::{Map, Value};

use crate::api::{ApiError, ControlOperation, DataPorts, Exception};
use crate::handlers::Control;

/// Streams with their tags and configurations, created at start and after a reset.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seed(Vec<Map<String, Value>>);

/// The seed is invalid.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InvalidSeed {
    /// It is not a JSON list of objects.
    #[error("seed is not a JSON list of streams")]
    Json {
        /// The cause.
        source: serde_json::Error,
    },
    /// A stream has a member that neither CreateStream nor the configurations have.
    #[error("stream {position} of the seed has an unknown member '{}'; expected one of {}", member.escape_debug(), MEMBERS.join(", "))]
    Member {
        /// Position of the stream, from 1.
        position: usize,
        /// The member.
        member: String,
    },
    /// The service refuses a stream or its configuration.
    #[error("stream {position} of the seed is refused")]
    Refused {
        /// Position of the stream, from 1.
        position: usize,
        /// The cause.
        source: ApiError,
    },
}

impl Seed {
    /// Parses a seed: a list of CreateStream requests with `ImageGenerationConfiguration` and `NotificationConfiguration`.
    pub(crate) fn parse(json: &str) -> Result<Self, InvalidSeed> {
        let streams: Vec<Map<String, Value>> =
            serde_json::from_str(json).map_err(|source| InvalidSeed::Json { source })?;
        for (stream, position) in streams.iter().zip(1..) {
            if let Some(member) = stream.keys().find(|member| !MEMBERS.contains(&member.as_str())) {
                return Err(InvalidSeed::Member { position, member: member.clone() });
            }
        }
        Ok(Self(streams))
    }

    /// Creates the streams. Streams that exist already stay as they are. `control` must change streams without delay. Blocks.
    pub(crate) fn apply(&self, control: &Control, now: SystemTime) -> Result<(), InvalidSeed> {
        for (stream, position) in self.0.iter().zip(1..) {
            apply(stream, control, now).map_err(|source| InvalidSeed::Refused { position, source })?;
        }
        Ok(())
    }
}

fn apply(stream: &Map<String, Value>, control: &Control, now: SystemTime) -> Result<(), ApiError> {
    let call = |operation, request: &Map<String, Value>| {
        let body = serde_json::to_vec(request).expect("serializing a JSON object does not fail");
        control.call(operation, &body, &DataPorts::Shared.endpoints(""), now).map(drop)
    };
    match call(ControlOperation::CreateStream, stream) {
        Err(error) if error.exception == Exception::ResourceInUse => return Ok(()),
        created => created?,
    }
    for (member, operation) in CONFIGURATIONS {
        if let Some(configuration) = stream.get(member) {
            let mut request = Map::new();
            request.insert("StreamName".to_owned(), stream.get("StreamName").cloned().unwrap_or_default());
            request.insert(member.to_owned(), configuration.clone());
            call(operation, &request)?;
        }
    }
    Ok(())
}

/// The members that are set by operations of their own.
const CONFIGURATIONS: [(&str, ControlOperation); 2] = [
    ("ImageGenerationConfiguration", ControlOperation::UpdateImageGenerationConfiguration),
    ("NotificationConfiguration", ControlOperation::UpdateNotificationConfiguration),
];

/// The members of a stream.
const MEMBERS: [&str; 9] = [
    "StreamName",
    "DeviceName",
    "MediaType",
    "KmsKeyId",
    "DataRetentionInHours",
    "Tags",
    "StreamStorageConfiguration",
    "ImageGenerationConfiguration",
    "NotificationConfiguration",
];

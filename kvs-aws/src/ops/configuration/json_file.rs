//! The JSON files that the AWS CLI takes with `--cli-input-json`.

use kvs_types::InvalidField;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// A file is not what the AWS CLI would take.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JsonFileError {
    /// It is no JSON, or a member has the wrong type.
    #[error("not the expected JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// A member that no such file has: a typing mistake would be ignored without this.
    #[error("unknown member {0}")]
    Unknown(String),
    /// A member is missing.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// Both ways to name the stream are used.
    #[error("StreamName and StreamARN are both given, one is enough")]
    TwoStreams,
    /// A value is refused.
    #[error(transparent)]
    Field(#[from] InvalidField),
}

/// Reads a file, refusing members that would be ignored.
pub(crate) fn read<T: DeserializeOwned + Serialize>(text: &str) -> Result<T, JsonFileError> {
    let given: Value = serde_json::from_str(text)?;
    match (given.get("StreamName"), given.get("StreamARN")) {
        (None, None) => return Err(JsonFileError::Missing("StreamName or StreamARN")),
        (Some(_), Some(_)) => return Err(JsonFileError::TwoStreams),
        (Some(_), None) | (None, Some(_)) => {}
    }
    let read: T = serde_json::from_value(given.clone())?;
    match unknown_member(&given, &serde_json::to_value(&read)?, "") {
        Some(path) => Err(JsonFileError::Unknown(path)),
        None => Ok(read),
    }
}

pub(crate) fn write<T: Serialize>(value: &T) -> String {
    let mut text = serde_json::to_string_pretty(value).expect("members are strings and numbers");
    text.push('\n');
    text
}

/// The first member that was given and not understood: it is missing in what is written back.
fn unknown_member(given: &Value, understood: &Value, path: &str) -> Option<String> {
    let Value::Object(members) = given else { return None };
    members.iter().filter(|(_, value)| !value.is_null()).find_map(|(name, value)| {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        match understood.get(name) {
            None => Some(path),
            Some(understood) => unknown_member(value, understood, &path),
        }
    })
}

//! JSON files for the option `--cli-input-json` of the AWS CLI.

use kvs_types::InvalidField;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// A file is not valid input of the AWS CLI.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JsonFileError {
    /// It is not JSON, or a member has the wrong type.
    #[error("invalid JSON")]
    Json(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A member is unknown. Ignoring it would hide typing mistakes.
    #[error("unknown member {0}")]
    Unknown(String),
    /// A member is missing.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// The file has both StreamName and StreamARN.
    #[error("StreamName and StreamARN are both given; remove one")]
    TwoStreams,
    /// A value is invalid.
    #[error(transparent)]
    Field(#[from] InvalidField),
}

/// Reads a file. Rejects unknown members.
pub(crate) fn read<T: DeserializeOwned + Serialize>(text: &str) -> Result<T, JsonFileError> {
    let invalid = |error: serde_json::Error| JsonFileError::Json(error.into());
    let given: Value = serde_json::from_str(text).map_err(invalid)?;
    match (given.get("StreamName"), given.get("StreamARN")) {
        (None, None) => return Err(JsonFileError::Missing("StreamName or StreamARN")),
        (Some(_), Some(_)) => return Err(JsonFileError::TwoStreams),
        (Some(_), None) | (None, Some(_)) => {}
    }
    let read: T = serde_json::from_value(given.clone()).map_err(invalid)?;
    match unknown_member(&given, &serde_json::to_value(&read).map_err(invalid)?, "") {
        Some(path) => Err(JsonFileError::Unknown(path)),
        None => Ok(read),
    }
}

pub(crate) fn write<T: Serialize>(value: &T) -> String {
    let mut text = serde_json::to_string_pretty(value).expect("members are strings and numbers");
    text.push('\n');
    text
}

/// Returns the path of the first member of `given` that is missing in `understood`.
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

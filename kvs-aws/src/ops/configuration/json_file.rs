//! JSON files for the option `--cli-input-json` of the AWS CLI.

use kvs_types::{InvalidField, StreamArn, StreamId, StreamName};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// A file is not valid input of the AWS CLI.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JsonFileError {
    /// It is not JSON.
    #[error("invalid JSON")]
    Json(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A member has a value of the wrong type, or a word that is not among the accepted ones.
    #[error("{path}: {problem}")]
    Member {
        /// The path to the member, for example `ImageGenerationConfiguration.FormatConfig.JPEGQuality`.
        path: String,
        /// The value, and what is accepted.
        problem: String,
    },
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

/// A file as JSON whose members are not read yet.
pub(crate) struct JsonFile(Value);

impl JsonFile {
    /// Parses a file. A byte-order mark in front, as some editors write it, is ignored.
    pub(crate) fn parse(text: &str) -> Result<Self, JsonFileError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        serde_json::from_str(text).map(Self).map_err(|error| JsonFileError::Json(error.into()))
    }

    /// Returns the stream that the file names.
    pub(crate) fn stream(&self) -> Result<StreamId, JsonFileError> {
        match (self.0.get("StreamName"), self.0.get("StreamARN")) {
            (None, None) => Err(JsonFileError::Missing("StreamName or StreamARN")),
            (Some(_), Some(_)) => Err(JsonFileError::TwoStreams),
            (Some(_), None) => self.member::<StreamName>("StreamName").map(StreamId::Name),
            (None, Some(_)) => self.member::<StreamArn>("StreamARN").map(StreamId::Arn),
        }
    }

    /// Reads a member.
    pub(crate) fn member<T: DeserializeOwned>(&self, name: &'static str) -> Result<T, JsonFileError> {
        let value = self.0.get(name).filter(|value| !value.is_null()).ok_or(JsonFileError::Missing(name))?;
        serde_path_to_error::deserialize(value).map_err(|error| {
            let path = match error.path().to_string() {
                inner if inner == "." => name.to_owned(),
                inner => format!("{name}.{inner}"),
            };
            let problem = error.into_inner().to_string();
            // The checked types name the member too.
            let last = path.rsplit('.').next().unwrap_or_default();
            let problem = problem.strip_prefix(last).and_then(|rest| rest.strip_prefix(": ")).unwrap_or(&problem);
            JsonFileError::Member { problem: as_text(problem), path }
        })
    }

    /// Rejects members that `understood` does not have.
    pub(crate) fn check_unknown(&self, understood: &impl Serialize) -> Result<(), JsonFileError> {
        let understood = serde_json::to_value(understood).map_err(|error| JsonFileError::Json(error.into()))?;
        unknown_member(&self.0, &understood, "").map_or(Ok(()), |path| Err(JsonFileError::Unknown(path)))
    }
}

/// Numbers that the service takes as text are the usual mistake: the message shows how to write them.
fn as_text(problem: &str) -> String {
    let number = problem.split('`').nth(1).filter(|_| problem.ends_with("expected a string"));
    match number {
        Some(number) => format!("{problem}, such as \"{number}\""),
        None => problem.to_owned(),
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

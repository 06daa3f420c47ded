//! Reading requests: JSON, required members, lengths and characters of values.

use kvs_types::__internal::check_uri;
use kvs_types::StreamArn;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::api::{ApiError, Exception};
use crate::limits;

/// The constraints of a string member: its name in errors, its maximum length and its characters.
pub(crate) struct Text {
    member: &'static str,
    max_chars: usize,
    accepts: fn(&str) -> bool,
}

impl Text {
    pub(crate) const STREAM_NAME: Self =
        Self { member: "StreamName", max_chars: limits::STREAM_NAME, accepts: is_name };
    pub(crate) const NAME_PREFIX: Self =
        Self { member: "ComparisonValue", max_chars: limits::STREAM_NAME, accepts: is_name };
    pub(crate) const DEVICE_NAME: Self =
        Self { member: "DeviceName", max_chars: limits::DEVICE_NAME, accepts: is_name };
    pub(crate) const VERSION: Self =
        Self { member: "CurrentVersion", max_chars: limits::VERSION, accepts: is_alphanumeric };
    pub(crate) const MEDIA_TYPE: Self =
        Self { member: "MediaType", max_chars: limits::MEDIA_TYPE, accepts: is_media_type };
    pub(crate) const KMS_KEY: Self = Self { member: "KmsKeyId", max_chars: limits::KMS_KEY, accepts: is_printable };
    pub(crate) const DESTINATION_URI: Self =
        Self { member: "Uri", max_chars: limits::DESTINATION_URI, accepts: is_destination };
    pub(crate) const AFTER_FRAGMENT_NUMBER: Self = Self {
        member: "AfterFragmentNumber",
        max_chars: kvs_types::limits::FRAGMENT_NUMBER_DIGITS,
        accepts: is_digits,
    };
    pub(crate) const CONTINUATION_TOKEN: Self =
        Self { member: "ContinuationToken", max_chars: limits::CONTINUATION_TOKEN, accepts: is_name };
    pub(crate) const TOKEN: Self = Self { member: "NextToken", max_chars: limits::CONTROL_TOKEN, accepts: is_base64 };
}

/// Checks a string: not empty, not too long, only accepted characters.
pub(crate) fn text(kind: &Text, value: &str) -> Result<(), ApiError> {
    let length = value.chars().count();
    if length == 0 || length > kind.max_chars {
        return Err(ApiError::invalid(format!(
            "{} takes 1 to {} characters, got {length}",
            kind.member, kind.max_chars
        )));
    }
    if (kind.accepts)(value) {
        return Ok(());
    }
    let shown: String = value.chars().take(SHOWN_CHARS).collect();
    Err(ApiError::invalid(format!("{} has characters it does not take: '{}'", kind.member, shown.escape_debug())))
}

/// Checks a string that may be absent.
pub(crate) fn optional(kind: &Text, value: Option<&str>) -> Result<(), ApiError> {
    value.map_or(Ok(()), |value| text(kind, value))
}

/// Checks that a number, if present, is in a range.
pub(crate) fn within(member: &str, value: Option<u64>, least: u64, most: u64) -> Result<(), ApiError> {
    match value {
        Some(value) if value < least || value > most => {
            Err(ApiError::invalid(format!("{member} must be {least} to {most}, but is {value}")))
        }
        _ => Ok(()),
    }
}

/// Characters of a rejected value that are repeated in the message.
const SHOWN_CHARS: usize = 80;

fn is_name(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'))
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_alphanumeric(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn is_base64(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'='))
}

fn is_printable(text: &str) -> bool {
    !text.chars().any(char::is_control)
}

/// Accepts the pattern of destinations in the API model, without control characters. It has no `*` in the path.
fn is_destination(text: &str) -> bool {
    is_printable(text) && check_uri(text).is_ok()
}

/// Accepts `type/subtype`, or several of them separated by commas.
fn is_media_type(value: &str) -> bool {
    let word = |text: &str| {
        let mark = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'+');
        !text.is_empty() && text.bytes().all(mark)
    };
    value.split(',').all(|one| one.split_once('/').is_some_and(|(kind, subtype)| word(kind) && word(subtype)))
}

/// Parses a JSON request; an empty body is an empty object.
///
/// Like the service, ignores unknown members and treats null as absent. An error names the member.
pub(crate) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    let body = if body.trim_ascii().is_empty() { b"{}".as_slice() } else { body };
    let mut value: Value = serde_json::from_slice(body)
        .map_err(|error| ApiError::new(Exception::Serialization, format!("the request body is not JSON: {error}")))?;
    if !value.is_object() {
        // serde would accept an array as the members in their order.
        return Err(ApiError::new(Exception::Serialization, "the request body is not a JSON object"));
    }
    remove_nulls(&mut value);
    // `StreamRef` is flattened into the requests, which hides the names of its members from errors.
    for member in [STREAM_NAME, STREAM_ARN] {
        if let Some(value) = value.get(member).filter(|value| !value.is_string()) {
            return Err(invalid_member(member, &format!("expected a string, got {}", kind(value))));
        }
    }
    serde_path_to_error::deserialize(value).map_err(|error| {
        let (path, problem) = (error.path().to_string(), error.inner().to_string());
        let missing = problem.strip_prefix("missing field `").and_then(|field| field.strip_suffix('`'));
        match missing {
            Some(field) if path == "." => null_member(field),
            Some(field) => null_member(&format!("{path}.{field}")),
            None => invalid_member(&path, &problem),
        }
    })
}

/// Removes the members with null values from objects, at any depth.
fn remove_nulls(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|_, value| !value.is_null());
            members.values_mut().for_each(remove_nulls);
        }
        Value::Array(values) => values.iter_mut().for_each(remove_nulls),
        _ => {}
    }
}

const fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// Returns the error of the service for a required member that is absent or null.
fn null_member(path: &str) -> ApiError {
    let member = as_in_errors(path);
    ApiError::invalid(format!(
        "1 validation error detected: Value null at '{member}' failed to satisfy constraint: Member must not be null"
    ))
}

/// Returns the error for a member of a wrong type or with an unknown word. `problem` repeats its value.
fn invalid_member(path: &str, problem: &str) -> ApiError {
    let member = as_in_errors(path);
    let problem: String = problem.chars().filter(|char| !char.is_control()).take(SHOWN_PROBLEM_CHARS).collect();
    ApiError::invalid(format!(
        "1 validation error detected: Value at '{member}' failed to satisfy constraint: {problem}"
    ))
}

/// Returns the path of a member as the errors of the service have it: each name starts in lower case.
fn as_in_errors(path: &str) -> String {
    let name = |name: &str| {
        let mut chars = name.chars().filter(|char| !char.is_control()).take(SHOWN_CHARS);
        chars.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(chars).collect::<String>()
    };
    path.split('.').take(PATH_NAMES).map(name).collect::<Vec<_>>().join(".")
}

/// Characters of a parser's error that are repeated in the message: they list the accepted words.
const SHOWN_PROBLEM_CHARS: usize = 300;
/// Names of a path that are repeated in the message. Requests have at most three; keys of maps can contain dots.
const PATH_NAMES: usize = 8;
const STREAM_NAME: &str = "StreamName";
const STREAM_ARN: &str = "StreamARN";

/// The stream that a request names: by name, by ARN, or by both if they agree.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct StreamRef {
    #[serde(rename = "StreamName")]
    pub(crate) name: Option<String>,
    #[serde(rename = "StreamARN")]
    pub(crate) arn: Option<String>,
}

impl StreamRef {
    /// The stream of this name.
    pub(crate) fn by_name(name: impl Into<String>) -> Self {
        Self { name: Some(name.into()), arn: None }
    }

    /// Returns the name in the request, whether or not such a stream exists.
    pub(crate) fn claimed_name(&self) -> Option<&str> {
        self.name.as_deref().or_else(|| self.arn.as_deref().and_then(name_in_arn))
    }

    /// The stream of this ARN.
    pub(crate) fn by_arn(arn: impl Into<String>) -> Self {
        Self { name: None, arn: Some(arn.into()) }
    }
}

/// Returns the name in a stream's ARN, `arn:PARTITION:kinesisvideo:REGION:ACCOUNT:stream/NAME/CREATED`.
pub(crate) fn name_in_arn(arn: &str) -> Option<&str> {
    // The type also accepts the ARNs of channels, as the API model does.
    StreamArn::new(arn).ok().filter(|arn| arn.resource_type() == "stream")?;
    // A slice of the argument, which outlives the checked copy.
    let name = arn.rsplit('/').nth(1)?;
    text(&Text::STREAM_NAME, name).is_ok().then_some(name)
}

/// Returns a required member, or the error of the service if it is absent or null.
pub(crate) fn required<T>(member: &str, value: Option<T>) -> Result<T, ApiError> {
    value.ok_or_else(|| null_member(member))
}

/// Checks a map or list that must not be empty if it is present.
pub(crate) fn not_empty(member: &str, entries: Option<usize>) -> Result<(), ApiError> {
    match entries {
        Some(0) => Err(invalid_member(member, "Member must have length greater than or equal to 1")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_length_and_characters() {
        assert!(text(&Text::STREAM_NAME, &"n".repeat(256)).is_ok());
        assert!(text(&Text::STREAM_NAME, &"n".repeat(257)).is_err());
        assert!(text(&Text::STREAM_NAME, "").is_err());
        assert!(text(&Text::STREAM_NAME, "a/b").is_err());
        assert!(text(&Text::MEDIA_TYPE, "video/h264,audio/aac").is_ok());
        assert!(text(&Text::MEDIA_TYPE, "video/").is_err());
    }

    #[test]
    fn finds_name_only_in_stream_arn() {
        let arn = "arn:aws:kinesisvideo:us-west-2:111122223333:stream/door/1705489836421";
        assert_eq!(name_in_arn(arn), Some("door"));
        for bad in [
            "arn:aws:kinesisvideo:us-west-2:111122223333:channel/door/1",
            "arn:aws:kinesisvideo:us-west-2:111122223333:stream/../x/1",
            "arn:aws:kinesisvideo:us-west-2:111122223333:stream/door/x",
            "arn:aws:kinesisvideo:us-west-2::stream/door/1",
            "door",
        ] {
            assert_eq!(name_in_arn(bad), None, "{bad}");
        }
    }

    #[test]
    fn malformed_json_and_wrong_type_are_different_errors() {
        let exception = |body: &str| parse::<StreamRef>(body.as_bytes()).unwrap_err().exception;
        assert_eq!(exception("{"), Exception::Serialization);
        assert_eq!(exception(r#"{"StreamName":7}"#), Exception::InvalidArgument);
        assert!(parse::<StreamRef>(b"").is_ok());
        assert!(parse::<StreamRef>(br#"{"StreamName":null,"New":1}"#).unwrap().name.is_none());
    }

    #[test]
    fn errors_name_the_member() {
        #[derive(Debug, Deserialize)]
        #[serde(rename_all = "PascalCase")]
        #[expect(dead_code, reason = "only parsed")]
        struct Request {
            #[serde(flatten)]
            stream: StreamRef,
            notification_configuration: Option<kvs_types::NotificationConfiguration>,
            max_results: Option<u64>,
        }
        let message = |body: &str| parse::<Request>(body.as_bytes()).unwrap_err().message;
        let status = |status: &str| message(&format!(r#"{{"NotificationConfiguration":{{"Status":{status}}}}}"#));
        let null = "1 validation error detected: Value null at 'notificationConfiguration.status' failed to satisfy \
                    constraint: Member must not be null";
        assert_eq!(status("null"), null);
        assert_eq!(message(r#"{"NotificationConfiguration":{}}"#), null);
        let start =
            "1 validation error detected: Value at 'notificationConfiguration.status' failed to satisfy constraint: ";
        assert_eq!(
            status(r#""enabled""#),
            format!("{start}unknown variant `enabled`, expected `ENABLED` or `DISABLED`")
        );
        for wrong in ["7", "true", "[]", r#"{"x":1}"#] {
            assert!(status(wrong).starts_with(start), "{}", status(wrong));
        }
        assert!(message(r#"{"MaxResults":-1}"#).contains("at 'maxResults' failed"));
        assert!(
            message(r#"{"StreamName":7}"#).contains("at 'streamName' failed to satisfy constraint: expected a string")
        );
        assert!(message(r#"{"StreamARN":[]}"#).contains("at 'streamARN' failed"));
    }
}

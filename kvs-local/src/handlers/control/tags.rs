//! Tags of streams, which are not the metadata tags of fragments.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::{self, ApiError, Exception, StreamRef, required};
use crate::handlers::control::paging::check_single_page;
use crate::limits;
use crate::stream::registry::Registry;

#[derive(Debug, Deserialize)]
pub(super) struct TagStream {
    #[serde(flatten)]
    stream: StreamRef,
    #[serde(rename = "Tags")]
    tags: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct UntagStream {
    #[serde(flatten)]
    stream: StreamRef,
    #[serde(rename = "TagKeyList")]
    keys: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ListTags {
    #[serde(flatten)]
    stream: StreamRef,
    #[serde(rename = "NextToken")]
    next_token: Option<String>,
}

/// Adds tags; the value of an existing key is replaced.
pub(super) fn tag(registry: &Registry, request: TagStream, now: SystemTime) -> Result<(), ApiError> {
    let tags = required("tags", request.tags)?;
    api::not_empty("tags", Some(tags.len()))?;
    check_arn(&request.stream)?;
    registry.change(&request.stream, now, |stream| {
        let kept = stream.tags.keys().filter(|key| !tags.contains_key(*key)).count();
        check(&tags, kept)?;
        stream.tags.extend(tags);
        Ok(())
    })
}

/// Removes tags; unknown keys are ignored.
pub(super) fn untag(registry: &Registry, request: UntagStream, now: SystemTime) -> Result<(), ApiError> {
    let keys = required("tagKeyList", request.keys)?;
    if keys.is_empty() || keys.len() > limits::STREAM_TAGS {
        let message = format!("TagKeyList takes 1 to {} entries, got {}", limits::STREAM_TAGS, keys.len());
        return Err(ApiError::invalid(message));
    }
    keys.iter().try_for_each(|key| check_key(key))?;
    check_arn(&request.stream)?;
    registry.change(&request.stream, now, |stream| {
        stream.tags.retain(|key, _| !keys.contains(key));
        Ok(())
    })
}

/// Returns all tags; they always fit on one page.
pub(super) fn list(registry: &Registry, request: &ListTags, now: SystemTime) -> Result<Value, ApiError> {
    check_single_page(request.next_token.as_deref())?;
    check_arn(&request.stream)?;
    Ok(json!({ "Tags": registry.find_live(&request.stream, now)?.tags, "NextToken": null }))
}

/// Checks tags to be added to a stream that keeps `kept` other tags.
pub(super) fn check(tags: &BTreeMap<String, String>, kept: usize) -> Result<(), ApiError> {
    for (key, value) in tags {
        check_key(key)?;
        let length = value.chars().count();
        if length > limits::STREAM_TAG_VALUE {
            let most = limits::STREAM_TAG_VALUE;
            return Err(ApiError::invalid(format!("a tag's value takes up to {most} characters, got {length}")));
        }
        check_characters("value", value)?;
    }
    let count = kept.saturating_add(tags.len());
    if count > limits::STREAM_TAGS {
        let message = format!("a stream has up to {} tags, these would be {count}", limits::STREAM_TAGS);
        return Err(ApiError::new(Exception::TagsPerResourceExceededLimit, message));
    }
    Ok(())
}

fn check_key(key: &str) -> Result<(), ApiError> {
    let length = key.chars().count();
    if length == 0 || length > limits::STREAM_TAG_KEY {
        let most = limits::STREAM_TAG_KEY;
        return Err(ApiError::invalid(format!("a tag's key takes 1 to {most} characters, got {length}")));
    }
    if key.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("aws:")) {
        return Err(ApiError::invalid("a tag's key must not begin with aws:"));
    }
    check_characters("key", key)
}

/// Accepts letters, digits and spaces of any script, and `_.:/=+-@`.
fn check_characters(what: &str, text: &str) -> Result<(), ApiError> {
    let takes = |char: char| char.is_alphanumeric() || is_space(char) || "_.:/=+-@".contains(char);
    if text.chars().all(takes) {
        return Ok(());
    }
    Err(ApiError::invalid(format!("a tag's {what} has characters it does not take: '{}'", text.escape_debug())))
}

/// `\p{Z}` of the API model: separators, without the control characters that are white space.
fn is_space(char: char) -> bool {
    char.is_whitespace() && !char.is_control()
}

/// The tag operations report an invalid ARN with an exception of their own.
fn check_arn(stream: &StreamRef) -> Result<(), ApiError> {
    match &stream.arn {
        Some(arn) if api::name_in_arn(arn).is_none() => {
            let message = format!("StreamARN is not the ARN of a stream: '{}'", arn.escape_debug());
            Err(ApiError::new(Exception::InvalidResourceFormat, message))
        }
        _ => Ok(()),
    }
}

//! Answers as they stand on the wire.

use std::convert::Infallible;
use std::time::SystemTime;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::api::{ApiError, Exception};

/// The body of an answer: whole or streamed. An error ends the connection before the body's end.
pub(crate) type Body = UnsyncBoxBody<Bytes, std::io::Error>;
/// An answer.
pub(crate) type Answer = Response<Body>;

const REQUEST_ID: &str = "x-amzn-requestid";
const ERROR_TYPE: &str = "x-amzn-errortype";
pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// What follows the exception's name in `x-amzn-ErrorType`.
const DOCUMENTATION: &str = "https://kinesisvideo.amazonaws.com/doc/2017-09-30/";

/// What the real service answers, with status 200, to a path it does not know.
pub(crate) const UNKNOWN_OPERATION: &str =
    r#"{"Output":{"__type":"com.amazon.coral.service#UnknownOperationException"},"Version":"1.0"}"#;

/// How timestamps are written in JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Numbers {
    /// `1705489836.421`
    #[default]
    Plain,
    /// `1.705489836421E9`, as the service's Java does now and then.
    Scientific,
}

/// How JSON is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Style {
    pub(crate) numbers: Numbers,
    /// Absent values are explicit nulls otherwise, as the service sends them.
    pub(crate) omit_nulls: bool,
}

/// An answer with a JSON body, or with an empty one.
pub(crate) fn ok(body: Option<Value>, style: Style) -> Answer {
    let body = body.map_or_else(Bytes::new, |value| {
        let value = if style.omit_nulls { without_nulls(value) } else { value };
        json(&value, style.numbers)
    });
    with_body(StatusCode::OK, JSON, body)
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let kept = members.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(kept.map(|(name, value)| (name, without_nulls(value))).collect())
        }
        Value::Array(values) => Value::Array(values.into_iter().map(without_nulls).collect()),
        other => other,
    }
}

/// An answer with these bytes.
pub(crate) fn with_body(status: StatusCode, content_type: HeaderValue, body: Bytes) -> Answer {
    let mut answer = Response::new(whole(body));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, content_type);
    headers.insert(REQUEST_ID, request_id());
    answer
}

/// An answer whose body is still being made.
pub(crate) fn streamed(content_type: HeaderValue, body: Body) -> Answer {
    let mut answer = Response::new(body);
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, content_type);
    headers.insert(REQUEST_ID, request_id());
    answer
}

/// A refusal, shaped as the service shapes it.
pub(crate) fn refusal(error: &ApiError) -> Answer {
    let mut body = serde_json::Map::new();
    body.insert(error.exception.message_key().to_owned(), Value::String(error.message.clone()));
    let body = json(&Value::Object(body), Numbers::Plain);
    let mut answer = with_body(error.exception.status(), JSON, body);
    let kind = format!("{}:{DOCUMENTATION}", error.exception.name());
    if let Ok(kind) = HeaderValue::from_str(&kind) {
        answer.headers_mut().insert(ERROR_TYPE, kind);
    }
    answer
}

/// Says when the service answered.
pub(crate) fn set_date(answer: &mut Answer, at: SystemTime) {
    let text = Timestamp::try_from(at).map(|at| at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string());
    if let Some(value) = text.ok().and_then(|text| HeaderValue::from_str(&text).ok()) {
        answer.headers_mut().insert(header::DATE, value);
    }
}

/// The refusal of a path that names no operation.
pub(crate) fn unknown_operation() -> ApiError {
    ApiError::new(Exception::UnknownOperation, "no operation of Kinesis Video Streams has this method and path")
}

/// Bytes as a body.
pub(crate) fn whole(body: Bytes) -> Body {
    Full::new(body).map_err(|never: Infallible| match never {}).boxed_unsync()
}

/// A fresh id; clients show it in their errors.
fn request_id() -> HeaderValue {
    HeaderValue::from_str(&uuid::Uuid::new_v4().to_string()).expect("a UUID is a valid header value")
}

fn json(value: &Value, numbers: Numbers) -> Bytes {
    let mut out = Vec::new();
    let written = match numbers {
        Numbers::Plain => value.serialize(&mut serde_json::Serializer::new(&mut out)),
        Numbers::Scientific => value.serialize(&mut serde_json::Serializer::with_formatter(&mut out, Scientific)),
    };
    written.expect("a JSON value is always JSON, and a Vec takes every byte");
    out.into()
}

/// Writes fractional numbers with an exponent.
struct Scientific;

impl serde_json::ser::Formatter for Scientific {
    fn write_f64<W: ?Sized + std::io::Write>(&mut self, writer: &mut W, value: f64) -> std::io::Result<()> {
        write!(writer, "{value:E}")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn timestamps_can_be_written_as_the_services_java_writes_them() {
        let value = json!({ "CreationTime": 1_705_489_836.421, "DataRetentionInHours": 24 });
        assert_eq!(json(&value, Numbers::Plain), r#"{"CreationTime":1705489836.421,"DataRetentionInHours":24}"#);
        assert_eq!(json(&value, Numbers::Scientific), r#"{"CreationTime":1.705489836421E9,"DataRetentionInHours":24}"#);
    }

    #[test]
    fn the_answer_to_an_unknown_path_has_the_90_bytes_of_the_service() {
        assert_eq!(UNKNOWN_OPERATION.len(), 90);
    }

    #[test]
    fn a_refusal_names_its_exception_before_the_first_colon() {
        let answer = refusal(&ApiError::no_stream());
        assert_eq!(answer.status(), StatusCode::NOT_FOUND);
        let kind = answer.headers().get("x-amzn-ErrorType").unwrap().to_str().unwrap();
        assert_eq!(kind.split(':').next(), Some("ResourceNotFoundException"));
    }
}

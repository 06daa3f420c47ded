//! The headers of a PutMedia request.

use http::HeaderMap;

use crate::api::{ApiError, StreamRef};
use crate::ingest::{AckMode, FragmentTimecodeType, IngestConfig, ProducerStart};

/// A PutMedia request, parsed from its headers.
#[derive(Debug)]
pub(in crate::handlers) struct PutMediaRequest {
    pub(in crate::handlers) stream: StreamRef,
    pub(super) config: IngestConfig,
}

impl PutMediaRequest {
    /// Parses the headers.
    pub(in crate::handlers) fn parse(headers: &HeaderMap) -> Result<Self, ApiError> {
        Ok(Self { stream: Self::stream(headers)?, config: config(headers)? })
    }

    /// Returns the stream that the headers name: by name or by ARN, not both.
    pub(in crate::handlers) fn stream(headers: &HeaderMap) -> Result<StreamRef, ApiError> {
        match (text(headers, "x-amzn-stream-name")?, text(headers, "x-amzn-stream-arn")?) {
            (Some(name), None) => Ok(StreamRef::by_name(name)),
            (None, Some(arn)) => Ok(StreamRef::by_arn(arn)),
            (Some(_), Some(_)) => Err(ApiError::invalid("x-amzn-stream-name and x-amzn-stream-arn exclude each other")),
            (None, None) => Err(ApiError::invalid("x-amzn-stream-name or x-amzn-stream-arn is required")),
        }
    }
}

fn config(headers: &HeaderMap) -> Result<IngestConfig, ApiError> {
    let timecodes = text(headers, "x-amzn-fragment-timecode-type")?
        .ok_or_else(|| ApiError::invalid("x-amzn-fragment-timecode-type is required"))?;
    let timecodes: FragmentTimecodeType = timecodes.parse().map_err(|_| {
        let given: String = timecodes.chars().take(32).collect();
        ApiError::invalid(format!(
            "x-amzn-fragment-timecode-type: timecode type is ABSOLUTE or RELATIVE, not {given:?}"
        ))
    })?;
    let start = text(headers, "x-amzn-producer-start-timestamp")?.map_or(ProducerStart::Absent, ProducerStart::parse);
    let acks = match text(headers, "x-amzn-fragment-acknowledgment-required")? {
        Some("0") => AckMode::ErrorsOnly,
        _ => AckMode::All,
    };
    Ok(IngestConfig::new(timecodes).producer_start(start).acks(acks))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, ApiError> {
    let plain = |value: &'a http::HeaderValue| value.to_str().map(str::trim);
    let value = headers.get(name).map(plain).transpose();
    value.map_err(|_| ApiError::invalid(format!("{name} is not plain text")))
}

//! The acknowledgements in the response of PutMedia.

use std::fmt;

use crate::error_id::ErrorId;
use crate::fragment_number::FragmentNumber;
use crate::json_text::write_json_text;
use crate::open_enum::open_enum;

/// An acknowledgement of PutMedia: what the service says about a fragment or about the connection.
///
/// With the feature `serde` it implements `Deserialize`; [`to_line`](Self::to_line) writes it as the service does.
/// <https://docs.aws.amazon.com/kinesisvideostreams/latest/dg/API_dataplane_PutMedia.html>
///
/// ```
/// use kvs_types::{Ack, AckEventType};
///
/// let ack = Ack::new(AckEventType::Persisted).with_fragment(1_612_524_911_136, "42".parse()?);
/// assert_eq!(
///     ack.to_line(),
///     "{\"EventType\":\"PERSISTED\",\"FragmentTimecode\":1612524911136,\"FragmentNumber\":\"42\"}\n"
/// );
/// # Ok::<(), kvs_types::InvalidField>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ack {
    /// What happened.
    pub event_type: AckEventType,
    /// The cluster timecode of the fragment in milliseconds, as the producer sent it. `None` on `IDLE` and on some errors.
    pub fragment_timecode: Option<u64>,
    /// The number that the service assigned to the fragment.
    pub fragment_number: Option<FragmentNumber>,
    /// The error of an `ERROR` acknowledgement.
    pub error: Option<AckError>,
    /// Members that this version does not know, with their values as JSON text.
    pub other: Vec<(String, String)>,
}

open_enum! {
    /// The state that a fragment or the connection has reached (`EventType`).
    pub enum AckEventType {
        /// The first bytes of the fragment arrived.
        Buffering = "BUFFERING",
        /// The whole fragment arrived.
        Received = "RECEIVED",
        /// The fragment is stored; the producer can discard it.
        Persisted = "PERSISTED",
        /// The fragment or the connection failed.
        Error = "ERROR",
        /// The connection is open and no media arrives.
        Idle = "IDLE",
    }
}

/// The error of an acknowledgement.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AckError {
    /// The error id; [`ErrorId::meaning`] explains the documented ones.
    pub id: ErrorId,
    /// The error code that the service sent, empty if it sent none.
    pub code: String,
}

impl Ack {
    /// Creates an acknowledgement without fragment and error.
    #[must_use]
    pub const fn new(event_type: AckEventType) -> Self {
        Self { event_type, fragment_timecode: None, fragment_number: None, error: None, other: Vec::new() }
    }

    /// Creates an `ERROR` acknowledgement with the documented error code of `id`.
    #[must_use]
    pub fn error(id: ErrorId) -> Self {
        let error = AckError::new(id, id.code().unwrap_or_default());
        Self { error: Some(error), ..Self::new(AckEventType::Error) }
    }

    /// Sets the fragment: its cluster timecode in milliseconds and its number.
    #[must_use]
    pub fn with_fragment(mut self, timecode: u64, number: FragmentNumber) -> Self {
        self.fragment_timecode = Some(timecode);
        self.fragment_number = Some(number);
        self
    }

    /// Returns the acknowledgement as one JSON object and a line feed, with members in the order that the service uses.
    #[must_use]
    pub fn to_line(&self) -> String {
        let mut line = String::from("{\"EventType\":");
        write_json_text(&mut line, self.event_type.as_str());
        if let Some(timecode) = self.fragment_timecode {
            line.push_str(&format!(",\"FragmentTimecode\":{timecode}"));
        }
        if let Some(number) = &self.fragment_number {
            line.push_str(&format!(",\"FragmentNumber\":\"{number}\""));
        }
        if let Some(AckError { id, code }) = &self.error {
            if !code.is_empty() {
                line.push_str(",\"ErrorCode\":");
                write_json_text(&mut line, code);
            }
            line.push_str(&format!(",\"ErrorId\":{}", id.0));
        }
        for (member, value) in &self.other {
            line.push(',');
            write_json_text(&mut line, member);
            line.push(':');
            line.push_str(value);
        }
        line.push_str("}\n");
        line
    }
}

impl AckError {
    /// Creates an error from an id and an error code.
    pub fn new(id: ErrorId, code: impl Into<String>) -> Self {
        Self { id, code: code.into() }
    }
}

impl fmt::Display for AckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.id.meaning() {
            Some(meaning) => write!(f, "{}: {meaning}", self.id),
            None if self.code.is_empty() => self.id.fmt(f),
            None => write!(f, "{} {}", self.id.0, self.code),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fragment(ack: Ack) -> Ack {
        ack.with_fragment(1_612_524_911_136, "91343852333181432392682062607743920146159169392".parse().unwrap())
    }

    #[test]
    fn writes_lines_as_the_service_does() {
        let named = |event: &str| {
            format!(
                "{{\"EventType\":\"{event}\",\"FragmentTimecode\":1612524911136,\
                 \"FragmentNumber\":\"91343852333181432392682062607743920146159169392\"}}\n"
            )
        };
        assert_eq!(fragment(Ack::new(AckEventType::Buffering)).to_line(), named("BUFFERING"));
        assert_eq!(fragment(Ack::new(AckEventType::Received)).to_line(), named("RECEIVED"));
        assert_eq!(fragment(Ack::new(AckEventType::Persisted)).to_line(), named("PERSISTED"));
        assert_eq!(
            fragment(Ack::error(ErrorId::KMS_KEY_ACCESS_DENIED)).to_line(),
            "{\"EventType\":\"ERROR\",\"FragmentTimecode\":1612524911136,\
             \"FragmentNumber\":\"91343852333181432392682062607743920146159169392\",\
             \"ErrorCode\":\"KMS_KEY_ACCESS_DENIED\",\"ErrorId\":4500}\n"
        );
        assert_eq!(Ack::new(AckEventType::Idle).to_line(), "{\"EventType\":\"IDLE\"}\n");
        assert_eq!(
            Ack::error(ErrorId::INVALID_MKV_DATA).to_line(),
            "{\"EventType\":\"ERROR\",\"ErrorCode\":\"INVALID_MKV_DATA\",\"ErrorId\":4006}\n"
        );
    }

    #[test]
    fn writes_an_unknown_error_id_without_a_code() {
        assert_eq!(Ack::error(ErrorId(4999)).to_line(), "{\"EventType\":\"ERROR\",\"ErrorId\":4999}\n");
    }

    #[test]
    fn displays_an_error_with_its_meaning_or_its_code() {
        let known = AckError::new(ErrorId::STREAM_DELETED, "STREAM_DELETED");
        assert_eq!(known.to_string(), "4507 STREAM_DELETED: the stream was deleted");
        assert_eq!(AckError::new(ErrorId(4999), "NEW").to_string(), "4999 NEW");
        assert_eq!(AckError::new(ErrorId(4999), "").to_string(), "4999");
    }
}

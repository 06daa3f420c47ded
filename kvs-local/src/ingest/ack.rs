//! The lines that a PutMedia response is made of.

use bytes::Bytes;
use kvs_types::{ErrorId, FragmentNumber};

/// One acknowledgement; [`line`](Self::line) is what goes over the wire.
///
/// ```
/// use kvs_local::__internal::ingest::Ack;
///
/// assert_eq!(Ack::Idle.line(), "{\"EventType\":\"IDLE\"}\n");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ack {
    /// The first bytes of the fragment are here.
    Buffering(AckedFragment),
    /// All of the fragment is in memory.
    Received(AckedFragment),
    /// The fragment is stored durably. Only for streams with a retention.
    Persisted(AckedFragment),
    /// Nothing arrived for a while; the connection is alive.
    Idle,
    /// Something is wrong; the response ends after this.
    Error {
        /// The fragment concerned, where there is one.
        fragment: Option<AckedFragment>,
        /// What is wrong.
        id: ErrorId,
    },
}

/// The fragment that an ack speaks of.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the two fields that name a fragment in an ack")]
pub struct AckedFragment {
    /// The cluster's timecode as sent, in ms: since the session's start, or since the Unix epoch.
    pub timecode_ms: u64,
    /// The number the fragment was given.
    pub number: FragmentNumber,
}

impl Ack {
    /// The fragment it speaks of, if any.
    #[must_use]
    pub const fn fragment(&self) -> Option<&AckedFragment> {
        match self {
            Self::Buffering(fragment) | Self::Received(fragment) | Self::Persisted(fragment) => Some(fragment),
            Self::Error { fragment, .. } => fragment.as_ref(),
            Self::Idle => None,
        }
    }

    /// `EventType` as written in the line.
    #[must_use]
    pub const fn event_type(&self) -> &'static str {
        match self {
            Self::Buffering(_) => "BUFFERING",
            Self::Received(_) => "RECEIVED",
            Self::Persisted(_) => "PERSISTED",
            Self::Idle => "IDLE",
            Self::Error { .. } => "ERROR",
        }
    }

    /// One JSON object and a line feed, laid out as the service does.
    #[must_use]
    pub fn line(&self) -> Bytes {
        let mut text = format!("{{\"EventType\":\"{}\"", self.event_type());
        if let Some(AckedFragment { timecode_ms, number }) = self.fragment() {
            text.push_str(&format!(",\"FragmentTimecode\":{timecode_ms},\"FragmentNumber\":\"{number}\""));
        }
        if let Self::Error { id, .. } = self {
            if let Some(code) = id.code() {
                text.push_str(&format!(",\"ErrorCode\":\"{code}\""));
            }
            text.push_str(&format!(",\"ErrorId\":{}", id.0));
        }
        text.push_str("}\n");
        Bytes::from(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fragment() -> AckedFragment {
        let number = "91343852333181432392682062607743920146159169392".parse().unwrap();
        AckedFragment { timecode_ms: 1_612_524_911_136, number }
    }

    #[test]
    fn lines_are_laid_out_as_the_service_does() {
        let named = |event: &str| {
            format!(
                "{{\"EventType\":\"{event}\",\"FragmentTimecode\":1612524911136,\
                 \"FragmentNumber\":\"91343852333181432392682062607743920146159169392\"}}\n"
            )
        };
        assert_eq!(Ack::Buffering(fragment()).line(), named("BUFFERING"));
        assert_eq!(Ack::Received(fragment()).line(), named("RECEIVED"));
        assert_eq!(Ack::Persisted(fragment()).line(), named("PERSISTED"));
        let error = Ack::Error { fragment: Some(fragment()), id: ErrorId::KMS_KEY_ACCESS_DENIED };
        assert_eq!(
            error.line(),
            "{\"EventType\":\"ERROR\",\"FragmentTimecode\":1612524911136,\
             \"FragmentNumber\":\"91343852333181432392682062607743920146159169392\",\
             \"ErrorCode\":\"KMS_KEY_ACCESS_DENIED\",\"ErrorId\":4500}\n"
        );
        let bare = Ack::Error { fragment: None, id: ErrorId::INVALID_MKV_DATA };
        assert_eq!(bare.line(), "{\"EventType\":\"ERROR\",\"ErrorCode\":\"INVALID_MKV_DATA\",\"ErrorId\":4006}\n");
    }

    #[test]
    fn an_error_without_a_name_still_has_its_number() {
        let ack = Ack::Error { fragment: None, id: ErrorId(4999) };
        assert_eq!(ack.line(), "{\"EventType\":\"ERROR\",\"ErrorId\":4999}\n");
    }
}

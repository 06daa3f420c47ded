//! Reading an acknowledgement.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::ack::{Ack, AckError, AckEventType};
use crate::error_id::ErrorId;
use crate::fragment_number::FragmentNumber;
use crate::json_value::JsonValue;

/// Reads one JSON object. Numbers may be sent as text, unknown members are kept, malformed values count as absent;
/// only `EventType` is required.
impl<'de> Deserialize<'de> for Ack {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let members = deserializer.deserialize_map(Reader)?;
        // The API reference shows the object inside an "Acknowledgement"; the service sends it flat. Both are accepted.
        let members = members.inner.map_or(members.outer, |inner| *inner);
        members.into_ack().ok_or_else(|| Error::custom("missing EventType"))
    }
}

/// The members of an object before they are interpreted.
#[derive(Debug, Default)]
struct Members<'a> {
    outer: Known<'a>,
    inner: Option<Box<Known<'a>>>,
}

#[derive(Debug, Default)]
struct Known<'a> {
    event_type: Option<JsonValue<'a>>,
    timecode: Option<JsonValue<'a>>,
    number: Option<JsonValue<'a>>,
    error_id: Option<JsonValue<'a>>,
    error_code: Option<JsonValue<'a>>,
    other: Vec<(String, String)>,
}

/// Reads an object member by member, without a map of them. If a member is repeated, the last one counts.
struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
        let mut members = Members::default();
        while let Some(Key(key)) = map.next_key()? {
            let known = match &*key {
                "EventType" | "AckEventType" => &mut members.outer.event_type,
                "FragmentTimecode" => &mut members.outer.timecode,
                "FragmentNumber" => &mut members.outer.number,
                "ErrorId" => &mut members.outer.error_id,
                "ErrorCode" => &mut members.outer.error_code,
                "Acknowledgement" => {
                    let Nested(inner) = map.next_value()?;
                    members.inner = Some(Box::new(inner.outer));
                    continue;
                }
                _ => {
                    let value: JsonValue<'de> = map.next_value()?;
                    members.outer.other.push((key.into_owned(), value.into_json()));
                    continue;
                }
            };
            *known = Some(map.next_value()?);
        }
        Ok(members)
    }
}

struct Nested<'a>(Members<'a>);

impl<'de> Deserialize<'de> for Nested<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Reader).map(Self)
    }
}

#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

impl Known<'_> {
    fn into_ack(self) -> Option<Ack> {
        let JsonValue::Text(event_type) = self.event_type? else { return None };
        let event_type = AckEventType::from(event_type.as_ref());
        let fragment_number = self.number.and_then(|value| match value {
            JsonValue::Text(digits) => FragmentNumber::new(digits).ok(),
            JsonValue::Unsigned(number) => FragmentNumber::new(number.to_string()).ok(),
            JsonValue::Other(_) => None,
        });
        let code = match self.error_code {
            Some(JsonValue::Text(code)) => code.into_owned(),
            _ => String::new(),
        };
        let id = self.error_id.as_ref().and_then(JsonValue::as_count);
        let error = (event_type == AckEventType::Error).then(|| AckError::new(error_id(id, &code), code));
        let fragment_timecode = self.timecode.as_ref().and_then(JsonValue::as_count);
        Some(Ack { event_type, fragment_timecode, fragment_number, error, other: self.other })
    }
}

/// Returns the id that was sent, or the id of the code if only a code was sent; 0 if neither is known.
fn error_id(id: Option<u64>, code: &str) -> ErrorId {
    match id.and_then(|id| u16::try_from(id).ok()) {
        Some(id) => ErrorId(id),
        None => ErrorId::ALL.iter().copied().find(|known| known.code() == Some(code)).unwrap_or(ErrorId(0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Ack {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn reads_what_it_wrote() {
        let number: FragmentNumber = "91343852333181432392682062607743920146159169392".parse().unwrap();
        for ack in [
            Ack::new(AckEventType::Buffering).with_fragment(7, number.clone()),
            Ack::error(ErrorId::ARCHIVAL_ERROR).with_fragment(0, number),
            Ack::new(AckEventType::Idle),
            Ack {
                other: vec![("Extra".to_owned(), r#"{"a":[1]}"#.to_owned())],
                ..Ack::new(AckEventType::from("NEWS"))
            },
        ] {
            assert_eq!(read(&ack.to_line()), ack);
        }
    }

    #[test]
    fn absent_and_negative_values_are_none() {
        let ack = read(
            r#"{"EventType" : "ERROR", "FragmentTimecode":-1,"FragmentNumber":"","ErrorCode":"KMS_KEY_ACCESS_DENIED","ErrorId":4500}"#,
        );
        assert_eq!((ack.fragment_timecode, ack.fragment_number), (None, None));
        assert_eq!(ack.error, Some(AckError::new(ErrorId(4500), "KMS_KEY_ACCESS_DENIED")));
    }

    #[test]
    fn reads_numbers_as_text_nested_objects_and_ids_by_code() {
        assert_eq!(read(r#"{"EventType":"IDLE","FragmentTimecode":"7"}"#).fragment_timecode, Some(7));
        let nested = read(r#"{"Acknowledgement":{"EventType":"ERROR","ErrorCode":"ARCHIVAL_ERROR"}}"#);
        assert_eq!(nested.error.unwrap().id, ErrorId::ARCHIVAL_ERROR);
    }

    #[test]
    fn requires_an_event_type() {
        for json in ["{}", r#"{"EventType":7}"#, "[]"] {
            assert!(serde_json::from_str::<Ack>(json).is_err(), "{json}");
        }
    }
}

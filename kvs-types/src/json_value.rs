//! Any JSON value: texts and counts as they are, everything else as JSON text.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::json_text::write_json_text;

/// A value of a member that services and mocks send in several types. Most texts are slices of the input.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum JsonValue<'a> {
    Text(Cow<'a, str>),
    Unsigned(u64),
    /// Anything else, as JSON text.
    Other(String),
}

impl JsonValue<'_> {
    /// Returns the value as JSON text.
    pub(crate) fn into_json(self) -> String {
        match self {
            Self::Text(text) => {
                let mut json = String::new();
                write_json_text(&mut json, &text);
                json
            }
            Self::Unsigned(number) => number.to_string(),
            Self::Other(json) => json,
        }
    }

    /// Returns a count that was sent as a number or as text. Negative numbers mean "none".
    pub(crate) fn as_count(&self) -> Option<u64> {
        match self {
            Self::Unsigned(number) => Some(*number),
            Self::Text(text) => text.parse().ok(),
            Self::Other(_) => None,
        }
    }
}

impl<'de> Deserialize<'de> for JsonValue<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = JsonValue<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<JsonValue<'de>, E> {
        Ok(JsonValue::Other(value.to_string()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<JsonValue<'de>, E> {
        Ok(u64::try_from(value).map_or_else(|_| JsonValue::Other(value.to_string()), JsonValue::Unsigned))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<JsonValue<'de>, E> {
        Ok(JsonValue::Unsigned(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<JsonValue<'de>, E> {
        Ok(JsonValue::Other(format!("{value:?}")))
    }

    fn visit_borrowed_str<E: Error>(self, value: &'de str) -> Result<JsonValue<'de>, E> {
        Ok(JsonValue::Text(Cow::Borrowed(value)))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<JsonValue<'de>, E> {
        Ok(JsonValue::Text(Cow::Owned(value.to_owned())))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<JsonValue<'de>, E> {
        Ok(JsonValue::Text(Cow::Owned(value)))
    }

    fn visit_unit<E: Error>(self) -> Result<JsonValue<'de>, E> {
        Ok(JsonValue::Other("null".to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<JsonValue<'de>, A::Error> {
        let mut json = String::from("[");
        while let Some(value) = sequence.next_element::<JsonValue<'de>>()? {
            if json.len() > 1 {
                json.push(',');
            }
            json.push_str(&value.into_json());
        }
        json.push(']');
        Ok(JsonValue::Other(json))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<JsonValue<'de>, A::Error> {
        let mut json = String::from("{");
        while let Some((key, value)) = map.next_entry::<String, JsonValue<'de>>()? {
            if json.len() > 1 {
                json.push(',');
            }
            write_json_text(&mut json, &key);
            json.push(':');
            json.push_str(&value.into_json());
        }
        json.push('}');
        Ok(JsonValue::Other(json))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_nested_values_as_json() {
        for json in [r#"{"a":["}",1,-2,null,true],"b":{"c":1.5}}"#, "[]", "{}", "1e300", "\"\\u0001\""] {
            let value: JsonValue<'_> = serde_json::from_str(json).unwrap();
            assert_eq!(value.into_json(), json);
        }
    }

    #[test]
    fn reads_counts_from_numbers_and_text() {
        let count = |json: &str| serde_json::from_str::<JsonValue<'_>>(json).unwrap().as_count();
        assert_eq!((count("7"), count("\"7\""), count("-1"), count("null")), (Some(7), Some(7), None, None));
    }
}

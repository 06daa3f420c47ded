//! JSON strings that are borrowed where possible.

#[cfg(any(feature = "s3", feature = "lambda"))]
use std::borrow::Cow;
#[cfg(any(feature = "s3", feature = "lambda"))]
use std::fmt;

#[cfg(any(feature = "s3", feature = "sns", feature = "sqs"))]
use serde::de;
use serde::{Deserialize, Deserializer};

/// A string of a document, borrowed unless it contains escapes. Serde does not borrow into a plain `Cow` inside an `Option`.
#[cfg(any(feature = "s3", feature = "lambda"))]
#[derive(Debug)]
pub(crate) struct Text<'a>(pub(crate) Cow<'a, str>);

#[cfg(any(feature = "s3", feature = "lambda"))]
impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TextVisitor)
    }
}

#[cfg(any(feature = "s3", feature = "lambda"))]
struct TextVisitor;

#[cfg(any(feature = "s3", feature = "lambda"))]
impl<'de> de::Visitor<'de> for TextVisitor {
    type Value = Text<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Text(Cow::Owned(text.to_owned())))
    }
}

/// Reads and parses a string. An error belongs to this field, so that it carries the path of the field.
#[cfg(feature = "s3")]
pub(crate) fn parsed<'de, D, T, E>(deserializer: D, parse: impl FnOnce(&str) -> Result<T, E>) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    E: fmt::Display,
{
    parse(Text::deserialize(deserializer)?.as_ref()).map_err(de::Error::custom)
}

/// Reads an optional member that is written as a string; an empty one counts as absent.
#[cfg(any(feature = "s3", feature = "sns", feature = "sqs"))]
pub(crate) fn non_empty<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: de::DeserializeOwned,
{
    match Option::<String>::deserialize(deserializer)? {
        Some(text) if !text.is_empty() => T::deserialize(de::value::StringDeserializer::new(text)).map(Some),
        Some(_) | None => Ok(None),
    }
}

/// Reads a list or map; `null` counts as an empty one.
pub(crate) fn null_is_empty<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// Reads and parses an optional string; an empty one counts as absent.
#[cfg(feature = "s3")]
pub(crate) fn parsed_non_empty<'de, D, T, E>(
    deserializer: D,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    E: fmt::Display,
{
    let text = Option::<Text<'de>>::deserialize(deserializer)?.filter(|text| !text.as_ref().is_empty());
    text.map(|text| parse(text.as_ref())).transpose().map_err(de::Error::custom)
}

#[cfg(any(feature = "s3", feature = "lambda"))]
impl From<Text<'_>> for String {
    fn from(text: Text<'_>) -> Self {
        text.0.into_owned()
    }
}

#[cfg(feature = "s3")]
impl AsRef<str> for Text<'_> {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

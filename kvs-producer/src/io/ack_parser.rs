//! Parses acknowledgements from the bytes of a response, in bounded memory.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fmt;

use kvs_types::{ErrorId, FragmentNumber, limits};
use memchr::memchr2;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::ack::{Ack, AckError, AckKind};

/// Parses the response of PutMedia into acknowledgements, for programs that send media with their own client.
///
/// The service sends one JSON object per line; mocks and older parsers use plain concatenation. Both are accepted, with white
/// space, unknown members, nesting and escapes. An invalid object does not affect the ones around it.
///
/// Memory: at most 4 KiB of an unfinished object, and the parsed acknowledgements until [`poll`](Self::poll).
#[derive(Debug, Default)]
pub struct AckParser {
    scan: Scan,
    object: Vec<u8>,
    parsed: VecDeque<Result<Ack, AckParseError>>,
}

/// The state of the scanner.
///
/// ```text
/// Outside --'{'--> Inside --matching '}'--> Outside
///                    | more than ACK_BYTES
///                    v
///                 Oversized --matching '}'--> Outside
/// ```
#[derive(Debug, Default)]
enum Scan {
    #[default]
    Outside,
    Inside(Nesting),
    Oversized(Nesting),
}

#[derive(Clone, Copy, Debug, Default)]
struct Nesting {
    depth: u32,
    text: Text,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Text {
    #[default]
    Outside,
    Inside,
    Escaped,
}

/// Why a part of the response is not an acknowledgement. The acknowledgements after it are not affected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AckParseError {
    /// Invalid JSON, or an object without `EventType`.
    #[error("invalid acknowledgement {text:?}: {reason}")]
    Malformed {
        /// What is wrong.
        reason: String,
        /// The first 120 characters of the object.
        text: String,
    },
    /// The object is larger than the limit.
    #[error("acknowledgement exceeds {limit} bytes")]
    TooLong {
        /// The limit: 4,096 bytes.
        limit: usize,
    },
}

impl AckParser {
    /// Creates a parser at the start of a response.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes of the response, split at any position.
    pub fn push(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            bytes = self.step(bytes);
        }
    }

    /// Returns the next acknowledgement, or why a part of the response is not one.
    pub fn poll(&mut self) -> Option<Result<Ack, AckParseError>> {
        self.parsed.pop_front()
    }

    /// Returns the number of held bytes of an unfinished object, at most 4,096.
    #[must_use]
    pub fn held(&self) -> usize {
        self.object.len()
    }

    /// Takes the bytes up to the next change of state and returns the rest.
    fn step<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        match &mut self.scan {
            Scan::Outside => {
                let Some(begin) = bytes.iter().position(|&byte| byte == b'{') else { return &[] };
                self.scan = Scan::Inside(Nesting::default());
                bytes.get(begin..).unwrap_or_default()
            }
            Scan::Inside(nesting) => {
                let room = limits::ACK_BYTES.saturating_sub(self.object.len());
                let (within, beyond) = bytes.split_at_checked(room).unwrap_or((bytes, &[]));
                if let Some((object, rest)) = nesting.find_end(within).and_then(|end| bytes.split_at_checked(end)) {
                    self.finish(object);
                    return rest;
                }
                if within.len() == room {
                    self.scan = Scan::Oversized(*nesting);
                    self.object.clear();
                } else {
                    self.object.extend_from_slice(within);
                }
                beyond
            }
            Scan::Oversized(nesting) => {
                let Some(end) = nesting.find_end(bytes) else { return &[] };
                self.scan = Scan::Outside;
                self.parsed.push_back(Err(AckParseError::TooLong { limit: limits::ACK_BYTES }));
                bytes.get(end..).unwrap_or_default()
            }
        }
    }

    /// Completes an object. Most arrive in one piece and are parsed without a copy.
    fn finish(&mut self, last: &[u8]) {
        let parsed = if self.object.is_empty() {
            read(last)
        } else {
            self.object.extend_from_slice(last);
            read(&self.object)
        };
        self.parsed.push_back(parsed);
        self.object.clear();
        self.scan = Scan::Outside;
    }
}

impl Nesting {
    /// Takes bytes of the object and returns where it ends, if it does.
    fn find_end(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut rest = bytes;
        loop {
            if self.text == Text::Inside {
                // Most of an acknowledgement is inside strings.
                let skipped = memchr2(b'"', b'\\', rest)?;
                rest = rest.get(skipped..)?;
            }
            let (&byte, behind) = rest.split_first()?;
            rest = behind;
            if self.step(byte) {
                return Some(bytes.len().saturating_sub(rest.len()));
            }
        }
    }

    /// Takes one byte and returns whether it ends the outermost object.
    fn step(&mut self, byte: u8) -> bool {
        match (self.text, byte) {
            (Text::Escaped, _) => self.text = Text::Inside,
            (Text::Inside, b'\\') => self.text = Text::Escaped,
            (Text::Inside, b'"') => self.text = Text::Outside,
            (Text::Inside, _) => {}
            (Text::Outside, b'"') => self.text = Text::Inside,
            (Text::Outside, b'{' | b'[') => self.depth = self.depth.saturating_add(1),
            (Text::Outside, b'}' | b']') => {
                self.depth = self.depth.saturating_sub(1);
                return self.depth == 0;
            }
            (Text::Outside, _) => {}
        }
        false
    }
}

fn read(object: &[u8]) -> Result<Ack, AckParseError> {
    let malformed = |reason: String| AckParseError::Malformed {
        reason,
        text: String::from_utf8_lossy(object).chars().take(SHOWN).collect(),
    };
    let fields: Fields = serde_json::from_slice(object).map_err(|error| malformed(error.to_string()))?;
    // The API reference draws the object inside an "Acknowledgement"; the wire has it flat. Take both.
    let fields = fields.inner.map_or(fields.outer, |inner| *inner);
    ack(fields).ok_or_else(|| malformed("no EventType".to_owned()))
}

/// What stands in an object, not yet looked at.
#[derive(Debug, Default)]
struct Fields {
    outer: Known,
    inner: Option<Box<Known>>,
}

#[derive(Debug, Default)]
struct Known {
    kind: Option<Value>,
    timecode: Option<Value>,
    number: Option<Value>,
    id: Option<Value>,
    code: Option<Value>,
    other: Vec<(String, String)>,
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Reader)
    }
}

/// Reads an object by its keys as they come, without a table of them; the last of several wins.
struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Fields;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
        let mut fields = Fields::default();
        while let Some(Key(key)) = map.next_key()? {
            let known = match &*key {
                "EventType" | "AckEventType" => &mut fields.outer.kind,
                "FragmentTimecode" => &mut fields.outer.timecode,
                "FragmentNumber" => &mut fields.outer.number,
                "ErrorId" => &mut fields.outer.id,
                "ErrorCode" => &mut fields.outer.code,
                "Acknowledgement" => {
                    let inner: Self::Value = map.next_value()?;
                    fields.inner = Some(Box::new(inner.outer));
                    continue;
                }
                _ => {
                    let value: Value = map.next_value()?;
                    fields.outer.other.push((key.into_owned(), value.to_string()));
                    continue;
                }
            };
            *known = Some(map.next_value()?);
        }
        Ok(fields)
    }
}

#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

fn ack(fields: Known) -> Option<Ack> {
    let kind = match fields.kind? {
        Value::String(name) => kind(name),
        _ => return None,
    };
    let timecode = fields.timecode.as_ref().and_then(number);
    let fragment = fields.number.and_then(|value| match value {
        Value::String(digits) => digits.parse::<FragmentNumber>().ok(),
        Value::Number(digits) => digits.to_string().parse().ok(),
        _ => None,
    });
    let id = fields.id.as_ref().and_then(number);
    let code = fields.code.as_ref().and_then(Value::as_str).unwrap_or_default();
    let error = (kind == AckKind::Error).then(|| AckError::new(error_id(id, code), code));
    Some(Ack { kind, timecode, number: fragment, error, other: fields.other })
}

fn kind(name: String) -> AckKind {
    match name.as_str() {
        "BUFFERING" => AckKind::Buffering,
        "RECEIVED" => AckKind::Received,
        "PERSISTED" => AckKind::Persisted,
        "ERROR" => AckKind::Error,
        "IDLE" => AckKind::Idle,
        _ => AckKind::Other(name),
    }
}

/// A count that may stand as a number or as text; negative ones mean "none".
fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

/// The id as given, or by the name where the service sends only that.
fn error_id(id: Option<u64>, code: &str) -> ErrorId {
    match id.and_then(|id| u16::try_from(id).ok()) {
        Some(id) => ErrorId(id),
        None => ErrorId::ALL.iter().copied().find(|known| known.code() == Some(code)).unwrap_or(ErrorId(0)),
    }
}

/// Characters of a malformed object that go into the error.
const SHOWN: usize = 120;

#[cfg(test)]
mod tests {
    use super::*;

    const THREE: &str = concat!(
        r#"{"EventType":"BUFFERING","FragmentTimecode":1612524911136,"FragmentNumber":"91343852333181432392682062607743920146159169392"}"#,
        "\r\n",
        r#"{"EventType" : "ERROR", "FragmentTimecode":-1,"FragmentNumber":"","ErrorCode":"KMS_KEY_ACCESS_DENIED","ErrorId":4500}"#,
        r#"{"EventType":"IDLE"}"#
    );

    fn all(parser: &mut AckParser) -> Vec<Result<Ack, AckParseError>> {
        std::iter::from_fn(|| parser.poll()).collect()
    }

    #[test]
    fn acks_are_parsed_at_any_split() {
        let mut whole = AckParser::new();
        whole.push(THREE.as_bytes());
        let expected = all(&mut whole);
        assert_eq!(expected.len(), 3);
        for cut in 0..THREE.len() {
            let mut parser = AckParser::new();
            let (head, tail) = THREE.split_at(cut);
            parser.push(head.as_bytes());
            parser.push(tail.as_bytes());
            assert_eq!(all(&mut parser), expected, "cut at {cut}");
        }
    }

    #[test]
    fn members_are_read_and_may_be_absent() {
        let mut parser = AckParser::new();
        parser.push(THREE.as_bytes());
        let acks: Vec<_> = all(&mut parser).into_iter().map(Result::unwrap).collect();
        assert_eq!((acks[0].kind.clone(), acks[0].timecode), (AckKind::Buffering, Some(1_612_524_911_136)));
        assert!(acks[0].number.is_some());
        assert_eq!((acks[1].timecode, &acks[1].number), (None, &None));
        assert_eq!(acks[1].error, Some(AckError::new(ErrorId(4500), "KMS_KEY_ACCESS_DENIED")));
        assert_eq!(acks[2].kind, AckKind::Idle);
    }

    #[test]
    fn an_invalid_object_does_not_affect_others() {
        let mut parser = AckParser::new();
        parser.push(br#"{"EventType":"IDLE"}{"a":tru}{"b":{}}x]{"EventType":"IDLE"}"#);
        let acks = all(&mut parser);
        assert_eq!(acks.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, false, true]);
    }

    #[test]
    fn an_endless_object_is_bounded() {
        let mut parser = AckParser::new();
        parser.push(br#"{"EventType":""#);
        for _ in 0..100_000 {
            parser.push(b"x{");
            assert!(parser.held() <= limits::ACK_BYTES);
        }
        parser.push(br#""}{"EventType":"IDLE"}"#);
        let acks = all(&mut parser);
        assert_eq!(acks[0], Err(AckParseError::TooLong { limit: limits::ACK_BYTES }));
        assert!(acks[1].is_ok());
    }

    #[test]
    fn unknown_types_members_and_ids_are_kept() {
        let mut parser = AckParser::new();
        parser.push(br#"{"EventType":"NEWS","Extra":{"a":["}"]},"FragmentTimecode":"7"}"#);
        parser.push(br#"{"EventType":"ERROR","ErrorId":4999,"ErrorCode":"NEW"}"#);
        parser.push(br#"{"Acknowledgement":{"EventType":"ERROR","ErrorCode":"ARCHIVAL_ERROR"}}"#);
        let acks: Vec<_> = all(&mut parser).into_iter().map(Result::unwrap).collect();
        assert_eq!(acks[0].kind, AckKind::Other("NEWS".to_owned()));
        assert_eq!(acks[0].other, [("Extra".to_owned(), r#"{"a":["}"]}"#.to_owned())]);
        assert_eq!(acks[0].timecode, Some(7));
        assert_eq!(acks[1].error, Some(AckError::new(ErrorId(4999), "NEW")));
        assert_eq!(acks[2].error.as_ref().unwrap().id, ErrorId::ARCHIVAL_ERROR);
    }
}

//! Parses acknowledgements from the bytes of a response, in bounded memory.

use std::collections::VecDeque;

use kvs_types::{Ack, limits};
use memchr::memchr2;

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
    // Checked as a whole: checking text by text costs more.
    let parsed = match std::str::from_utf8(object) {
        Ok(text) => serde_json::from_str(text),
        Err(_) => serde_json::from_slice(object),
    };
    parsed.map_err(|error| AckParseError::Malformed {
        reason: error.to_string(),
        text: String::from_utf8_lossy(object).chars().take(SHOWN).collect(),
    })
}

/// Characters of a malformed object that go into the error.
const SHOWN: usize = 120;

#[cfg(test)]
mod tests {
    use kvs_types::{AckError, AckEventType, ErrorId};

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
        assert_eq!(
            (acks[0].event_type.clone(), acks[0].fragment_timecode),
            (AckEventType::Buffering, Some(1_612_524_911_136))
        );
        assert!(acks[0].fragment_number.is_some());
        assert_eq!((acks[1].fragment_timecode, &acks[1].fragment_number), (None, &None));
        assert_eq!(acks[1].error, Some(AckError::new(ErrorId(4500), "KMS_KEY_ACCESS_DENIED")));
        assert_eq!(acks[2].event_type, AckEventType::Idle);
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
        assert_eq!(acks[0].event_type, AckEventType::Other("NEWS".to_owned()));
        assert_eq!(acks[0].other, [("Extra".to_owned(), r#"{"a":["}"]}"#.to_owned())]);
        assert_eq!(acks[0].fragment_timecode, Some(7));
        assert_eq!(acks[1].error, Some(AckError::new(ErrorId(4999), "NEW")));
        assert_eq!(acks[2].error.as_ref().unwrap().id, ErrorId::ARCHIVAL_ERROR);
    }
}

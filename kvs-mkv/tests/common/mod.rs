//! Shared by the tests: streams to parse, and ways to run a parser over them.
#![allow(dead_code, reason = "each test program uses a part of it")]

use bytes::Bytes;
use kvs_mkv::{Event, Limits, ParseError, Parser, Position};

/// An event with its position.
pub(crate) type Placed = (Event, Position);

/// Takes all available events.
pub(crate) fn drain(parser: &mut Parser, events: &mut Vec<Placed>) -> Result<(), ParseError> {
    while let Some(placed) = parser.next_event_with_position()? {
        events.push(placed);
    }
    Ok(())
}

/// Pushes the stream in pieces that end at the given offsets and returns all events and the result.
pub(crate) fn parse_cut(stream: &Bytes, cuts: &[usize], limits: Limits) -> (Vec<Placed>, Result<(), ParseError>) {
    let mut parser = Parser::new(limits);
    let mut events = Vec::new();
    let mut from = 0;
    for &to in cuts.iter().chain([&stream.len()]) {
        let to = to.clamp(from, stream.len());
        parser.push(stream.slice(from..to));
        from = to;
        if let Err(error) = drain(&mut parser, &mut events) {
            assert_eq!(parser.next_event(), Err(error), "every later call returns the same error");
            return (events, Err(error));
        }
        assert!(parser.held() <= limits.worst_case(), "{} of {}", parser.held(), limits.worst_case());
    }
    (events, parser.finish())
}

/// Pushes the stream as one piece.
pub(crate) fn parse_whole(stream: &Bytes) -> (Vec<Placed>, Result<(), ParseError>) {
    parse_cut(stream, &[], Limits::default())
}

/// Writes an element: id, size in as few bytes as possible, body.
pub(crate) fn element(id: &[u8], body: &[u8]) -> Vec<u8> {
    let size = match body.len() {
        0..127 => vec![0x80 | u8::try_from(body.len()).unwrap()],
        len => (1u64 << 56 | len as u64).to_be_bytes().to_vec(),
    };
    [id, &size, body].concat()
}

/// EBML head, Segment of unknown size, Info and one video track.
pub(crate) fn head() -> Vec<u8> {
    let mut head = element(&[0x1A, 0x45, 0xDF, 0xA3], &element(&[0x42, 0x82], b"matroska"));
    head.extend_from_slice(&[0x18, 0x53, 0x80, 0x67, 0xFF]);
    head.extend(element(&[0x15, 0x49, 0xA9, 0x66], &element(&[0x7B, 0xA9], b"t")));
    let entry = [element(&[0xD7], &[1]), element(&[0x83], &[1]), element(&[0x86], b"V_TEST")].concat();
    head.extend(element(&[0x16, 0x54, 0xAE, 0x6B], &element(&[0xAE], &entry)));
    head
}

/// The head of a cluster of unknown size with this timecode.
pub(crate) fn cluster(timecode: u8) -> Vec<u8> {
    [&[0x1F, 0x43, 0xB6, 0x75, 0xFF][..], &element(&[0xE7], &[timecode])].concat()
}

/// A SimpleBlock of track 1.
pub(crate) fn simple_block(relative: u8, payload: &[u8]) -> Vec<u8> {
    element(&[0xA3], &[&[0x81, 0, relative, 0x80], payload].concat())
}

/// A Tags element with one name and value.
pub(crate) fn tags(name: &str, value: &str) -> Vec<u8> {
    let simple = [element(&[0x45, 0xA3], name.as_bytes()), element(&[0x44, 0x87], value.as_bytes())].concat();
    element(&[0x12, 0x54, 0xC3, 0x67], &element(&[0x73, 0x73], &element(&[0x67, 0xC8], &simple)))
}

//! Checks of the splitters for live byte streams, shared by the fuzz targets and the tests of `kvs-mkv`.

#![allow(dead_code, reason = "each target uses one of them")]

use bytes::Bytes;
use kvs_mkv::TrackNumber;
use kvs_mkv::codec::aac::{AdtsEvent, AdtsSplitter};
use kvs_mkv::codec::{AccessUnitSplitter, SplitEvent};

/// Splits an Annex B stream whole and in pieces. The first byte chooses the codec, the second the pieces.
pub fn access_units(input: &[u8]) {
    let [codec, pieces, stream @ ..] = input else { return };
    let whole = units(*codec, stream, stream.len().max(1));
    let divided = units(*codec, stream, usize::from(*pieces) + 1);
    assert_eq!(whole, divided, "the division into pieces does not change the result");
}

/// The largest access unit in these checks.
const LIMIT: usize = 4096;

fn units(codec: u8, stream: &[u8], step: usize) -> (Vec<SplitEvent>, Option<String>) {
    let splitter = match codec % 2 {
        0 => AccessUnitSplitter::h264(TrackNumber::ONE),
        _ => AccessUnitSplitter::h265(TrackNumber::ONE),
    };
    let mut splitter = splitter.with_limit(LIMIT);
    let mut events = Vec::new();
    for piece in stream.chunks(step) {
        splitter.push(Bytes::copy_from_slice(piece));
        loop {
            match splitter.next_event() {
                Ok(Some(event)) => events.push(event),
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(splitter.next_event(), Err(error.clone()), "later calls return the same error");
                    return (checked(events, stream), Some(error.to_string()));
                }
            }
        }
        // An open unit, an open access unit, the pending units, and a length for each of their units.
        assert!(splitter.held() <= 12 * LIMIT, "{} bytes are kept", splitter.held());
    }
    let error = loop {
        match splitter.finish() {
            Ok(Some(event)) => events.push(event),
            Ok(None) => break None,
            Err(error) => break Some(error.to_string()),
        }
    };
    (checked(events, stream), error)
}

/// Checks that a track comes before the access units, that these are in order and have the bytes of their range.
fn checked(events: Vec<SplitEvent>, stream: &[u8]) -> Vec<SplitEvent> {
    let (mut has_track, mut end) = (false, 0);
    for event in &events {
        match event {
            SplitEvent::Track { track, .. } => {
                has_track = true;
                assert!(!track.codec_private.is_empty());
            }
            SplitEvent::AccessUnit(unit) => {
                assert!(has_track && unit.range.start >= end && unit.range.start < unit.range.end);
                end = unit.range.end;
                let range = usize::try_from(unit.range.start).unwrap()..usize::try_from(end).unwrap();
                assert!(stream[range.clone()].starts_with(&[0, 0, 1]));
                assert!(!unit.data.is_empty());
            }
            _ => {}
        }
    }
    events
}

/// Splits an ADTS stream whole and in pieces, whose size the first byte states.
pub fn adts_stream(input: &[u8]) {
    let [pieces, stream @ ..] = input else { return };
    let whole = frames(stream, stream.len().max(1));
    let divided = frames(stream, usize::from(*pieces) + 1);
    assert_eq!(whole, divided, "the division into pieces does not change the result");
}

fn frames(stream: &[u8], step: usize) -> (Vec<AdtsEvent>, Option<String>) {
    let mut splitter = AdtsSplitter::new(TrackNumber::TWO);
    let mut events = Vec::new();
    for piece in stream.chunks(step) {
        splitter.push(Bytes::copy_from_slice(piece));
        loop {
            match splitter.next_event() {
                Ok(Some(event)) => events.push(event),
                Ok(None) => break,
                Err(error) => return (events, Some(error.to_string())),
            }
        }
        assert!(splitter.held() <= (1 << 13) + 16, "{} bytes are kept", splitter.held());
    }
    loop {
        match splitter.finish() {
            Ok(Some(event)) => events.push(event),
            Ok(None) => break,
            Err(error) => return (events, Some(error.to_string())),
        }
    }
    let mut at = 0;
    for event in &events {
        if let AdtsEvent::Frame(frame) = event {
            // Several blocks of one frame have one header.
            assert!(frame.at >= at);
            at = frame.at;
            assert!(at + frame.data.len() as u64 <= stream.len() as u64);
        }
    }
    (events, None)
}

//! Checks of the splitters for live byte streams, shared by the fuzz targets and the tests of `kvs-mkv`.

#![allow(dead_code, reason = "each target uses one of them")]

use bytes::Bytes;
use kvs_mkv::TrackNumber;
use kvs_mkv::codec::aac::{AdtsError, AdtsEvent, AdtsSplitter};
use kvs_mkv::codec::{AccessUnitSplitter, SplitError, SplitEvent};

/// A splitter: bytes in any pieces, then events.
trait Splitter {
    type Event: std::fmt::Debug + PartialEq;
    type Error: std::fmt::Debug + Clone + PartialEq;

    fn push(&mut self, bytes: Bytes);
    fn next_event(&mut self) -> Result<Option<Self::Event>, Self::Error>;
    fn finish(&mut self) -> Result<Option<Self::Event>, Self::Error>;
    fn held(&self) -> usize;
    /// Most bytes that it may keep.
    fn most(&self) -> usize;
}

macro_rules! splitter {
    ($name:ty, $event:ty, $error:ty, $most:expr) => {
        impl Splitter for $name {
            type Event = $event;
            type Error = $error;

            fn push(&mut self, bytes: Bytes) {
                <$name>::push(self, bytes);
            }

            fn next_event(&mut self) -> Result<Option<$event>, $error> {
                <$name>::next_event(self)
            }

            fn finish(&mut self) -> Result<Option<$event>, $error> {
                <$name>::finish(self)
            }

            fn held(&self) -> usize {
                <$name>::held(self)
            }

            fn most(&self) -> usize {
                $most
            }
        }
    };
}

// An open unit, an open access unit, the pending units, and a length for each of their units.
splitter!(AccessUnitSplitter, SplitEvent, SplitError, 12 * LIMIT);
// A frame, and two more behind it that show whether it is the last one.
splitter!(AdtsSplitter, AdtsEvent, AdtsError, 3 * (1 << 13) + 16);

/// The largest access unit in these checks.
const LIMIT: usize = 4096;

type Split<S> = (Vec<<S as Splitter>::Event>, Result<(), <S as Splitter>::Error>);

/// Splits a stream whole and in pieces of this size, and returns the events.
fn split<S: Splitter>(new: impl Fn() -> S, stream: &[u8], piece: usize) -> Split<S> {
    let whole = events(new(), stream, stream.len().max(1));
    let divided = events(new(), stream, piece);
    assert_eq!(whole, divided, "the division into pieces does not change the result");
    whole
}

fn events<S: Splitter>(mut splitter: S, stream: &[u8], step: usize) -> Split<S> {
    let mut events = Vec::new();
    for piece in stream.chunks(step) {
        splitter.push(Bytes::copy_from_slice(piece));
        loop {
            match splitter.next_event() {
                Ok(Some(event)) => events.push(event),
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(splitter.next_event(), Err(error.clone()), "later calls return the same error");
                    return (events, Err(error));
                }
            }
        }
        assert!(splitter.held() <= splitter.most(), "{} bytes are kept", splitter.held());
    }
    loop {
        match splitter.finish() {
            Ok(Some(event)) => events.push(event),
            Ok(None) => return (events, Ok(())),
            Err(error) => return (events, Err(error)),
        }
    }
}

/// Splits an Annex B stream, whose codec the first byte chooses, and whose pieces the second. A track comes before the access
/// units; these are in order and have the bytes of their range.
pub fn access_units(input: &[u8]) {
    let [codec, pieces, stream @ ..] = input else { return };
    let new = || match codec % 2 {
        0 => AccessUnitSplitter::h264(TrackNumber::ONE).with_limit(LIMIT),
        _ => AccessUnitSplitter::h265(TrackNumber::ONE).with_limit(LIMIT),
    };
    let (mut has_track, mut end) = (false, 0);
    for event in split(new, stream, usize::from(*pieces) + 1).0 {
        match event {
            SplitEvent::Track { track, .. } => {
                has_track = true;
                assert!(!track.codec_private.is_empty());
            }
            SplitEvent::AccessUnit(unit) => {
                assert!(has_track && unit.range.start >= end && unit.range.start < unit.range.end);
                end = unit.range.end;
                let range = usize::try_from(unit.range.start).unwrap()..usize::try_from(end).unwrap();
                assert!(stream[range].starts_with(&[0, 0, 1]));
                assert!(!unit.data.is_empty());
            }
            _ => {}
        }
    }
}

/// Splits an ADTS stream in pieces, whose size the first byte states. Frames are in order and have bytes of the stream.
pub fn adts_stream(input: &[u8]) {
    let [pieces, stream @ ..] = input else { return };
    let (events, result) = split(|| AdtsSplitter::new(TrackNumber::TWO), stream, usize::from(*pieces) + 1);
    let mut at = 0;
    for event in events {
        if let (AdtsEvent::Frame(frame), true) = (event, result.is_ok()) {
            // Several blocks of one frame have one header.
            assert!(frame.at >= at);
            at = frame.at;
            assert!(at + frame.data.len() as u64 <= stream.len() as u64);
        }
    }
}

//! The checks of the container for any bytes. The fuzz targets call them, and so does a test of kvs-mkv with the committed
//! corpora.
#![allow(dead_code, reason = "each target uses one of them")]

use std::time::Duration;

use bytes::Bytes;
use kvs_mkv::fragment::{Fragment, FragmentError, FragmentReader, Merger, Times};
use kvs_mkv::{
    BlockBuffer, BlockPosition, Chunks, CodecId, Event, EventRef, Frame, Limits, ParseError, Parser, Position,
    SegmentInfo, Tag, Track, TrackKind, TrackNumber, Writer,
};

/// Small limits, so that a fuzzer reaches them.
fn limits() -> Limits {
    Limits::default()
        .with_block_bytes(2000)
        .with_header_bytes(500)
        .with_tracks_bytes(1000)
        .with_tags_bytes(1000)
        .with_tags(20)
        .with_tracks(4)
        .with_fragment_bytes(5000)
        .with_fragment_frames(50)
        .with_fragment_tags(10)
}

/// Reads a number of sizes, the sizes of the pieces, and the stream to divide.
fn cut(data: &[u8]) -> (Vec<usize>, Bytes) {
    let (&count, rest) = data.split_first().unwrap_or((&0, &[]));
    let (sizes, stream) = rest.split_at(rest.len().min(usize::from(count % 16)));
    (sizes.iter().map(|&size| usize::from(size) * 3 + 1).collect(), Bytes::copy_from_slice(stream))
}

/// Divides the stream into pieces of these sizes, repeated; one piece if there are none.
fn pieces(sizes: &[usize], stream: &Bytes) -> Vec<Bytes> {
    let mut rest = stream.clone();
    let mut pieces = Vec::new();
    for &size in sizes.iter().cycle() {
        pieces.push(rest.split_to(size.min(rest.len())));
        if rest.is_empty() {
            return pieces;
        }
    }
    vec![rest]
}

type Events = (Vec<(Event, Position)>, Result<(), ParseError>);

fn events(pieces: Vec<Bytes>) -> Events {
    let mut parser = Parser::new(limits());
    let mut events = Vec::new();
    for piece in pieces {
        parser.push(piece);
        loop {
            match parser.next_event_with_position() {
                Ok(Some(event)) => events.push(event),
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(parser.next_event(), Err(error), "an error repeats");
                    assert_eq!(parser.held(), 0, "nothing is held after an error");
                    return (events, Err(error));
                }
            }
        }
        assert!(parser.held() <= limits().worst_case(), "{} of {}", parser.held(), limits().worst_case());
    }
    (events, parser.finish())
}

/// The same with borrowed payloads: every other one is taken, the others are copied and left to the parser.
fn borrowed_events(pieces: Vec<Bytes>) -> Events {
    let mut parser = Parser::new(limits());
    let mut events = Vec::new();
    for piece in pieces {
        parser.push(piece);
        loop {
            let event = match parser.next_event_ref() {
                Ok(Some(EventRef::Frame(frame))) => {
                    let position = frame.position();
                    let len = frame.len();
                    let copy: Vec<u8> = frame.pieces().flatten().copied().collect();
                    assert_eq!(len, copy.len(), "the length is that of the pieces");
                    assert!(frame.pieces().all(|piece| !piece.is_empty()), "no piece is empty");
                    let copied = Frame::new(frame.track, frame.pts, copy)
                        .with_keyframe(frame.keyframe)
                        .with_duration(frame.duration);
                    let flags = (frame.invisible, frame.discardable);
                    let mut found = if events.len() % 2 == 0 { frame.into_frame() } else { copied.clone() };
                    assert_eq!(found.data, copied.data, "what is taken is what was shown");
                    (found.invisible, found.discardable) = flags;
                    (Event::Frame(found), position)
                }
                Ok(Some(EventRef::Other(event))) => {
                    assert!(!matches!(event, Event::Frame(_)), "frames are borrowed");
                    (event, parser.position())
                }
                Ok(Some(_)) => unreachable!("two kinds of events"),
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(parser.next_event(), Err(error), "an error repeats");
                    assert_eq!(parser.held(), 0, "nothing is held after an error");
                    return (events, Err(error));
                }
            };
            events.push(event);
        }
        assert!(parser.held() <= limits().worst_case(), "{} of {}", parser.held(), limits().worst_case());
    }
    (events, parser.finish())
}

/// Any bytes in any pieces: the same events and positions as in one piece, owned and borrowed, bounded memory, and errors that
/// repeat.
pub fn parse(data: &[u8]) {
    let (sizes, stream) = cut(data);
    let whole = events(vec![stream.clone()]);
    // A laced block has up to 256 frames in few bytes; no other element gives more events.
    assert!(whole.0.len() <= stream.len() * 300 + 1, "every event takes bytes");
    assert_eq!(events(pieces(&sizes, &stream)), whole);
    assert_eq!(borrowed_events(pieces(&sizes, &stream)), whole);
}

/// Any calls of a writer, three bytes each: a parser returns what the writer accepted.
pub fn round_trip(data: &[u8]) {
    let track = |number, kind| Track::new(number, kind, CodecId::H264);
    let tracks = vec![track(TrackNumber::ONE, TrackKind::Video), track(TrackNumber::TWO, TrackKind::Audio)];
    let info = SegmentInfo::new([9; 16]);
    let mut writer = Writer::new(info.clone(), tracks.clone()).expect("two plain tracks make a header");
    let (mut stream, mut expected) = (Chunks::new(), Vec::new());
    let (mut open, mut at) = (false, 0u64);
    for act in data.chunks_exact(3) {
        let &[act, one, two] = act else { continue };
        let number = u64::from(one) << 8 | u64::from(two);
        let mut ended = false;
        match act % 8 {
            0 => {
                ended = true;
                stream.push(writer.start_segment());
                expected.extend([Event::Segment(info.clone()), Event::Tracks(tracks.clone())]);
                at = 0;
            }
            1 | 2 => {
                let time = Duration::from_millis(at + number);
                if let Ok(cluster) = writer.start_cluster(time) {
                    at += number;
                    stream.push(cluster);
                    expected.extend([Event::ClusterEnd; 1].into_iter().filter(|_| open));
                    expected.push(Event::Cluster { at: time });
                    open = true;
                }
                continue;
            }
            3 => {
                let tags = vec![Tag::new(one.to_string(), two.to_string()); usize::from(act >> 5)];
                if let Ok(bytes) = writer.tags(&tags) {
                    ended = true;
                    stream.push(bytes);
                    expected.push(Event::Tags(tags));
                }
            }
            4 if !expected.is_empty() => {
                ended = true;
                stream.push(writer.end_of_fragment());
                expected.push(Event::Tags(vec![Tag::new("AWS_KINESISVIDEO_END_OF_FRAGMENT", "")]));
            }
            kind => {
                let track = if kind == 5 { TrackNumber::ONE } else { TrackNumber::TWO };
                let pts = Duration::from_millis((at + number).saturating_sub(0x8000));
                let data: Chunks =
                    [vec![one; usize::from(two)], vec![two; usize::from(act)]].map(Bytes::from).into_iter().collect();
                let frame = Frame::new(track, pts, data).with_keyframe(act & 0x80 != 0);
                let alone = act & 0x40 == 0;
                if let Ok(block) = if alone { writer.block(frame.clone()) } else { writer.blocks([&frame]) } {
                    assert!(open, "a block needs a cluster");
                    let mut kept = BlockBuffer::new(Duration::from_millis(at));
                    kept.push(&mut frame.clone()).expect("what one block can be, another can");
                    let mut again = Chunks::new();
                    writer
                        .buffered_blocks(&kept, &mut BlockPosition::default(), 0, &mut again)
                        .expect("a cluster is open");
                    assert_eq!(again, block, "kept blocks are the same");
                    stream.append(block);
                    expected.push(Event::Frame(frame));
                }
            }
        }
        if ended && std::mem::take(&mut open) {
            let behind = expected.iter().rposition(|event| matches!(event, Event::Segment(_) | Event::Tags(_)));
            expected.insert(behind.expect("what ended the cluster is there"), Event::ClusterEnd);
        }
    }
    if matches!(expected.last(), Some(Event::Cluster { .. })) {
        expected.pop();
    }
    let mut parser = Parser::new(Limits::default());
    stream.into_iter().for_each(|piece| parser.push(piece));
    let mut found = Vec::new();
    while let Some(event) = parser.next_event().expect("what a writer wrote") {
        found.push(event);
    }
    assert_eq!(found, expected);
    parser.finish().expect("what a writer wrote");
}

type Fragments = (Vec<Fragment>, Result<(), FragmentError>);

fn fragments(pieces: Vec<Bytes>) -> Fragments {
    let mut reader = FragmentReader::new(limits());
    let mut found = Vec::new();
    for piece in pieces {
        reader.push(piece);
        loop {
            match reader.next_fragment() {
                Ok(Some(fragment)) => found.push(fragment),
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(reader.next_fragment(), Err(error.clone()), "an error repeats");
                    return (found, Err(error));
                }
            }
        }
        assert!(reader.held() <= limits().fragment_worst_case(), "{}", reader.held());
    }
    loop {
        match reader.finish() {
            Ok(Some(fragment)) => found.push(fragment),
            Ok(None) => return (found, Ok(())),
            Err(error) => return (found, Err(error)),
        }
    }
}

/// Any bytes in any pieces: the same fragments as in one piece, bounded memory, and errors that repeat.
pub fn fragment_reader(data: &[u8]) {
    let (sizes, stream) = cut(data);
    let whole = fragments(vec![stream.clone()]);
    assert_eq!(fragments(pieces(&sizes, &stream)), whole);
}

/// Any fragments: the merged stream parses, with all frames in order and unchanged distances of their times.
pub fn merger(data: &[u8]) {
    let mut merger = Merger::new(Times::FromZero);
    for fragment in fragments(vec![Bytes::copy_from_slice(data)]).0 {
        let frames = fragment.frames.clone();
        let Ok(merged) = merger.fragment(fragment) else { continue };
        let mut parser = Parser::new(Limits::default());
        if !merged.bytes.iter().next().is_some_and(|head| head.starts_with(&[0x1A, 0x45, 0xDF, 0xA3])) {
            parser.push(header());
        }
        merged.bytes.into_iter().for_each(|piece| parser.push(piece));
        let mut found = Vec::new();
        while let Some(event) = parser.next_event().expect("what a merger wrote") {
            if let Event::Frame(frame) = event {
                found.push(frame);
            }
        }
        let data = |frames: &[Frame]| frames.iter().map(|frame| (frame.track, frame.data.clone())).collect::<Vec<_>>();
        assert_eq!(data(&found), data(&frames));
    }
}

/// A header, to parse the rest of a continued segment.
fn header() -> Bytes {
    let track = Track::new(TrackNumber::ONE, TrackKind::Video, CodecId::H264);
    Writer::new(SegmentInfo::new([1; 16]), vec![track]).expect("one plain track makes a header").start_segment()
}

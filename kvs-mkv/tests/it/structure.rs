//! Which streams are valid, and which errors invalid ones give.

use crate::common;
use std::time::Duration;

use bytes::Bytes;
use kvs_mkv::{ElementId, Event, Frame, Limits, ParseError, Parser, Problem, Tag, TrackNumber};

use common::{Placed, cluster, element, head, parse_cut, parse_whole, simple_block, tags};

const MS: fn(u64) -> Duration = Duration::from_millis;
const CLUSTER: [u8; 4] = [0x1F, 0x43, 0xB6, 0x75];

/// Parses a valid stream in one piece and byte by byte.
fn events(stream: Vec<u8>) -> Vec<Event> {
    let stream = Bytes::from(stream);
    let (found, end) = parse_whole(&stream);
    assert_eq!(end, Ok(()));
    let every: Vec<usize> = (1..stream.len()).collect();
    assert_eq!(parse_cut(&stream, &every, Limits::default()).0, found);
    found.into_iter().map(|(event, ..)| event).collect()
}

/// Parses a valid stream and returns the events after segment and tracks.
fn body(stream: &[&[u8]]) -> Vec<Event> {
    events([head(), stream.concat()].concat()).split_off(2)
}

/// Parses an invalid stream in one piece and byte by byte, and returns its error and the number of events before it.
fn error(stream: Vec<u8>) -> (ParseError, usize) {
    let stream = Bytes::from(stream);
    let (found, end) = parse_whole(&stream);
    let every: Vec<usize> = (1..stream.len()).collect();
    assert_eq!(parse_cut(&stream, &every, Limits::default()), (found.clone(), end));
    (end.unwrap_err(), found.len())
}

/// Returns the error of these bytes after a header, with the offset from the end of the header.
fn wrong(stream: &[&[u8]]) -> (u64, ElementId, Problem) {
    let (error, _) = error([head(), stream.concat()].concat());
    (error.offset - head().len() as u64, error.element, error.problem)
}

fn frame(at: u64, payload: &[u8]) -> Event {
    Event::Frame(Frame::new(TrackNumber::ONE, MS(at), payload.to_vec()).with_keyframe(true))
}

fn at(millis: u64) -> Event {
    Event::Cluster { at: MS(millis) }
}

fn group(children: &[&[u8]]) -> Vec<u8> {
    element(&[0xA0], &children.concat())
}

fn block(relative: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
    element(&[0xA1], &[&[0x81, 0, relative, flags], payload].concat())
}

#[test]
fn cluster_of_unknown_size_ends_at_next_child_of_segment() {
    for level_1 in ["1C53BB6B", "114D9B74", "1043A770", "1941A469"] {
        let id = u32::from_str_radix(level_1, 16).unwrap().to_be_bytes();
        let found =
            body(&[&cluster(1), &simple_block(1, b"a"), &element(&id, b"zz"), &cluster(9), &simple_block(0, b"b")]);
        assert_eq!(found, [at(1), frame(2, b"a"), Event::ClusterEnd, at(9), frame(9, b"b")], "{level_1}");
    }
}

#[test]
fn cluster_of_known_size_ends_with_its_last_byte() {
    let inside = [element(&[0xE7], &[3]), simple_block(4, b"abc")].concat();
    assert_eq!(body(&[&element(&CLUSTER, &inside)]), [at(3), frame(7, b"abc"), Event::ClusterEnd]);
}

#[test]
fn id_of_next_element_ends_cluster() {
    let mut parser = Parser::new(Limits::default());
    parser.push(Bytes::from([head(), cluster(1), simple_block(1, b"a")].concat()));
    while parser.next_event().unwrap().is_some() {}
    parser.push(Bytes::from_static(&[0x12, 0x54, 0xC3]));
    assert_eq!(parser.next_event(), Ok(None));
    parser.push(Bytes::from_static(&[0x67]));
    let (event, position) = parser.next_event_with_position().unwrap().unwrap();
    let (end, at) = (position.span, (head().len() + cluster(1).len() + 7) as u64);
    assert_eq!((event, end.start, end.end, position.payload), (Event::ClusterEnd, at, at, None));
}

#[test]
fn accepts_several_documents_in_a_row() {
    let one = [head(), tags("before", "1"), cluster(1), simple_block(1, b"a"), tags("after", "2")].concat();
    let found = events([one.clone(), one].concat());
    assert_eq!(found.len(), 14);
    assert_eq!(found[..7], found[7..]);
    assert_eq!(found[2], Event::Tags(vec![Tag::new("before", "1")]));
    assert_eq!(found[5..7], [Event::ClusterEnd, Event::Tags(vec![Tag::new("after", "2")])]);
}

#[test]
fn accepts_document_after_segment_of_known_size() {
    let info = element(&[0x15, 0x49, 0xA9, 0x66], &element(&[0x7B, 0xA9], b"t"));
    let inside = [info, element(&CLUSTER, &[element(&[0xE7], &[0]), simple_block(0, b"k")].concat())].concat();
    let document = [
        element(&[0x1A, 0x45, 0xDF, 0xA3], &element(&[0x42, 0x82], b"webm")),
        element(&[0xEC], b"pad"),
        element(&[0x18, 0x53, 0x80, 0x67], &inside),
    ]
    .concat();
    let found = events([document.clone(), document].concat());
    assert_eq!((found.len(), &found[..4]), (8, &found[4..]));
}

#[test]
fn skips_unknown_and_unneeded_elements() {
    let void = element(&[0xEC], &[0; 300]);
    let crc = element(&[0xBF], &[1, 2, 3, 4]);
    let unknown = element(&[0x4F, 0x4F], b"new in 2040");
    let group = group(&[&crc, &void, &block(1, 0, b"g"), &unknown]);
    let cluster = [&CLUSTER[..], &[0xFF], &crc, &element(&[0xE7], &[5]), &element(&[0xA7], &[0])].concat();
    let found = body(&[&void, &unknown, &cluster, &void, &simple_block(0, b"s"), &unknown, &group]);
    assert_eq!(found, [at(5), frame(5, b"s"), frame(6, b"g")]);
}

#[test]
fn does_not_store_skipped_elements() {
    let mut parser = Parser::new(Limits::default());
    let length = 40 << 20;
    parser.push(Bytes::from(head()));
    parser.push(Bytes::from([&[0x19, 0x41, 0xA4, 0x69][..], &(1u64 << 56 | length).to_be_bytes()].concat()));
    for _ in 0..length / 4096 {
        parser.push(Bytes::from(vec![0; 4096]));
        while parser.next_event().unwrap().is_some() {}
        assert!(parser.held() < 5000, "{} bytes", parser.held());
    }
    parser.push(Bytes::from([cluster(1), simple_block(0, b"x")].concat()));
    assert_eq!(parser.next_event(), Ok(Some(at(1))));
}

#[test]
fn block_groups_state_key_frame_and_duration() {
    let key = group(&[&block(1, 0, b"key"), &element(&[0x9B], &[40])]);
    let other = group(&[&element(&[0xFB], &[0xFF]), &block(2, 8, b"delta")]);
    let found = body(&[&cluster(1), &key, &other]);
    let Event::Frame(key) = &found[1] else { panic!("{found:?}") };
    assert_eq!((key.keyframe, key.duration, key.data.clone().into_bytes()), (true, Some(MS(40)), "key".into()));
    let Event::Frame(other) = &found[2] else { panic!("{found:?}") };
    assert_eq!((other.keyframe, other.invisible, other.pts), (false, true, MS(3)));
}

#[test]
fn separates_all_kinds_of_lacing() {
    let long = vec![7; 300];
    let payload = |sizes: &[u8]| [&[2], sizes, b"ab", &long, b"cdef"].concat();
    // RFC 9559 §10.3: Xiph lacing sums bytes, EBML lacing states a size and differences to it.
    let xiph = payload(&[2, 255, 45]);
    let ebml = payload(&ebml_sizes(2, 300));
    let frames = |found: &[Event]| -> Vec<Bytes> {
        let payloads = found.iter().filter_map(|event| match event {
            Event::Frame(frame) => Some(frame.data.clone().into_bytes()),
            _ => None,
        });
        payloads.collect()
    };
    let expected = [Bytes::from_static(b"ab"), long.clone().into(), Bytes::from_static(b"cdef")];
    for (flags, laced) in [(0x82, &xiph), (0x86, &ebml)] {
        let simple = element(&[0xA3], &[&[0x81, 0, 0, flags], &laced[..]].concat());
        let grouped = group(&[&block(0, flags, laced), &element(&[0x9B], &[30])]);
        let found = body(&[&cluster(0), &simple, &grouped]);
        assert_eq!(frames(&found), [&expected[..], &expected[..]].concat(), "{flags:x}");
        let Event::Frame(last) = &found[6] else { panic!("{found:?}") };
        assert_eq!((last.pts, last.duration), (MS(20), Some(MS(10))));
    }
    let fixed = element(&[0xA3], &[&[0x81, 0, 0, 0x84, 2][..], b"aabbcc"].concat());
    assert_eq!(frames(&body(&[&cluster(0), &fixed])), ["aa", "bb", "cc"]);
}

/// Writes the first size in one byte and the difference to the second in two.
fn ebml_sizes(first: u8, second: u16) -> Vec<u8> {
    let difference = 0x4000 | (second - u16::from(first) + 0x1FFF);
    [&[0x80 | first][..], &difference.to_be_bytes()].concat()
}

#[test]
fn laced_frames_follow_at_default_duration_of_track() {
    let entry =
        [element(&[0xD7], &[1]), element(&[0x83], &[2]), element(&[0x23, 0xE3, 0x83], &20_000_000u32.to_be_bytes())];
    let tracks = element(&[0x16, 0x54, 0xAE, 0x6B], &element(&[0xAE], &entry.concat()));
    let fixed = element(&[0xA3], &[&[0x81, 0, 0, 0x84, 2][..], b"abc"].concat());
    let found = body(&[&tracks, &cluster(0), &fixed]);
    let times: Vec<_> =
        found.iter().filter_map(|event| if let Event::Frame(f) = event { Some(f.pts) } else { None }).collect();
    assert_eq!(times, [MS(0), MS(20), MS(40)]);
}

#[test]
fn rejects_lacing_that_does_not_fit() {
    let refused = |flags: u8, payload: &[u8]| {
        let block = element(&[0xA3], &[&[0x81, 0, 0, flags], payload].concat());
        assert_eq!(wrong(&[&cluster(0), &block]), (cluster(0).len() as u64, ElementId::SIMPLE_BLOCK, Problem::Lacing));
    };
    refused(0x82, b"");
    refused(0x82, &[1, 5, b'a']);
    refused(0x82, &[1, 255]);
    refused(0x84, &[1, b'a', b'b', b'c']);
    refused(0x86, &[2, 0x81, 0x80, b'a', b'b']);
    refused(0x86, &[1, 0x00, b'a']);
    refused(0x86, &[1, 0x40]);
}

#[test]
fn accepts_negative_relative_timecodes_down_to_time_zero() {
    let block = |relative: i16| {
        let [high, low] = relative.to_be_bytes();
        element(&[0xA3], &[0x81, high, low, 0x80, b'x'])
    };
    assert_eq!(body(&[&cluster(5), &block(-5)]), [at(5), frame(0, b"x")]);
    let early = (cluster(5).len() as u64, ElementId::SIMPLE_BLOCK, Problem::TimeOutOfRange);
    assert_eq!(wrong(&[&cluster(5), &block(-6)]), early);
}

#[test]
fn returns_nested_tags_flat_and_one_group_per_tag() {
    let name = |name: &str| element(&[0x45, 0xA3], name.as_bytes());
    let inner = element(&[0x67, 0xC8], &name("inner"));
    let outer = element(&[0x67, 0xC8], &[name("outer"), inner, element(&[0x44, 0x87], b"v\0pad")].concat());
    let targets = element(&[0x63, 0xC0], &[]);
    let one = element(&[0x73, 0x73], &[targets, outer].concat());
    let two = element(&[0x73, 0x73], &element(&[0x67, 0xC8], &name("two")));
    let found = body(&[&element(&[0x12, 0x54, 0xC3, 0x67], &[one, two].concat())]);
    let first = vec![Tag::new("outer", "v"), Tag::new("inner", "")];
    assert_eq!(found, [Event::Tags(first), Event::Tags(vec![Tag::new("two", "")])]);
}

#[test]
fn rejects_garbage_at_its_first_bytes() {
    for garbage in [&b"GIF89a, which is no Matroska"[..], &[0; 64], &[0xFF; 64], b"RIFF", b"\x00\x00\x01\xba"] {
        let (error, before) = error(garbage.to_vec());
        assert_eq!((error.offset, error.problem, before), (0, Problem::NotMatroska, 0), "{garbage:?}");
    }
    let (later, _) = error([head(), vec![0; 20]].concat());
    let text = format!("Segment at byte {}: invalid element id or size", head().len());
    assert_eq!(later.to_string(), text);
}

#[test]
fn rejects_elements_out_of_place() {
    let unexpected = |within| Problem::Unexpected { within };
    let segment = [0x18, 0x53, 0x80, 0x67, 0xFF];
    assert_eq!(wrong(&[&segment]), (0, ElementId::SEGMENT, unexpected(ElementId::SEGMENT)));
    assert_eq!(wrong(&[&simple_block(0, b"x")]), (0, ElementId::SIMPLE_BLOCK, unexpected(ElementId::SEGMENT)));
    let nested = element(&CLUSTER, &[element(&[0xE7], &[0]), cluster(1)].concat());
    assert_eq!(wrong(&[&nested]).2, unexpected(ElementId::CLUSTER));
    let twice = group(&[&block(0, 0, b"a"), &block(0, 0, b"b")]);
    assert_eq!(wrong(&[&cluster(0), &twice]).2, unexpected(ElementId::BLOCK_GROUP));
    let late = [cluster(0), simple_block(0, b"x"), element(&[0xE7], &[9])].concat();
    assert_eq!(wrong(&[&late]).1, ElementId::TIMESTAMP);
}

#[test]
fn rejects_missing_mandatory_children() {
    let missing = |child| Problem::Missing { child };
    let no_time = [&CLUSTER[..], &[0xFF]].concat();
    assert_eq!(wrong(&[&no_time, &simple_block(0, b"x")]), (0, ElementId::CLUSTER, missing(ElementId::TIMESTAMP)));
    assert_eq!(wrong(&[&cluster(0), &group(&[])]).2, missing(ElementId::BLOCK));
    let nameless = element(&[0x16, 0x54, 0xAE, 0x6B], &element(&[0xAE], &element(&[0x83], &[1])));
    assert_eq!(wrong(&[&nameless]).2, missing(ElementId::TRACK_NUMBER));
}

#[test]
fn checks_sizes_before_storing_anything() {
    let size = |id: &[u8], size: u64| [id, &(1u64 << 56 | size).to_be_bytes()].concat();
    let too_large = |stream: &[&[u8]], limit: u64| {
        assert_eq!(wrong(stream).2, Problem::TooLarge { size: limit + 1, limit });
    };
    too_large(&[&cluster(0), &size(&[0xA3], 50_000_001)], 50_000_000);
    too_large(&[&cluster(0), &size(&[0xA0], 50_000_001)], 50_000_000);
    too_large(&[&size(&[0x12, 0x54, 0xC3, 0x67], (1 << 20) + 1)], 1 << 20);
    too_large(&[&size(&[0x16, 0x54, 0xAE, 0x6B], (3 << 20) + (64 << 10) + 1)], (3 << 20) + (64 << 10));
    too_large(&[&size(&[0x15, 0x49, 0xA9, 0x66], (64 << 10) + 1)], 64 << 10);
    too_large(&[&CLUSTER, &[0xFF], &size(&[0xE7], 9)], 8);
    for id in [&[0xA3][..], &[0xA0], &[0xEC]] {
        assert_eq!(wrong(&[&cluster(0), &[id, &[0xFF]].concat()]).2, Problem::UnknownSize);
    }
}

#[test]
fn accepts_block_at_limit_and_rejects_larger_one() {
    let limits = Limits::default().with_block_bytes(1000);
    let run = |payload: usize| {
        let stream = [head(), cluster(0), simple_block(0, &vec![1; payload])].concat();
        parse_cut(&stream.into(), &[], limits).1.map_err(|error| error.problem)
    };
    assert_eq!(run(996), Ok(()));
    assert_eq!(run(997), Err(Problem::TooLarge { size: 1001, limit: 1000 }));
}

#[test]
fn limits_counts_and_depth() {
    let simple = |inside: &[u8]| element(&[0x67, 0xC8], inside);
    let in_tags = |tag: &[u8]| element(&[0x12, 0x54, 0xC3, 0x67], &element(&[0x73, 0x73], tag));
    let deep = |levels: usize| (0..levels).fold(Vec::new(), |inside, _| simple(&inside));
    assert_eq!(body(&[&in_tags(&deep(8))]).len(), 1);
    assert_eq!(wrong(&[&in_tags(&deep(9))]).2, Problem::TooDeep { limit: 8 });
    assert_eq!(body(&[&in_tags(&simple(&[]).repeat(1000))]).len(), 1);
    assert_eq!(wrong(&[&in_tags(&simple(&[]).repeat(1001))]).2, Problem::TooMany { limit: 1000 });
    let entry = element(&[0xAE], &[element(&[0xD7], &[1]), element(&[0x83], &[1])].concat());
    let tracks = |count: usize| element(&[0x16, 0x54, 0xAE, 0x6B], &entry.repeat(count));
    assert_eq!(body(&[&tracks(126)]).len(), 1);
    assert_eq!(wrong(&[&tracks(127)]).2, Problem::TooMany { limit: 126 });
}

#[test]
fn rejects_children_past_their_parent() {
    let long = element(&CLUSTER, &[&element(&[0xE7], &[0])[..], &[0xA3, 0x90, 0x81]].concat());
    assert!(matches!(wrong(&[&long]).2, Problem::PastParent { parent: ElementId::CLUSTER, .. }));
    let entry = element(&[0x16, 0x54, 0xAE, 0x6B], &element(&[0xAE], &[0xD7, 0x84, 1]));
    assert!(matches!(wrong(&[&entry]).2, Problem::PastParent { parent: ElementId::TRACK_ENTRY, .. }));
    let group = group(&[&[0xA1, 0x85, 0x81]]);
    assert!(matches!(wrong(&[&cluster(0), &group]).2, Problem::PastParent { parent: ElementId::BLOCK_GROUP, .. }));
}

#[test]
fn rejects_other_document_types_and_versions() {
    let start = |child: Vec<u8>| error(element(&[0x1A, 0x45, 0xDF, 0xA3], &child)).0;
    assert_eq!(start(element(&[0x42, 0x82], b"divx")).problem, Problem::DocType);
    let version = start(element(&[0x42, 0xF7], &[2])).problem;
    assert_eq!(version, Problem::Version { needed: 2, limit: 1 });
}

#[test]
fn reports_end_inside_an_element_but_not_between_elements() {
    let stream = Bytes::from([head(), cluster(1), simple_block(1, b"abc"), tags("n", "v")].concat());
    let (whole, _) = parse_whole(&stream);
    let body = head().len();
    let inside = [body + cluster(1).len(), body + cluster(1).len() + 9, stream.len()];
    for length in body..=stream.len() {
        let (found, end): (Vec<Placed>, _) = parse_whole(&stream.slice(..length));
        assert_eq!(found, whole[..found.len()]);
        let between = length == body || inside.contains(&length) || length == body + 5;
        assert_eq!(end.is_ok(), between, "{length}: {end:?}");
        if let Err(error) = end {
            assert_eq!(error.problem, Problem::Truncated);
        }
    }
    assert_eq!(Parser::new(Limits::default()).finish(), Ok(()));
}

#[test]
fn stores_nothing_after_an_error() {
    let mut parser = Parser::new(Limits::default());
    parser.push(Bytes::from(vec![0; 100_000]));
    let error = parser.next_event().unwrap_err();
    parser.push(Bytes::from(vec![0; 100_000]));
    assert_eq!((parser.next_event(), parser.held()), (Err(error), 0));
    assert_eq!(parser.finish(), Err(error));
}

#[test]
fn rejects_block_of_unknown_size_with_any_input_after_it() {
    let stream = [head(), cluster(0), simple_block(0, b"x"), [&[0xA3, 0xFF, 0x81, 0, 0, 0][..], &[1; 300]].concat()];
    let (error, before) = error(stream.concat());
    assert_eq!((error.element, error.problem, before), (ElementId::SIMPLE_BLOCK, Problem::UnknownSize, 4));
}

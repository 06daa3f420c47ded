//! Reading fragments from streams, and writing fragments as one file.

use crate::common;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use kvs_mkv::ErrorId;
use kvs_mkv::fragment::{Fragment, FragmentError, FragmentReader, Joined, MergeError, Merger, Times};
use kvs_mkv::{
    Chunks, CodecId, ElementId, Frame, Limits, Problem, SegmentInfo, Tag, Track, TrackKind, TrackNumber, WriteError,
    Writer,
};
use proptest::collection::vec;
use proptest::prelude::*;

use common::{cluster, head, simple_block, tags};

const MS: fn(u64) -> Duration = Duration::from_millis;
const MARK: &str = "AWS_KINESISVIDEO_END_OF_FRAGMENT";

/// Reads all fragments of a stream pushed in pieces of this size, and returns how it ended.
fn read(stream: &[u8], piece: usize) -> (Vec<Fragment>, Result<(), FragmentError>) {
    let limits = Limits::default();
    let stream = Bytes::copy_from_slice(stream);
    let mut reader = FragmentReader::new(limits);
    let mut fragments = Vec::new();
    let mut from = 0;
    while from < stream.len() {
        let to = stream.len().min(from + piece);
        reader.push(stream.slice(from..to));
        from = to;
        loop {
            match reader.next_fragment() {
                Ok(Some(fragment)) => fragments.push(fragment),
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(reader.next_fragment(), Err(error.clone()));
                    return (fragments, Err(error));
                }
            }
            assert!(reader.held() <= limits.fragment_worst_case());
        }
    }
    loop {
        match reader.finish() {
            Ok(Some(fragment)) => fragments.push(fragment),
            Ok(None) => return (fragments, Ok(())),
            Err(error) => return (fragments, Err(error)),
        }
    }
}

/// Reads all fragments of a valid stream; the size of the pieces must not matter.
fn fragments(stream: &[&[u8]]) -> Vec<Fragment> {
    let stream = stream.concat();
    let (whole, end) = read(&stream, usize::MAX);
    assert_eq!(end, Ok(()));
    for piece in [1, 7, 100] {
        assert_eq!(read(&stream, piece), (whole.clone(), Ok(())), "pieces of {piece}");
    }
    whole
}

fn service_tags(list: &[(&str, &str)]) -> Vec<u8> {
    list.iter().flat_map(|(name, value)| tags(&format!("AWS_KINESISVIDEO_{name}"), value)).collect()
}

/// A fragment as GetMedia sends it, with a producer's tag before and after it.
fn from_get_media(number: &str) -> Vec<u8> {
    [
        head(),
        tags("site", "yard"),
        service_tags(&[
            ("FRAGMENT_NUMBER", number),
            ("SERVER_TIMESTAMP", "1511852109.126"),
            ("PRODUCER_TIMESTAMP", "1511852108.513"),
        ]),
        cluster(3),
        simple_block(1, number.as_bytes()),
        tags("door", number),
        tags(MARK, ""),
        service_tags(&[("MILLIS_BEHIND_NOW", "15858"), ("CONTINUATION_TOKEN", number)]),
    ]
    .concat()
}

/// Returns how many bytes of `stream` a reader needs to return the first fragment.
fn complete_after(stream: &[u8]) -> usize {
    let mut reader = FragmentReader::new(Limits::default());
    for (at, &byte) in stream.iter().enumerate() {
        reader.push(Bytes::from(vec![byte]));
        if reader.next_fragment().unwrap().is_some() {
            return at + 1;
        }
    }
    panic!("no fragment in {} bytes", stream.len());
}

#[test]
fn reads_fragments_from_get_media() {
    let found = fragments(&[&from_get_media("11"), &from_get_media("22")]);
    assert_eq!(found.len(), 2);
    for (fragment, number) in found.iter().zip(["11", "22"]) {
        let metadata = &fragment.metadata;
        assert_eq!(metadata.number.as_ref().unwrap().as_str(), number);
        let epoch = |time: Option<SystemTime>| time.unwrap().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!(epoch(metadata.server_timestamp), MS(1_511_852_109_126));
        assert_eq!(epoch(metadata.producer_timestamp), MS(1_511_852_108_513));
        assert_eq!((metadata.behind_now, metadata.continuation_token.as_deref()), (Some(MS(15_858)), Some(number)));
        assert_eq!(fragment.segment_tags, [Tag::new("site", "yard")]);
        assert_eq!(fragment.tags, [Tag::new("door", number), Tag::new(MARK, "")]);
        assert_eq!((fragment.at, fragment.frames[0].pts, fragment.tracks.len()), (MS(3), MS(4), 1));
        assert_eq!(fragment.frames[0].data.clone().into_bytes(), number);
    }
}

#[test]
fn continuation_token_completes_fragment() {
    let one = from_get_media("11");
    assert_eq!(complete_after(&[one.clone(), head()].concat()), one.len());
}

#[test]
fn end_of_fragment_mark_completes_fragment_of_producer() {
    let one = [head(), cluster(1), simple_block(0, b"a"), tags("t", "v"), tags(MARK, "")].concat();
    assert_eq!(complete_after(&[one.clone(), cluster(2)].concat()), one.len());
}

#[test]
fn first_bytes_of_next_document_complete_fragment() {
    let one = [head(), cluster(1), simple_block(0, b"a"), tags("t", "v")].concat();
    assert_eq!(complete_after(&[one.clone(), head()].concat()), one.len() + 4);
}

#[test]
fn next_cluster_completes_fragment_and_tags_before_it_belong_to_the_first() {
    let found = fragments(&[
        &head(),
        &tags("all", "s"),
        &cluster(1),
        &simple_block(0, b"a"),
        &tags("one", "1"),
        &tags("two", "2"),
        &cluster(5),
        &simple_block(0, b"b"),
    ]);
    assert_eq!(found.len(), 2, "the last fragment is returned too");
    assert_eq!(found[0].tags, [Tag::new("one", "1"), Tag::new("two", "2")]);
    assert_eq!((found[1].at, found[1].tags.len(), found[1].frames.len()), (MS(5), 0, 1));
    assert!(found.iter().all(|fragment| fragment.segment_tags == [Tag::new("all", "s")]));
}

#[test]
fn tags_after_end_of_fragment_mark_belong_to_next_fragment() {
    let found = fragments(&[
        &head(),
        &cluster(1),
        &simple_block(0, b"a"),
        &tags(MARK, ""),
        &tags("n", "v"),
        &cluster(2),
        &simple_block(0, b"b"),
    ]);
    assert_eq!(found[0].tags, [Tag::new(MARK, "")]);
    assert_eq!(found[1].tags, [Tag::new("n", "v")]);
}

#[test]
fn returns_service_error_with_or_without_media() {
    let fault = service_tags(&[("ERROR_ID", "4000")]);
    let bare = [head(), fault.clone()].concat();
    assert_eq!(complete_after(&bare), bare.len());
    let found = fragments(&[&from_get_media("11"), &head(), &fault]);
    assert_eq!((found.len(), found[1].frames.len()), (2, 0));
    assert_eq!(found[1].metadata.fault.as_ref().unwrap().id, Some(ErrorId(4000)));
    let found = fragments(&[&head(), &cluster(1), &simple_block(0, b"a"), &fault]);
    assert_eq!((found.len(), found[0].frames.len(), found[0].metadata.fault.is_some()), (1, 1, true));
}

#[test]
fn returns_truncated_fragment_with_the_error() {
    let mut stream = [head(), cluster(1), simple_block(0, b"whole"), simple_block(1, b"cut short")].concat();
    stream.truncate(stream.len() - 3);
    let (found, end) = read(&stream, 50);
    assert_eq!(found, []);
    let Err(FragmentError::Unfinished { error, fragment }) = end else { panic!("{end:?}") };
    assert_eq!((error.element, error.problem), (ElementId::SIMPLE_BLOCK, Problem::Truncated));
    assert_eq!(fragment.unwrap().frames[0].data.clone().into_bytes(), "whole");
}

#[test]
fn returns_complete_document_before_the_error_after_it() {
    let broken_head = [0x1A, 0x45, 0xDF, 0xA3, 0x82, 0x88, 0x8B];
    let stream = [&head()[..], &cluster(1), &simple_block(0, b"whole"), &broken_head].concat();
    for piece in [1, 7, stream.len()] {
        let (found, end) = read(&stream, piece);
        assert_eq!(found.len(), 1, "in pieces of {piece}");
        assert!(matches!(end, Err(FragmentError::Parse(error)) if error.element == ElementId(0x88)), "{end:?}");
    }
}

#[test]
fn limits_bytes_frames_and_tags_of_fragments() {
    let run = |limits: Limits, stream: &[&[u8]]| {
        let mut reader = FragmentReader::new(limits);
        reader.push(Bytes::from([&head()[..], &stream.concat()].concat()));
        reader.next_fragment().map(|_| ())
    };
    let (one, two) = (simple_block(0, &[1; 60]), simple_block(1, &[2; 60]));
    let media = [&cluster(9)[..], &one, &two];
    let at = MS(9);
    let bytes = |limit| Limits::default().with_fragment_bytes(limit);
    assert_eq!(run(bytes(120), &media), Ok(()));
    assert_eq!(run(bytes(119), &media), Err(FragmentError::TooLarge { at, bytes: 120, limit: 119 }));
    let frames = |limit| Limits::default().with_fragment_frames(limit);
    assert_eq!(run(frames(2), &media), Ok(()));
    assert_eq!(run(frames(1), &media), Err(FragmentError::TooManyFrames { at, limit: 1 }));
    let tagged = [&cluster(9)[..], &one, &tags("a", "b"), &tags("c", "d")];
    let count = |limit| Limits::default().with_fragment_tags(limit);
    assert_eq!(run(count(2), &tagged), Ok(()));
    assert_eq!(run(count(1), &tagged), Err(FragmentError::TooManyTags { limit: 1 }));
    let length = |limit| Limits::default().with_tags_bytes(limit);
    let long = [&cluster(9)[..], &one, &tags("a", &"v".repeat(50)), &tags("c", &"v".repeat(50))];
    assert_eq!(run(length(102), &long), Ok(()));
    assert_eq!(run(length(101), &long), Err(FragmentError::TagsTooLarge { bytes: 102, limit: 101 }));
}

fn track() -> Track {
    Track::new(TrackNumber::ONE, TrackKind::Video, CodecId::H264).with_video(320, 240)
}

fn fragment(at: u64, times: &[u64]) -> Fragment {
    let mut fragment = Fragment::new(SegmentInfo::new([1; 16]), vec![track()], MS(at));
    fragment.frames =
        times.iter().map(|&at| Frame::new(TrackNumber::ONE, MS(at), at.to_string().into_bytes())).collect();
    fragment
}

/// Merges fragments; returns how each joined, and the times read back from each file.
fn merge(times: Times, fragments: Vec<Fragment>) -> (Vec<Joined>, Vec<Vec<u64>>) {
    let mut merger = Merger::new(times);
    let mut joined = Vec::new();
    let mut files: Vec<Chunks> = Vec::new();
    for fragment in fragments {
        let merged = merger.fragment(fragment).unwrap();
        match files.last_mut() {
            Some(file) if merged.joined == Joined::Continued => file.append(merged.bytes),
            _ => files.push(merged.bytes),
        }
        joined.push(merged.joined);
    }
    let times = files.into_iter().map(|file| {
        let (found, end) = read(&file.into_bytes(), 64);
        assert_eq!(end, Ok(()));
        let frames = found.iter().flat_map(|fragment| &fragment.frames);
        frames.map(|frame| u64::try_from(frame.pts.as_millis()).unwrap()).collect()
    });
    (joined, times.collect())
}

#[test]
fn merges_fragments_of_one_session_into_one_segment() {
    let list = vec![fragment(1000, &[1000, 1080, 1040]), fragment(3000, &[3000]), fragment(9000, &[9000])];
    let (joined, times) = merge(Times::FromZero, list.clone());
    assert_eq!(joined, [Joined::First, Joined::Continued, Joined::Continued]);
    assert_eq!(times, [[0, 80, 40, 2000, 8000]]);
    assert_eq!(merge(Times::Kept, list).1, [[1000, 1080, 1040, 3000, 9000]]);
}

#[test]
fn frames_before_their_cluster_keep_their_distance() {
    let (joined, times) = merge(Times::FromZero, vec![fragment(1000, &[1000, 960]), fragment(2000, &[2000, 1990])]);
    assert_eq!(joined, [Joined::First, Joined::Continued]);
    assert_eq!(times, [[40, 0, 1040, 1030]]);
}

#[test]
fn changed_tracks_and_earlier_times_start_a_segment() {
    let mut other = fragment(2000, &[2000]);
    other.tracks = vec![track().with_video(640, 480)].into();
    let mut finer = fragment(2500, &[2500]);
    finer.tracks = other.tracks.clone();
    finer.segment.timecode_scale = Duration::from_micros(1);
    let mut back = finer.clone();
    back.at = MS(2500);
    let (joined, times) = merge(Times::FromZero, vec![fragment(1000, &[1000]), other, finer, back]);
    assert_eq!(joined, [Joined::First, Joined::OtherTracks, Joined::OtherTracks, Joined::NotLater]);
    assert_eq!(times, [[0], [0], [0], [0]]);
}

#[test]
fn merger_keeps_tags_of_producer_and_drops_those_of_service() {
    let stream = [from_get_media("11"), from_get_media("22")].concat();
    let mut source = read(&stream, 1000).0;
    source[1].at = MS(2003);
    source[1].frames[0].pts = MS(2004);
    let mut merger = Merger::new(Times::Kept);
    let mut file = Chunks::new();
    for fragment in source {
        file.append(merger.fragment(fragment).unwrap().bytes);
    }
    let found = fragments(&[&file.into_bytes()]);
    assert_eq!(found.len(), 2);
    for (fragment, number) in found.iter().zip(["11", "22"]) {
        assert_eq!(fragment.tags, [Tag::new("door", number), Tag::new(MARK, "")]);
        assert_eq!(fragment.segment_tags, [Tag::new("site", "yard")]);
        assert_eq!(fragment.metadata, Default::default());
    }
}

#[test]
fn fragment_after_a_rejected_one_starts_a_segment() {
    let mut merger = Merger::new(Times::FromZero);
    assert_eq!(merger.fragment(fragment(5, &[])), Err(MergeError::NoFrames { at: MS(5) }));
    assert_eq!(merger.fragment(fragment(10, &[10])).unwrap().joined, Joined::First);
    let far = merger.fragment(fragment(20, &[20, 40_020]));
    assert_eq!(far, Err(MergeError::Write(WriteError::TooFarFromCluster { units: 40_010, cluster: 10 })));
    assert_eq!(merger.fragment(fragment(30, &[30])).unwrap().joined, Joined::AfterError);
}

#[test]
fn merging_does_not_copy_payload() {
    let payload = Bytes::from(vec![7; 5000]);
    let mut one = fragment(10, &[]);
    one.frames.push(Frame::new(TrackNumber::ONE, MS(10), payload.clone()));
    let merged = Merger::new(Times::FromZero).fragment(one).unwrap();
    assert!(merged.bytes.iter().any(|piece| piece.as_ptr() == payload.as_ptr() && piece.len() == 5000));
}

/// A session of a producer: for each fragment the offsets of its frames, its tags and whether it has an end-of-fragment mark.
fn session() -> impl Strategy<Value = Vec<(Vec<u64>, u8, bool)>> {
    vec((vec(0..900u64, 1..6), 0..3u8, any::<bool>()), 1..6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn sessions_round_trip_in_any_pieces(session in session(), piece in 1..400usize) {
        let mut writer = Writer::new(SegmentInfo::new([1; 16]), vec![track()]).unwrap();
        let mut stream = Chunks::from(writer.start_segment());
        let mut expected = Vec::new();
        for (nth, (offsets, count, mark)) in session.into_iter().enumerate() {
            let at = nth as u64 * 1000;
            let mut fragment = fragment(at, &offsets.iter().map(|offset| at + offset).collect::<Vec<_>>());
            stream.push(writer.start_cluster(fragment.at).unwrap());
            for frame in &fragment.frames {
                stream.append(writer.block(frame.clone()).unwrap());
            }
            fragment.tags = (0..count).map(|nth| Tag::new(format!("n{nth}"), "v")).collect();
            if count > 0 {
                stream.push(writer.tags(&fragment.tags).unwrap());
            }
            if mark {
                stream.push(writer.end_of_fragment());
                fragment.tags.push(Tag::new(MARK, ""));
            }
            expected.push(fragment);
        }
        let stream = stream.into_bytes();
        prop_assert_eq!(read(&stream, piece), (expected, Ok(())));
    }

    #[test]
    fn reader_does_not_panic_or_exceed_its_memory_on_any_bytes(
        noise in vec(prop_oneof![
            vec(any::<u8>(), 0..40),
            Just(head()),
            Just(from_get_media("7")),
            Just([cluster(1), simple_block(1, b"frame")].concat()),
            Just(tags(MARK, "")),
        ], 0..8),
        piece in 1..200usize,
        cut in 0..50usize,
    ) {
        let mut stream = noise.concat();
        stream.truncate(stream.len().saturating_sub(cut));
        let whole = read(&stream, usize::MAX);
        prop_assert_eq!(read(&stream, piece), whole);
    }
}

//! Tests of [`Ingest`] on bodies that the writer of kvs-mkv produces.

use std::time::{Duration, Instant, SystemTime};

use bytes::{Bytes, BytesMut};
use kvs_mkv::{Chunks, CodecId, Frame, SegmentInfo, Tag, Track, TrackKind, TrackNumber, Writer};
use kvs_types::{ErrorId, tag_names};
use proptest::prelude::*;

use super::*;

const MS: fn(u64) -> Duration = Duration::from_millis;
const SECONDS: fn(u64) -> Duration = Duration::from_secs;
/// The wall clock at the start of every test.
const NOON: Duration = Duration::from_millis(1_700_000_000_123);

/// Both clocks, advanced by the test.
#[derive(Clone, Copy)]
struct Clock {
    start: Instant,
    passed: Duration,
}

impl Clock {
    fn new() -> Self {
        Self { start: Instant::now(), passed: Duration::ZERO }
    }

    fn now(&self) -> Now {
        Now { at: self.start + self.passed, wall: SystemTime::UNIX_EPOCH + NOON + self.passed }
    }

    fn pass(&mut self, time: Duration) -> Now {
        self.passed += time;
        self.now()
    }
}

/// Writes a body.
struct Camera {
    writer: Writer,
    body: BytesMut,
}

impl Camera {
    fn new(tracks: u64) -> Self {
        let track = |number| {
            let kind = if number == 1 { TrackKind::Video } else { TrackKind::Audio };
            Track::new(TrackNumber::new(number).unwrap(), kind, CodecId::H264)
        };
        let mut writer = Writer::new(SegmentInfo::new([7; 16]), (1..=tracks).map(track).collect()).unwrap();
        let body = BytesMut::from(&writer.start_segment()[..]);
        Self { writer, body }
    }

    fn cluster(mut self, at: u64) -> Self {
        self.body.extend_from_slice(&self.writer.start_cluster(MS(at)).unwrap());
        self
    }

    fn frame(mut self, track: u64, at: u64, payload: &[u8]) -> Self {
        let track = TrackNumber::new(track).unwrap();
        let frame = Frame::new(track, MS(at), payload.to_vec()).with_keyframe(true);
        for piece in self.writer.block(frame).unwrap() {
            self.body.extend_from_slice(&piece);
        }
        self
    }

    fn fragment(self, at: u64) -> Self {
        self.cluster(at).frame(1, at, b"first").frame(1, at + 40, b"second")
    }

    fn tag(mut self, name: &str, value: &str) -> Self {
        self.body.extend_from_slice(&self.writer.tags(&[Tag::new(name, value)]).unwrap());
        self
    }

    fn mark(mut self) -> Self {
        self.body.extend_from_slice(&self.writer.end_of_fragment());
        self
    }

    fn body(self) -> Bytes {
        self.body.freeze()
    }
}

fn absolute() -> IngestConfig {
    IngestConfig::new(FragmentTimecodeType::Absolute)
}

fn acks(ingest: &mut Ingest) -> Vec<Ack> {
    std::iter::from_fn(|| ingest.poll_ack()).collect()
}

fn fragments(ingest: &mut Ingest) -> Vec<IngestedFragment> {
    std::iter::from_fn(|| ingest.poll_fragment()).collect()
}

/// Describes acks: event types with timecodes, errors with ids.
fn words(acks: &[Ack]) -> Vec<String> {
    let word = |ack: &Ack| match (&ack.error, ack.fragment_timecode) {
        (Some(error), timecode) => format!("ERROR {} {timecode:?}", error.id.0),
        (None, Some(timecode)) => format!("{} {timecode}", ack.event_type),
        (None, None) => ack.event_type.to_string(),
    };
    acks.iter().map(word).collect()
}

/// Describes all acks of a complete body whose fragments are stored at once.
fn words_of(config: IngestConfig, body: Bytes) -> Vec<String> {
    let clock = Clock::new();
    let mut ingest = Ingest::new(config, clock.now());
    ingest.handle_body(body, clock.now());
    ingest.handle_end(clock.now());
    for fragment in fragments(&mut ingest) {
        ingest.handle_stored(&fragment.number, Ok(()), clock.now());
    }
    let words = words(&acks(&mut ingest));
    assert!(ingest.is_finished());
    words
}

#[test]
fn each_fragment_is_acked_buffering_received_persisted() {
    let clock = Clock::new();
    let mut ingest = Ingest::new(absolute(), clock.now());
    let first = Camera::new(1).fragment(1000);
    let head = first.body.len();
    let second = first.fragment(2000).body();
    ingest.handle_body(second.slice(..head), clock.now());
    assert_eq!(words(&acks(&mut ingest)), ["BUFFERING 1000"]);
    ingest.handle_body(second.slice(head..), clock.now());
    assert_eq!(words(&acks(&mut ingest)), ["RECEIVED 1000", "BUFFERING 2000"]);
    let fragment = ingest.poll_fragment().unwrap();
    assert!(ingest.poll_fragment().is_none());
    ingest.handle_stored(&fragment.number, Ok(()), clock.now());
    assert_eq!(words(&acks(&mut ingest)), ["PERSISTED 1000"]);
    ingest.handle_end(clock.now());
    assert_eq!(words(&acks(&mut ingest)), ["RECEIVED 2000"]);
    assert!(!ingest.is_finished());
    let fragment = ingest.poll_fragment().unwrap();
    ingest.handle_stored(&fragment.number, Ok(()), clock.now());
    assert_eq!(words(&acks(&mut ingest)), ["PERSISTED 2000"]);
    assert!(ingest.is_finished());
}

#[test]
fn end_of_fragment_tag_completes_a_fragment_with_its_tags() {
    let clock = Clock::new();
    let mut ingest = Ingest::new(absolute(), clock.now());
    let camera = Camera::new(1).fragment(1000).tag(tag_names::NOTIFICATION, "").tag("door", "open").mark();
    ingest.handle_body(camera.body.clone().freeze(), clock.now());
    assert_eq!(words(&acks(&mut ingest)), ["BUFFERING 1000", "RECEIVED 1000"]);
    let fragment = ingest.poll_fragment().unwrap();
    assert_eq!(fragment.tags, [[Tag::new(tag_names::NOTIFICATION, "")], [Tag::new("door", "open")]]);
    assert_eq!(fragment.len(), camera.body.len());
}

#[test]
fn tags_belong_to_the_cluster_before_them_or_after_the_mark_to_the_next_one() {
    let clock = Clock::new();
    let mut ingest = Ingest::new(absolute(), clock.now());
    let camera = Camera::new(1).tag("header", "1").fragment(1000).tag("first", "1").mark().tag("second", "0");
    let body = camera.fragment(2000).tag("second", "1").fragment(3000).body();
    ingest.handle_body(body, clock.now());
    ingest.handle_end(clock.now());
    let names = |fragment: &IngestedFragment| -> Vec<String> {
        fragment.tags.iter().flatten().map(|tag| format!("{}={}", tag.name, tag.value)).collect()
    };
    let fragments = fragments(&mut ingest);
    let names: Vec<_> = fragments.iter().map(names).collect();
    assert_eq!(names[0], ["header=1", "first=1"]);
    assert_eq!(names[1], ["second=0", "second=1"]);
    assert!(names[2].is_empty());
    // Each of them has the header with its tag.
    assert_eq!(fragments[0].header, fragments[2].header);
}

#[test]
fn tags_element_with_the_mark_in_the_middle_is_not_split() {
    let clock = Clock::new();
    let mut ingest = Ingest::new(absolute(), clock.now());
    let camera = Camera::new(1).fragment(1000);
    let before = camera.body.len();
    // Tags > Tag{mark} Tag{after=1}: take the two elements apart and put them under one head.
    let both = camera.mark().tag("after", "1");
    let (head, tags) = both.body.split_at(before);
    let (mark, after) = tags.split_at(84);
    let inner = [&mark[12..], &after[12..]].concat();
    let mut body = head.to_vec();
    body.extend_from_slice(&[0x12, 0x54, 0xC3, 0x67, 0x01]);
    body.extend_from_slice(&(inner.len() as u64).to_be_bytes()[1..]);
    body.extend_from_slice(&inner);
    let body = Bytes::from(body);
    ingest.handle_body(body.clone(), clock.now());
    let fragment = ingest.poll_fragment().unwrap();
    assert_eq!(fragment.tags, [[Tag::new("after", "1")]]);
    assert_eq!(fragment.len(), body.len());
}

#[test]
fn fragments_contain_the_bytes_of_the_body_unchanged() {
    let clock = Clock::new();
    let mut ingest = Ingest::new(absolute(), clock.now());
    let body = Camera::new(1).fragment(1000).tag("a", "b").fragment(2000).mark().body();
    ingest.handle_body(body.clone(), clock.now());
    let fragments = fragments(&mut ingest);
    let mut all = fragments[0].header.clone();
    for fragment in &fragments {
        all.append(fragment.cluster.clone());
        all.append(fragment.trailing.clone());
    }
    assert_eq!(all, Chunks::from(body));
}

#[test]
fn payloads_are_slices_of_the_pushed_bytes() {
    let clock = Clock::new();
    let mut ingest = Ingest::new(absolute(), clock.now());
    let payload = vec![0x65; 100_000];
    let body = Camera::new(1).cluster(0).frame(1, 0, &payload).frame(1, 40, &payload).body();
    let half = body.len() / 2;
    let pieces = [body.slice(..half), body.slice(half..)];
    for piece in &pieces {
        ingest.handle_body(piece.clone(), clock.now());
    }
    ingest.handle_end(clock.now());
    let fragment = ingest.poll_fragment().unwrap();
    let range = body.as_ptr_range();
    let frames: Vec<_> = fragment.frames().collect();
    assert_eq!(frames.len(), 2);
    for frame in frames {
        assert_eq!(frame.data, Chunks::from(payload.clone()));
        assert!(frame.data.iter().all(|piece| range.contains(&piece.as_ptr())));
    }
}

#[test]
fn relative_timecodes_count_from_the_start_timestamp_and_absolute_ones_do_not() {
    let clock = Clock::new();
    let start = ProducerStart::At(SECONDS(1_600_000_000));
    let one = |config: IngestConfig| {
        let mut ingest = Ingest::new(config, clock.now());
        ingest.handle_body(Camera::new(1).fragment(1000).mark().body(), clock.now());
        ingest.poll_fragment().unwrap()
    };
    let relative = one(IngestConfig::new(FragmentTimecodeType::Relative).producer_start(start));
    assert_eq!(relative.producer_timestamp, SystemTime::UNIX_EPOCH + SECONDS(1_600_000_001));
    assert_eq!((relative.timecode, relative.server_timestamp), (SECONDS(1), SystemTime::UNIX_EPOCH + NOON));
    let absolute = one(absolute().producer_start(start));
    assert_eq!(absolute.producer_timestamp, SystemTime::UNIX_EPOCH + SECONDS(1));
    let without = one(IngestConfig::new(FragmentTimecodeType::Relative));
    assert_eq!(without.producer_timestamp, SystemTime::UNIX_EPOCH + SECONDS(1));
}

#[test]
fn fragment_numbers_contain_sequence_and_server_time() {
    let clock = Clock::new();
    let mut ingest = Ingest::new(absolute().first_sequence(1001).seed(3), clock.now());
    ingest.handle_body(Camera::new(1).fragment(0).fragment(1000).mark().body(), clock.now());
    let parts: Vec<_> = fragments(&mut ingest).iter().map(|one| NumberParts::of(&one.number).unwrap()).collect();
    let ms = u64::try_from(NOON.as_millis()).unwrap();
    assert_eq!((parts[0].sequence, parts[0].server_ms, parts[1].sequence), (1001, ms, 1002));
    assert_ne!(parts[0].random, parts[1].random);
}

#[test]
fn each_broken_rule_ends_the_session_with_its_error_id() {
    let good = ["BUFFERING 0", "RECEIVED 0"];
    let after_good = |camera: Camera| words_of(absolute(), camera.body());
    let ends = |words: Vec<String>, last: &str| {
        assert_eq!(words[..2], good);
        assert_eq!(words.last().map(String::as_str), Some(last), "{words:?}");
    };
    let start = || Camera::new(1).fragment(0).mark();
    ends(after_good(start().fragment(40)), "ERROR 4004 Some(40)");
    ends(after_good(start().fragment(1000).frame(1, 21_001, b"late")), "ERROR 4002 Some(1000)");
    ends(after_good(start().fragment(1000).tag("AWS_OTHER", "")), "ERROR 4012 Some(1000)");
    ends(after_good(start().fragment(1000).tag("name", &"v".repeat(257))), "ERROR 4009 Some(1000)");
    let eleven = (0..11).fold(start().fragment(1000), |camera, _| camera.tag("name", ""));
    ends(after_good(eleven), "ERROR 4009 Some(1000)");
    let two = || Camera::new(2).cluster(0).frame(1, 0, b"v").frame(2, 0, b"a").mark().cluster(1000);
    ends(after_good(two().frame(1, 1000, b"v").mark()), "ERROR 4011 Some(1000)");
    assert_eq!(words_of(absolute(), Camera::new(4).fragment(0).body()), ["ERROR 4005 None"]);
}

#[test]
fn undeclared_track_is_error_4010() {
    let mut body = Camera::new(1).fragment(0).body().to_vec();
    let at = body.windows(5).rposition(|window| window == b"first").unwrap() - 4;
    assert_eq!(body[at], 0x81);
    body[at] = 0x85;
    assert_eq!(words_of(absolute(), body.into()), ["BUFFERING 0", "ERROR 4010 Some(0)"]);
}

#[test]
fn bytes_that_are_not_matroska_are_error_4006() {
    assert_eq!(words_of(absolute(), Bytes::from_static(b"GET / HTTP/1.1\r\n\r\n")), ["ERROR 4006 None"]);
    let twice = [Camera::new(1).fragment(0).body(), Camera::new(1).fragment(1000).body()].concat();
    assert_eq!(words_of(absolute(), twice.into()).last().unwrap(), "ERROR 4006 Some(0)");
    let cut = Camera::new(1).fragment(0).body();
    let cut = cut.slice(..cut.len() - 1);
    assert_eq!(words_of(absolute(), cut), ["BUFFERING 0", "ERROR 4006 Some(0)"]);
}

#[test]
fn fragments_above_the_size_limit_are_error_4001() {
    let half = vec![0; 25_000_000];
    let at = Camera::new(1).cluster(0).frame(1, 0, &half).frame(1, 1, &half);
    assert_eq!(words_of(absolute(), at.body.clone().freeze()), ["BUFFERING 0", "RECEIVED 0", "PERSISTED 0"]);
    assert_eq!(words_of(absolute(), at.frame(1, 2, b"x").body()), ["BUFFERING 0", "ERROR 4001 Some(0)"]);
    // A block that declares more than the limit is refused when its head is read.
    let mut announced = Camera::new(1).cluster(0).body().to_vec();
    announced.extend_from_slice(&[0xA3, 0x01, 0, 0, 0, 0xFF, 0, 0, 0]);
    assert_eq!(words_of(absolute(), announced.into()), ["BUFFERING 0", "ERROR 4001 Some(0)"]);
}

#[test]
fn endless_void_element_is_refused_before_it_fills_memory() {
    let clock = Clock::new();
    for (start, last) in [
        (Camera::new(1), "ERROR 4006 None"),
        (Camera::new(1).fragment(0), "ERROR 4001 Some(0)"),
        (Camera::new(1).fragment(0).tag("a", "b"), "ERROR 4006 Some(0)"),
        (Camera::new(1).fragment(0).mark(), "ERROR 4006 None"),
    ] {
        let mut ingest = Ingest::new(absolute(), clock.now());
        ingest.handle_body(start.body(), clock.now());
        // EbmlVoid of nearly a terabyte.
        ingest.handle_body(Bytes::from_static(&[0xEC, 0x01, 0, 0, 0xFF, 0, 0, 0, 0]), clock.now());
        let piece = Bytes::from(vec![0; 1 << 20]);
        let pushed = (0..100).take_while(|_| {
            ingest.handle_body(piece.clone(), clock.now());
            ingest.takes_body()
        });
        assert!(pushed.count() < 60);
        for fragment in fragments(&mut ingest) {
            ingest.handle_stored(&fragment.number, Ok(()), clock.now());
        }
        assert_eq!(words(&acks(&mut ingest)).last().unwrap(), last);
    }
}

#[test]
fn too_many_frames_in_a_fragment_are_error_4001() {
    let mut camera = Camera::new(1).cluster(0);
    for _ in 0..=limits::FRAGMENT_FRAMES {
        camera = camera.frame(1, 0, b"");
    }
    assert_eq!(words_of(absolute(), camera.body()), ["BUFFERING 0", "ERROR 4001 Some(0)"]);
}

#[test]
fn profile_2022_limits_fragments_to_ten_seconds() {
    let body = Camera::new(1).fragment(0).frame(1, 10_001, b"late").body();
    assert_eq!(words_of(absolute(), body.clone()), ["BUFFERING 0", "RECEIVED 0", "PERSISTED 0"]);
    assert_eq!(words_of(absolute().profile(Profile::Year2022), body), ["BUFFERING 0", "ERROR 4002 Some(0)"]);
}

#[test]
fn invalid_start_timestamp_is_error_4007_before_any_body() {
    let clock = Clock::new();
    let config = IngestConfig::new(FragmentTimecodeType::Relative).producer_start(ProducerStart::parse("soon"));
    let mut ingest = Ingest::new(config, clock.now());
    assert_eq!(words(&acks(&mut ingest)), ["ERROR 4007 None"]);
    assert!(ingest.is_finished() && !ingest.takes_body());
    let latest = IngestConfig::new(FragmentTimecodeType::Relative).producer_start(ProducerStart::parse("253402300799"));
    assert_eq!(words_of(latest, Camera::new(1).fragment(1).body()), ["ERROR 4007 None"]);
}

#[test]
fn fragments_stored_out_of_order_are_acked_in_order() {
    let clock = Clock::new();
    let mut ingest = Ingest::new(absolute(), clock.now());
    ingest.handle_body(Camera::new(1).fragment(0).fragment(1000).fragment(2000).mark().body(), clock.now());
    let fragments = fragments(&mut ingest);
    acks(&mut ingest);
    for at in [2, 0] {
        ingest.handle_stored(&fragments[at].number, Ok(()), clock.now());
    }
    assert_eq!(words(&acks(&mut ingest)), ["PERSISTED 0"]);
    ingest.handle_stored(&fragments[1].number, Ok(()), clock.now());
    assert_eq!(words(&acks(&mut ingest)), ["PERSISTED 1000", "PERSISTED 2000"]);
}

#[test]
fn failed_store_ends_the_session_after_the_acks_of_earlier_fragments() {
    let clock = Clock::new();
    let mut ingest = Ingest::new(absolute(), clock.now());
    ingest.handle_body(Camera::new(1).fragment(0).fragment(1000).fragment(2000).mark().body(), clock.now());
    let fragments = fragments(&mut ingest);
    acks(&mut ingest);
    ingest.handle_stored(&fragments[1].number, Err(ErrorId::ARCHIVAL_ERROR), clock.now());
    ingest.handle_stored(&fragments[2].number, Ok(()), clock.now());
    assert!(acks(&mut ingest).is_empty());
    ingest.handle_stored(&fragments[0].number, Ok(()), clock.now());
    assert_eq!(words(&acks(&mut ingest)), ["PERSISTED 0", "ERROR 5001 Some(1000)"]);
    assert!(ingest.is_finished());
}

#[test]
fn error_ack_follows_the_acks_of_fragments_received_before_it() {
    let clock = Clock::new();
    let mut ingest = Ingest::new(absolute(), clock.now());
    ingest.handle_body(Camera::new(1).fragment(0).fragment(1000).body(), clock.now());
    ingest.handle_body(Bytes::from_static(&[0; 16]), clock.now());
    assert_eq!(words(&acks(&mut ingest)), ["BUFFERING 0", "RECEIVED 0", "BUFFERING 1000"]);
    let fragment = ingest.poll_fragment().unwrap();
    ingest.handle_stored(&fragment.number, Ok(()), clock.now());
    assert_eq!(words(&acks(&mut ingest)), ["PERSISTED 0", "ERROR 4006 Some(1000)"]);
    ingest.handle_body(Camera::new(1).fragment(5000).body(), clock.now());
    ingest.handle_end(clock.now());
    ingest.handle_broken(clock.now());
    assert!(acks(&mut ingest).is_empty() && ingest.is_finished());
}

#[test]
fn stream_without_retention_gets_no_persisted_acks() {
    let body = Camera::new(1).fragment(0).fragment(1000).body();
    let words = words_of(absolute().retention(Retention::None), body);
    assert_eq!(words, ["BUFFERING 0", "RECEIVED 0", "BUFFERING 1000", "RECEIVED 1000"]);
}

#[test]
fn client_without_acks_still_gets_error_acks() {
    let config = || absolute().acks(AckMode::ErrorsOnly);
    assert!(words_of(config(), Camera::new(1).fragment(0).body()).is_empty());
    assert_eq!(words_of(config(), Bytes::from_static(b"nonsense nonsense")), ["ERROR 4006 None"]);
}

#[test]
fn broken_connection_loses_only_the_open_fragment() {
    let clock = Clock::new();
    let mut ingest = Ingest::new(absolute(), clock.now());
    ingest.handle_body(Camera::new(1).fragment(0).fragment(1000).body(), clock.now());
    ingest.handle_broken(clock.now());
    let fragments = fragments(&mut ingest);
    assert_eq!(fragments.len(), 1);
    ingest.handle_stored(&fragments[0].number, Ok(()), clock.now());
    assert_eq!(words(&acks(&mut ingest)).last().unwrap(), "ERROR 4000 Some(1000)");
}

#[test]
fn silent_client_gets_idle_acks_until_the_session_ends() {
    let mut clock = Clock::new();
    let mut ingest = Ingest::new(absolute(), clock.now());
    ingest.handle_body(Camera::new(1).fragment(0).mark().body(), clock.now());
    let fragment = ingest.poll_fragment().unwrap();
    ingest.handle_stored(&fragment.number, Ok(()), clock.now());
    acks(&mut ingest);
    let start = clock.now().at;
    while let Some(deadline) = ingest.poll_timeout() {
        let now = clock.pass(deadline - clock.now().at);
        ingest.handle_timeout(now);
    }
    assert_eq!(clock.now().at - start, SECONDS(30));
    assert_eq!(words(&acks(&mut ingest)), vec!["IDLE"; 7]);
    assert!(ingest.is_finished());
}

#[test]
fn silence_inside_a_fragment_is_error_4000() {
    let mut clock = Clock::new();
    let mut ingest = Ingest::new(absolute(), clock.now());
    ingest.handle_body(Camera::new(1).fragment(0).body(), clock.now());
    ingest.handle_timeout(clock.pass(SECONDS(30)));
    assert_eq!(words(&acks(&mut ingest)), ["BUFFERING 0", "ERROR 4000 Some(0)"]);
}

#[test]
fn slow_body_keeps_the_session_open_until_its_maximum_age() {
    let mut clock = Clock::new();
    let mut ingest = Ingest::new(absolute(), clock.now());
    let body = Camera::new(1).fragment(0).body();
    let mut bytes = body.chunks(1).cycle();
    let mut end = Vec::new();
    while !ingest.is_finished() {
        let now = clock.pass(SECONDS(29));
        ingest.handle_timeout(now);
        if now.at < clock.start + SECONDS(29 * body.len() as u64) {
            ingest.handle_body(Bytes::copy_from_slice(bytes.next().unwrap()), now);
        }
        end.extend(acks(&mut ingest));
    }
    assert_eq!(words(&end).last().unwrap(), "ERROR 4003 None");
    assert!(clock.passed >= SECONDS(45 * 60) && clock.passed < SECONDS(46 * 60));
}

#[test]
fn slow_store_pauses_the_body_and_does_not_count_as_silence() {
    let mut clock = Clock::new();
    let mut ingest = Ingest::new(absolute().in_flight_bytes(1), clock.now());
    ingest.handle_body(Camera::new(1).fragment(0).mark().body(), clock.now());
    assert!(!ingest.takes_body());
    ingest.handle_timeout(clock.pass(SECONDS(60)));
    assert_eq!(words(&acks(&mut ingest)), ["BUFFERING 0", "RECEIVED 0"]);
    let fragment = ingest.poll_fragment().unwrap();
    ingest.handle_stored(&fragment.number, Ok(()), clock.pass(SECONDS(60)));
    assert!(ingest.takes_body());
    ingest.handle_timeout(clock.pass(SECONDS(1)));
    assert_eq!(words(&acks(&mut ingest)), ["PERSISTED 0"]);
}

#[test]
fn service_error_ends_the_session_like_a_body_error() {
    let clock = Clock::new();
    let mut ingest = Ingest::new(absolute(), clock.now());
    ingest.handle_body(Camera::new(1).fragment(0).body(), clock.now());
    ingest.handle_error(ErrorId::STREAM_DELETED, clock.now());
    assert_eq!(words(&acks(&mut ingest)), ["BUFFERING 0", "ERROR 4507 Some(0)"]);
    assert!(ingest.is_finished());
}

/// Header, cluster, trailing, bytes of all frames, duration.
type Shape = (Chunks, Chunks, Chunks, usize, Duration);

fn outcome(body: &Bytes, cuts: &[usize]) -> (Vec<Ack>, Vec<Shape>) {
    let clock = Clock { start: Instant::now(), passed: Duration::ZERO };
    let mut ingest = Ingest::new(absolute(), clock.now());
    let (mut all_acks, mut all_fragments, mut at) = (Vec::new(), Vec::new(), 0);
    for &cut in cuts.iter().chain(&[body.len()]) {
        ingest.handle_body(body.slice(at..cut), clock.now());
        at = cut;
        all_fragments.extend(fragments(&mut ingest));
        all_acks.extend(acks(&mut ingest));
    }
    ingest.handle_end(clock.now());
    all_fragments.extend(fragments(&mut ingest));
    for fragment in &all_fragments {
        ingest.handle_stored(&fragment.number, Ok(()), clock.now());
    }
    all_acks.extend(acks(&mut ingest));
    assert!(ingest.is_finished());
    let shape = |one: IngestedFragment| {
        let frames = one.frames().map(|frame| frame.data.len()).sum();
        (one.header, one.cluster, one.trailing, frames, one.duration)
    };
    (all_acks, all_fragments.into_iter().map(shape).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn fragments_and_acks_do_not_depend_on_how_the_body_is_split(cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20)) {
        let large = vec![1; 9000];
        let camera = Camera::new(2).tag("header", "x").cluster(0).frame(1, 0, &large).frame(2, 0, b"a").tag("a", "1").mark();
        let camera = camera.tag("early", "1").cluster(1000).frame(1, 1000, b"v").frame(2, 1001, &large).tag("b", "1");
        let body = camera.cluster(2000).frame(2, 2000, b"a").frame(1, 2040, b"v").mark().body();
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(body.len())).collect();
        cuts.sort_unstable();
        prop_assert_eq!(outcome(&body, &cuts), outcome(&body, &[]));
    }

    #[test]
    fn damaged_body_ends_with_at_most_one_error_ack_at_its_end(at: prop::sample::Index, byte: u8, cut in 1..4000_usize) {
        let body = Camera::new(2).cluster(0).frame(1, 0, &[9; 3000]).frame(2, 0, b"a").tag("a", "1").mark();
        let mut body = body.cluster(1000).frame(1, 1000, b"v").frame(2, 1001, b"a").tag("b", "1").body().to_vec();
        let at = at.index(body.len());
        body[at] = byte;
        let body = Bytes::from(body);
        let cuts: Vec<_> = (cut..body.len()).step_by(cut).collect();
        let (acks, _) = outcome(&body, &cuts);
        let errors = acks.iter().filter(|ack| ack.event_type == AckEventType::Error).count();
        prop_assert!(errors <= 1);
        let ends_with_it = acks.last().is_some_and(|ack| ack.event_type == AckEventType::Error);
        prop_assert!(errors == 0 || ends_with_it);
    }
}

//! What the buffer asks of a spool whose answers come late.

use std::path::Path;
use std::sync::Arc;

use kvs_mkv::{BlockRoom, CodecId, Frame, Track, TrackKind, TrackNumber};

use super::*;
use crate::buffer::epoch::Epoch;
use crate::buffer::fragment::FragmentEnd;
use crate::spool::message::Parcel;
use crate::tags::TagSet;

const LIMIT: usize = 100_000;
const KEY: RecordKey = RecordKey { segment: 0, at: 50 };

/// A buffer whose spool has answered that an earlier run left `fragments`.
fn opened(fragments: u64, now: Instant) -> (FragmentBuffer, ReportSink) {
    let spill = Spill::new(&SpoolConfig::new(Path::new("unused")), now);
    let mut buffer = FragmentBuffer::new(LIMIT, Duration::from_secs(600), None).with_spill(Some(spill));
    let mut sink = ReportSink::default();
    assert!(matches!(buffer.poll_spool(now, &mut sink), Some(Request::Open)));
    let held = Held { fragments, frames: fragments, bytes: fragments * 1000, ..Held::default() };
    buffer.handle_spool(Response::Opened(held), now, &mut sink);
    (buffer, sink)
}

fn epoch() -> Arc<Epoch> {
    let track = Track::new(TrackNumber::ONE, TrackKind::Video, CodecId::H264);
    Arc::new(Epoch { id: 1, tracks: vec![track], origin: 0 })
}

/// Adds a complete fragment of one frame.
fn add(buffer: &mut FragmentBuffer, bytes: usize, sink: &mut ReportSink) -> FragmentId {
    let id = buffer.next_id();
    buffer.begin(Fragment::new(id, epoch(), 0, TagSet::default(), &BlockRoom::default()));
    buffer.append(&mut Frame::new(TrackNumber::ONE, Duration::ZERO, vec![0; bytes]).with_keyframe(true), 0);
    buffer.seal(FragmentEnd::Mark, sink);
    id
}

fn requested_room(request: Option<Request>) -> Option<usize> {
    if let Some(Request::Load { room, .. }) = request { Some(room) } else { None }
}

#[test]
fn room_that_is_freed_during_a_read_counts() {
    let now = Instant::now();
    let (mut buffer, mut sink) = opened(1, now);
    let id = add(&mut buffer, 40_000, &mut sink);
    let before = requested_room(buffer.poll_spool(now, &mut sink)).unwrap();
    assert!(before < 60_000);
    buffer.lose(id, LossReason::Stopped, &mut sink);
    buffer.handle_spool(Response::NoRoom, now, &mut sink);
    assert_eq!(requested_room(buffer.poll_spool(now, &mut sink)), Some(LIMIT), "asked again at once");
    buffer.handle_spool(Response::NoRoom, now, &mut sink);
    assert!(buffer.poll_spool(now, &mut sink).is_none(), "not again without more room");
}

#[test]
fn what_goes_back_to_the_disk_during_a_read_that_finds_nothing_still_waits() {
    let now = Instant::now();
    let (mut buffer, mut sink) = opened(1, now);
    assert!(requested_room(buffer.poll_spool(now, &mut sink)).is_some());
    let id = add(&mut buffer, 60_000, &mut sink);
    assert!(
        matches!(buffer.poll_spool(now, &mut sink), Some(Request::Store(Parcel { id: stored, .. })) if stored == id)
    );
    // Memory is under pressure, so it leaves as soon as it is on disk.
    buffer.handle_spool(Response::Stored { id, key: KEY }, now, &mut sink);
    assert_eq!(buffer.bytes(), 0);
    buffer.handle_spool(Response::Nothing, now, &mut sink);
    assert!(!buffer.is_empty());
    assert!(matches!(buffer.poll_spool(now, &mut sink), Some(Request::Return(KEY))));
    assert_eq!(requested_room(buffer.poll_spool(now, &mut sink)), Some(LIMIT));
}

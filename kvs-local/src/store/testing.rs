//! Fragments for tests.

use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use kvs_mkv::{CodecId, Frame, SegmentInfo, Tag, Track, TrackKind, TrackNumber, Writer};

use crate::ingest::{FragmentTimecodeType, Ingest, IngestConfig, IngestedFragment, Now};

pub(crate) const MS: fn(u64) -> Duration = Duration::from_millis;
pub(crate) const START_MS: u64 = 1_700_000_000_000;

pub(crate) fn at(ms: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + MS(START_MS + ms)
}

/// A fragment that the producer stamped `ms` and the service saw half a second later.
pub(crate) fn fragment(sequence: u64, ms: u64, payload: usize) -> IngestedFragment {
    let track = Track::new(TrackNumber::ONE, TrackKind::Video, CodecId::H264);
    let mut writer = Writer::new(SegmentInfo::new([7; 16]), vec![track]).unwrap();
    let now = Now { at: Instant::now(), wall: at(ms + 500) };
    let config = IngestConfig::new(FragmentTimecodeType::Absolute).first_sequence(sequence).seed(ms);
    let mut ingest = Ingest::new(config, now);
    ingest.handle_body(writer.start_segment(), now);
    ingest.handle_body(writer.start_cluster(MS(START_MS + ms)).unwrap(), now);
    for frame in 0..5 {
        let data = Bytes::from(vec![u8::try_from(sequence % 251).unwrap(); payload]);
        let frame = Frame::new(TrackNumber::ONE, MS(START_MS + ms + frame * 200), data).with_keyframe(frame == 0);
        for piece in writer.block(frame).unwrap() {
            ingest.handle_body(piece, now);
        }
    }
    ingest.handle_body(writer.tags(&[Tag::new("n", sequence.to_string()), Tag::new("é", "")]).unwrap(), now);
    ingest.handle_body(writer.end_of_fragment(), now);
    ingest.poll_fragment().unwrap()
}

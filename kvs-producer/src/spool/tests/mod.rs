//! The spool on a simulated disk.
#![expect(clippy::unwrap_used, reason = "tests only")]

mod damage;
mod limits;
mod stops;
mod storing;

use std::sync::Arc;
use std::time::Duration;

use kvs_mkv::{
    BlockBuffer, BlockPosition, Chunks, CodecId, Frame, SegmentInfo, Tag, Track, TrackKind, TrackNumber, Writer,
};

use crate::buffer::epoch::Epoch;
use crate::buffer::fragment::FragmentEnd;
use crate::config::Overflow;
use crate::report::span::FragmentId;
use crate::report::spool::SpoolProblem;
use crate::spool::config::SpoolConfig;
use crate::spool::engine::Spool;
use crate::spool::message::{Held, Loaded, Parcel, RecordKey, Request, Response, SpoolRequest};
use crate::spool::sim::SimDisk;
use crate::tags::TagSet;

/// 2024-05-01T00:00:00Z in ms.
const EPOCH: u64 = 1_714_521_600_000;
const KIB: u64 = 1 << 10;

/// A fragment of three frames, recognizable by its number.
fn parcel(n: u64, payload: usize) -> Parcel {
    let video = Track::new(TrackNumber::ONE, TrackKind::Video, CodecId::H264).with_video(640, 360);
    let video = video.with_codec_private(vec![1, 0x64, 0, 0x1e]);
    let audio = Track::new(TrackNumber::TWO, TrackKind::Audio, CodecId::AAC).with_audio(48_000.0, 2, None);
    let start = EPOCH + n * 2000;
    let frame = |track, ms, keyframe| {
        let mut data = n.to_le_bytes().to_vec();
        data.resize(payload, u8::try_from(n % 251).unwrap());
        Frame::new(track, Duration::from_millis(start + ms), data).with_keyframe(keyframe)
    };
    let (one, two) = (TrackNumber::ONE, TrackNumber::TWO);
    let frames = vec![frame(one, 0, true), frame(two, 10, false), frame(one, 1960, false)];
    let mut tags = TagSet::default();
    tags.add_tag(Tag::new("n", n.to_string())).unwrap();
    let bytes = frames.iter().map(|frame| frame.data.len() as u64).sum();
    let mut blocks = BlockBuffer::new(Duration::from_millis(start));
    frames.into_iter().for_each(|mut frame| blocks.push(&mut frame).unwrap());
    let epoch = Arc::new(Epoch { id: 1, tracks: vec![video, audio.with_codec_private(vec![0x11, 0x90])], origin: 0 });
    let end = if n.is_multiple_of(2) { FragmentEnd::Mark } else { FragmentEnd::NextCluster };
    let (earliest, latest) = (start, start + 1960);
    Parcel { id: FragmentId(n), epoch, start, earliest, latest, blocks, frames: 3, bytes, tags, end }
}

fn same(a: &Parcel, b: &Parcel) -> bool {
    let of = |p: &Parcel| (p.id, p.start, p.earliest, p.latest, p.bytes, p.end, p.tags.clone(), p.epoch.origin);
    of(a) == of(b) && a.frames == b.frames && written(a) == written(b) && a.epoch.tracks == b.epoch.tracks
}

/// The blocks of a fragment as they are sent.
fn written(parcel: &Parcel) -> Chunks {
    let mut writer = Writer::new(SegmentInfo::new([1; 16]), parcel.epoch.tracks.clone()).unwrap();
    writer.start_segment();
    writer.start_cluster(Duration::from_millis(parcel.start)).unwrap();
    let mut written = Chunks::new();
    writer.buffered_blocks(&parcel.blocks, &mut BlockPosition::default(), usize::MAX, &mut written).unwrap();
    written
}

fn config(limit: u64) -> SpoolConfig {
    SpoolConfig::new("unused").bytes(limit)
}

/// A spool on a disk, and what an earlier run left.
fn open(disk: &SimDisk, config: &SpoolConfig, overflow: Overflow) -> (Spool, Held, Vec<SpoolProblem>) {
    let mut spool = Spool::on(Some(Box::new(disk.clone())), "cam", config, overflow);
    let (mut held, mut problems) = (Held::default(), Vec::new());
    for response in ask(&mut spool, Request::Open) {
        match response {
            Response::Opened(found) => held = found,
            Response::Problem(problem) => problems.push(problem),
            other => panic!("{other:?}"),
        }
    }
    (spool, held, problems)
}

fn ask(spool: &mut Spool, request: Request) -> Vec<Response> {
    spool.handle(SpoolRequest(request)).map(|response| response.0).collect()
}

fn store(spool: &mut Spool, parcel: Parcel) -> Option<RecordKey> {
    ask(spool, Request::Store(parcel)).into_iter().find_map(|response| match response {
        Response::Stored { key, .. } => Some(key),
        _ => None,
    })
}

/// Stores a fragment and lets go of it.
fn put(spool: &mut Spool, parcel: Parcel) -> RecordKey {
    let key = store(spool, parcel).unwrap();
    assert!(ask(spool, Request::Return(key)).is_empty());
    key
}

fn load(spool: &mut Spool) -> Option<Loaded> {
    ask(spool, Request::Load { room: usize::MAX, limit: usize::MAX }).into_iter().find_map(|response| match response {
        Response::Loaded(loaded) => Some(loaded),
        _ => None,
    })
}

fn load_all(spool: &mut Spool) -> Vec<u64> {
    std::iter::from_fn(|| load(spool)).map(|loaded| loaded.parcel.id.0).collect()
}

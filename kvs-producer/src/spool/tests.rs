//! The spool on a simulated disk.
#![expect(clippy::unwrap_used, reason = "tests only")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use kvs_mkv::{CodecId, Frame, Tag, Track, TrackKind, TrackNumber};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use super::config::SpoolConfig;
use super::disk::SpoolDisk;
use super::engine::Spool;
use super::message::{Held, Loaded, LossSource, Parcel, RecordKey, Request, Response, SpoolLoss, SpoolRequest};
use super::record;
use super::sim::{SimDisk, Stop};
use crate::buffer::epoch::Epoch;
use crate::buffer::fragment::FragmentEnd;
use crate::config::{Overflow, SpoolOrder};
use crate::report::span::FragmentId;
use crate::report::spool::SpoolProblem;
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
    let epoch = Arc::new(Epoch { id: 1, tracks: vec![video, audio.with_codec_private(vec![0x11, 0x90])], origin: 0 });
    let end = if n.is_multiple_of(2) { FragmentEnd::Mark } else { FragmentEnd::NextCluster };
    Parcel { id: FragmentId(n), epoch, start, latest: start + 1960, frames, bytes, tags, end }
}

fn same(a: &Parcel, b: &Parcel) -> bool {
    let of = |p: &Parcel| (p.id, p.start, p.latest, p.bytes, p.end, p.tags.clone(), p.epoch.origin);
    of(a) == of(b) && a.frames == b.frames && a.epoch.tracks == b.epoch.tracks
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

#[test]
fn a_record_is_read_back_as_it_was_and_its_payload_is_a_matroska_document() {
    let put = parcel(7, 300);
    let pointer = put.frames[0].data.pieces()[0].as_ptr();
    let (head, pieces) = record::encode(put.clone()).unwrap();
    assert!(pieces.iter().any(|piece| piece.as_ptr() == pointer), "the payload is not copied");
    let bytes = pieces.concat();
    assert_eq!(bytes.len() as u64, head.record_len());
    assert_eq!(bytes[record::HEAD_BYTES..][..4], [0x1a, 0x45, 0xdf, 0xa3], "an EBML head");
    assert!(same(&record::decode(bytes.clone().into()).unwrap(), &put));
    for at in 0..bytes.len() {
        let mut wrong = bytes.clone();
        wrong[at] ^= 1;
        assert!(record::decode(wrong.into()).is_none(), "byte {at}");
    }
}

#[test]
fn what_was_stored_is_sent_after_a_restart_in_either_order() {
    let disk = SimDisk::new(1, u64::MAX);
    let (mut spool, _, _) = open(&disk, &config(1024 * KIB), Overflow::DropOldest);
    for n in 1..=40 {
        put(&mut spool, parcel(n, 5000));
    }
    drop(spool);
    assert!(disk.names().len() > 8, "several segments: {:?}", disk.names());
    let oldest = config(1024 * KIB);
    let (mut spool, held, problems) = open(&disk, &oldest, Overflow::DropOldest);
    assert_eq!((held.fragments, held.frames, problems), (40, 120, vec![]));
    assert_eq!((held.start, held.latest), (EPOCH + 2000, EPOCH + 80_000 + 1960));
    let first = load(&mut spool).unwrap();
    assert!(first.is_recovered && same(&first.parcel, &parcel(1, 5000)));
    assert_eq!(load_all(&mut spool), (2..=40).collect::<Vec<_>>());
    // What the core holds comes back if it is returned.
    ask(&mut spool, Request::Return(first.key));
    assert_eq!(load_all(&mut spool), [1]);

    let newest = oldest.order(SpoolOrder::NewestFirst);
    let (mut spool, _, _) = open(&disk, &newest, Overflow::DropOldest);
    let order = load_all(&mut spool);
    assert_eq!(order.iter().copied().collect::<BTreeSet<_>>(), (1..=40).collect());
    assert!(order[0] > 30 && *order.last().unwrap() < 10, "from the newest segment to the oldest: {order:?}");
    let falls = order.windows(2).filter(|pair| pair[0] > pair[1]).count();
    assert_eq!(falls, disk.names().len() - 1, "rising within each segment");
}

#[test]
fn what_is_settled_is_not_sent_again_and_frees_the_disk() {
    let disk = SimDisk::new(1, u64::MAX);
    let (mut spool, _, _) = open(&disk, &config(1024 * KIB), Overflow::DropOldest);
    let keys: Vec<RecordKey> = (1..=40).map(|n| put(&mut spool, parcel(n, 5000))).collect();
    for key in keys.iter().step_by(2) {
        ask(&mut spool, Request::Settle(*key));
    }
    let (mut spool, held, _) = open(&disk, &config(1024 * KIB), Overflow::DropOldest);
    assert_eq!(held.fragments, 20);
    assert_eq!(load_all(&mut spool), (1..=20).map(|n| n * 2).collect::<Vec<_>>());
    for key in keys.iter().skip(1).step_by(2) {
        ask(&mut spool, Request::Settle(*key));
    }
    assert!(disk.names().is_empty(), "{:?}", disk.names());
    put(&mut spool, parcel(50, 100));
    assert_eq!(load_all(&mut spool), [50]);
}

#[test]
fn the_oldest_is_lost_at_the_limit_with_its_time_range_or_nothing_is_stored() {
    let disk = SimDisk::new(1, u64::MAX);
    let (mut spool, _, _) = open(&disk, &config(256 * KIB), Overflow::DropOldest);
    let (mut lost, mut most, mut reported) = (Held::default(), 0, Vec::new());
    for n in 1..=100 {
        for response in ask(&mut spool, Request::Store(parcel(n, 5000))) {
            match response {
                Response::Lost { held, why, source } => {
                    assert_eq!((why, held.start), (SpoolLoss::Full, EPOCH + 2000 * (lost.fragments + 1)));
                    lost.add(&held);
                    reported.extend(source);
                }
                Response::Stored { key, .. } => assert!(ask(&mut spool, Request::Return(key)).is_empty()),
                other => panic!("{other:?}"),
            }
        }
        most = most.max(disk.bytes());
        for source in reported.drain(..) {
            assert!(ask(&mut spool, Request::Reported(source)).is_empty());
        }
    }
    assert!(disk.names().iter().all(|name| !name.ends_with(".lost")), "{:?}", disk.names());
    assert!(most <= 256 * KIB && most > 200 * KIB, "{most}");
    let left = load_all(&mut spool);
    assert_eq!(left, (lost.fragments + 1..=100).collect::<Vec<_>>());

    let disk = SimDisk::new(1, u64::MAX);
    let (mut spool, _, _) = open(&disk, &config(64 * KIB), Overflow::Refuse);
    let stored = (1..=10).take_while(|n| store(&mut spool, parcel(*n, 5000)).is_some()).count();
    assert_eq!(stored, 4);
    let problem = ask(&mut spool, Request::Store(parcel(11, 5000))).remove(0);
    assert!(matches!(problem, Response::Problem(SpoolProblem::LimitReached { limit: 65_536 })), "{problem:?}");
    assert!(store(&mut spool, parcel(12, 40_000)).is_none());
}

#[test]
fn a_full_or_read_only_disk_is_a_report_and_what_is_there_is_still_sent() {
    let disk = SimDisk::new(1, u64::MAX);
    let (mut spool, _, _) = open(&disk, &config(1024 * KIB), Overflow::Refuse);
    for n in 1..=3 {
        put(&mut spool, parcel(n, 5000));
    }
    disk.set_capacity(Some(disk.bytes() + 7000));
    let answer = ask(&mut spool, Request::Store(parcel(4, 5000)));
    assert!(
        matches!(answer[..], [Response::Problem(SpoolProblem::DiskFull), Response::NotStored { .. }]),
        "{answer:?}"
    );
    disk.set_capacity(None);
    put(&mut spool, parcel(5, 5000));
    disk.set_read_only(true);
    let answer = ask(&mut spool, Request::Store(parcel(6, 5000)));
    assert!(
        matches!(answer[..], [Response::Problem(SpoolProblem::ReadOnly), Response::NotStored { .. }]),
        "{answer:?}"
    );
    let one = load(&mut spool).unwrap();
    let answer = ask(&mut spool, Request::Settle(one.key));
    assert!(matches!(answer[..], [Response::Problem(SpoolProblem::ReadOnly)]), "{answer:?}");
    assert_eq!(load_all(&mut spool), [2, 3, 5], "1 is settled although it could not be marked");
    disk.set_read_only(false);
    put(&mut spool, parcel(7, 5000));
    assert_eq!(load_all(&mut spool), [7]);
    drop(spool);
    // The record that did not fit is in the file, incomplete.
    let (_, held, problems) = open(&disk, &config(1024 * KIB), Overflow::Refuse);
    assert_eq!(held.fragments, 5);
    assert!(matches!(problems[..], [SpoolProblem::Incomplete { .. }]), "{problems:?}");
}

#[test]
fn a_record_whose_sync_failed_is_stored_again_and_read_once() {
    let disk = SimDisk::new(1, u64::MAX);
    let (mut spool, _, _) = open(&disk, &config(1024 * KIB), Overflow::Refuse);
    put(&mut spool, parcel(1, 5000));
    disk.set_fails_to_sync(true);
    let before = disk.bytes();
    let answer = ask(&mut spool, Request::Store(parcel(2, 5000)));
    assert!(
        matches!(answer[..], [Response::Problem(SpoolProblem::Io { .. }), Response::NotStored { .. }]),
        "{answer:?}"
    );
    assert!(disk.bytes() > before + 15_000, "the whole record is in the file");
    disk.set_fails_to_sync(false);
    for n in 2..=40 {
        put(&mut spool, parcel(n, 5000));
    }
    // The entries of the first segment were dropped meanwhile, so its file is read again.
    assert_eq!(load_all(&mut spool), (1..=40).collect::<Vec<_>>());
}

#[test]
fn a_loss_that_was_not_reported_is_reported_by_the_next_run() {
    let disk = SimDisk::new(1, u64::MAX);
    let (mut spool, _, _) = open(&disk, &config(256 * KIB), Overflow::DropOldest);
    let mut lost = Vec::new();
    for n in 1.. {
        for response in ask(&mut spool, Request::Store(parcel(n, 5000))) {
            match response {
                Response::Stored { key, .. } => assert!(ask(&mut spool, Request::Return(key)).is_empty()),
                Response::Lost { held, .. } => lost.push(held),
                other => panic!("{other:?}"),
            }
        }
        if lost.len() == 2 {
            break;
        }
    }
    // The process ends before the application is told.
    drop(spool);
    for _ in 0..2 {
        let mut spool = Spool::on(Some(Box::new(disk.clone())), "cam", &config(256 * KIB), Overflow::DropOldest);
        let mut responses = ask(&mut spool, Request::Open).into_iter();
        let Some(Response::Opened(all)) = responses.next() else { panic!("opened first") };
        let again: Vec<_> = responses.collect();
        for (response, was) in again.iter().zip(&lost) {
            assert!(
                matches!(response, Response::Lost { held, why: SpoolLoss::Full, .. } if held == was),
                "{response:?}"
            );
        }
        assert_eq!(again.len(), 2);
        assert_eq!(all.fragments, lost[0].fragments + lost[1].fragments + load_all(&mut spool).len() as u64);
        assert_eq!(all.start, lost[0].start);
    }
    // Now it is told.
    for segment in [0, 1] {
        let (mut spool, mut sources) =
            (Spool::on(Some(Box::new(disk.clone())), "cam", &config(256 * KIB), Overflow::DropOldest), Vec::new());
        for response in ask(&mut spool, Request::Open) {
            if let Response::Lost { source, .. } = response {
                sources.extend(source);
            }
        }
        assert_eq!(sources, (segment..2).map(LossSource::Notice).collect::<Vec<_>>());
        ask(&mut spool, Request::Reported(sources[0]));
    }
    let (_, held, _) = open(&disk, &config(256 * KIB), Overflow::DropOldest);
    assert!(held.start > lost[1].start);
}

#[test]
fn a_notice_beside_its_segment_or_with_a_wrong_byte_is_no_loss() {
    let disk = SimDisk::new(1, u64::MAX);
    let (mut spool, _, _) = open(&disk, &config(256 * KIB), Overflow::DropOldest);
    put(&mut spool, parcel(1, 500));
    drop(spool);
    let mut notice = [1_u64.to_le_bytes(); 5].concat();
    notice.extend(crc32fast::hash(&notice).to_le_bytes());
    disk.put("0000000000.lost", notice.clone());
    notice[3] ^= 1;
    disk.put("0000000007.lost", notice);
    let (mut spool, held, problems) = open(&disk, &config(256 * KIB), Overflow::DropOldest);
    assert_eq!((held.fragments, problems), (1, vec![]));
    assert_eq!((load_all(&mut spool), disk.names()), (vec![1], vec!["0000000000.seg".to_owned()]));
}

#[test]
fn what_never_fits_is_told_apart_from_what_does_not_fit_now() {
    let disk = SimDisk::new(1, u64::MAX);
    let (mut spool, _, _) = open(&disk, &config(64 * KIB), Overflow::DropOldest);
    put(&mut spool, parcel(1, 5000));
    let answer = ask(&mut spool, Request::Store(parcel(2, 30_000)));
    assert!(
        matches!(
            answer[..],
            [Response::Problem(SpoolProblem::TooLarge { limit: 65_536, .. }), Response::Unfit { id: FragmentId(2) }]
        ),
        "{answer:?}"
    );
    assert_eq!(load_all(&mut spool), [1], "nothing was dropped for it");
}

#[test]
fn on_a_full_disk_the_oldest_makes_room_if_the_policy_drops_the_oldest() {
    let disk = SimDisk::new(1, u64::MAX);
    let (mut spool, _, _) = open(&disk, &config(256 * KIB), Overflow::DropOldest);
    for n in 1..=5 {
        put(&mut spool, parcel(n, 5000));
    }
    disk.set_capacity(Some(disk.bytes() + 100));
    let answer = ask(&mut spool, Request::Store(parcel(6, 5000)));
    assert!(matches!(answer[..], [Response::Lost { .. }, Response::Stored { .. }]), "{answer:?}");
}

#[test]
fn damage_costs_the_records_that_it_hits_and_they_are_never_sent() {
    let mut lost = 0;
    for place in 0..400 {
        let disk = SimDisk::new(place, u64::MAX);
        let (mut spool, _, _) = open(&disk, &config(256 * KIB), Overflow::DropOldest);
        for n in 1..=12 {
            put(&mut spool, parcel(n, 500));
        }
        drop(spool);
        disk.damage(".seg", place * 9973);
        let (mut spool, held, problems) = open(&disk, &config(256 * KIB), Overflow::DropOldest);
        let mut responses = Vec::new();
        while !matches!(responses.last(), Some(Response::Nothing)) {
            responses.extend(ask(&mut spool, Request::Load { room: usize::MAX, limit: usize::MAX }));
        }
        let (mut sent, mut reported) = (0, 0);
        let mut told = problems.len();
        for response in responses {
            match response {
                Response::Loaded(loaded) => {
                    assert!(same(&loaded.parcel, &parcel(loaded.parcel.id.0, 500)));
                    sent += 1;
                }
                Response::Lost { held, why: SpoolLoss::Damaged, .. } => reported += held.fragments,
                Response::Problem(_) => told += 1,
                Response::Nothing => {}
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(sent + reported, held.fragments);
        // A bit in the header of a segment costs the segment.
        assert!(told > 0 && sent < 12, "place {place}: a bit was turned over and nobody noticed");
        lost += 12 - sent;
    }
    assert!(lost < 400 * 2, "{lost} fragments lost by 400 bits");
}

#[test]
fn a_segment_whose_header_is_damaged_is_kept_for_people_and_one_of_another_version_too() {
    let disk = SimDisk::new(1, u64::MAX);
    let (mut spool, _, _) = open(&disk, &config(256 * KIB), Overflow::DropOldest);
    put(&mut spool, parcel(1, 500));
    drop(spool);
    let name = disk.names().remove(0);
    let whole = disk.read(&name, 0, usize::MAX).unwrap();
    let mut damaged = whole.clone();
    damaged[20] ^= 1;
    let other_version = [&b"KVS-SPOOL SEG 2\n"[..], &[0; 100]].concat();
    for (bytes, is_kept) in
        [(damaged, true), (other_version, true), (whole[..200].to_vec(), false), (whole[..9].to_vec(), false)]
    {
        disk.put(&name, bytes.clone());
        let (mut spool, held, problems) = open(&disk, &config(256 * KIB), Overflow::DropOldest);
        assert_eq!((held.fragments, problems.len()), (0, 1), "{problems:?}");
        assert_eq!(disk.names().len(), usize::from(is_kept));
        put(&mut spool, parcel(2, 500));
        assert_eq!(load_all(&mut spool), [2]);
        let kept = disk.read(&name, 0, usize::MAX).is_ok_and(|now| now == bytes);
        assert_eq!(kept, is_kept, "a segment that is left alone does not change");
        for name in disk.names() {
            disk.clone().remove(&name).unwrap();
        }
    }
}

#[test]
fn memory_does_not_grow_with_the_number_of_fragments() {
    let disk = SimDisk::new(1, u64::MAX);
    let (mut spool, _, _) = open(&disk, &config(16 * 1024 * KIB), Overflow::DropOldest);
    for n in 1..=5000 {
        put(&mut spool, parcel(n, 300));
    }
    assert!(spool.entries_in_memory() < 2000, "{}", spool.entries_in_memory());
    let (mut spool, held, _) = open(&disk, &config(16 * 1024 * KIB), Overflow::DropOldest);
    assert_eq!((held.fragments, spool.entries_in_memory()), (5000, 0));
    let mut most = 0;
    while let Some(loaded) = load(&mut spool) {
        ask(&mut spool, Request::Settle(loaded.key));
        most = most.max(spool.entries_in_memory());
    }
    assert!(most < 1000, "{most}");
    assert!(disk.names().is_empty());
}

#[test]
fn a_folder_of_another_stream_is_left_alone() {
    let disk = SimDisk::new(1, u64::MAX);
    let mut other = Spool::on(Some(Box::new(disk.clone())), "door", &config(1024 * KIB), Overflow::DropOldest);
    ask(&mut other, Request::Open);
    put(&mut other, parcel(1, 100));
    let (mut spool, held, problems) = open(&disk, &config(1024 * KIB), Overflow::DropOldest);
    assert_eq!(held.fragments, 0);
    assert!(matches!(&problems[..], [SpoolProblem::OtherStream { stream, .. }] if stream == "door"), "{problems:?}");
    assert_eq!(load_all(&mut spool), [0_u64; 0]);
    put(&mut spool, parcel(2, 100));
    assert_eq!(load_all(&mut spool), [2]);
    assert_eq!(disk.names().len(), 2);
}

/// What a run was told.
#[derive(Debug, Default)]
struct Ledger {
    /// Reported as stored, and neither settled nor lost since.
    stored: BTreeMap<u64, RecordKey>,
    /// All that was ever given to the spool.
    given: BTreeSet<u64>,
    /// Settled, and the journal was asked to remember it.
    settled: BTreeSet<u64>,
    /// Reported lost, as numbers of fragments.
    lost: u64,
}

impl Ledger {
    fn lose(&mut self, held: &Held) {
        self.lost += held.fragments;
        // The fragments of the span are gone.
        let gone = |n: &u64| EPOCH + n * 2000 >= held.start && EPOCH + n * 2000 <= held.latest;
        self.stored.retain(|n, _| !gone(n));
    }
}

/// What the core hears; nothing if the machine stops before the answer.
fn hear(spool: &mut Spool, disk: &SimDisk, request: Request) -> Vec<Response> {
    let responses = ask(spool, request);
    if disk.has_stopped() { Vec::new() } else { responses }
}

/// Stores, loads and settles until the disk stops.
fn work(spool: &mut Spool, disk: &SimDisk, chance: &mut fastrand::Rng, ledger: &mut Ledger, first: u64) {
    let mut held: Vec<Loaded> = Vec::new();
    for n in (first..first + 60).take_while(|_| !disk.has_stopped()) {
        match chance.u8(..10) {
            0..=5 => {
                ledger.given.insert(n);
                for response in hear(spool, disk, Request::Store(parcel(n, chance.usize(8..3000)))) {
                    match response {
                        Response::Stored { key, .. } => {
                            ledger.stored.insert(n, key);
                            ask(spool, Request::Return(key));
                        }
                        Response::Lost { held, source, .. } => {
                            ledger.lose(&held);
                            source.into_iter().for_each(|source| drop(ask(spool, Request::Reported(source))));
                        }
                        _ => {}
                    }
                }
            }
            6..=7 => held.extend(load(spool).filter(|_| !disk.has_stopped())),
            _ => {
                if let Some(loaded) = (!held.is_empty()).then(|| held.swap_remove(chance.usize(..held.len()))) {
                    let answer = ask(spool, Request::Settle(loaded.key));
                    ledger.stored.remove(&loaded.parcel.id.0);
                    // If the disk stopped before the mark was written, it may come again.
                    if answer.is_empty() {
                        ledger.settled.insert(loaded.parcel.id.0);
                    }
                }
            }
        }
    }
}

/// The spool of the next run, how many fragments it announces, and the losses that it reports in place of the one before.
fn restart(disk: &SimDisk, ledger: &mut Ledger) -> (Spool, u64, Vec<(Held, LossSource)>) {
    let mut spool = Spool::on(Some(Box::new(disk.clone())), "cam", &config(64 * KIB), Overflow::DropOldest);
    let (mut announced, mut lost) = (0, Vec::new());
    for response in ask(&mut spool, Request::Open) {
        match response {
            Response::Opened(held) => announced = held.fragments,
            Response::Lost { held, source, .. } => {
                ledger.lose(&held);
                lost.extend(source.map(|source| (held, source)));
            }
            _ => {}
        }
    }
    (spool, announced, lost)
}

/// Everything that was reported as stored is read whole, and nothing that was not given.
fn check(disk: &SimDisk, ledger: &mut Ledger, stop: Stop) -> Result<(), TestCaseError> {
    let (mut spool, announced, unreported) = restart(disk, ledger);
    let lost: u64 = unreported.iter().map(|(held, _)| held.fragments).sum();
    let found: Vec<Loaded> = std::iter::from_fn(|| load(&mut spool)).collect();
    prop_assert_eq!(found.len() as u64 + lost, announced, "what was announced is there, or reported lost");
    let numbers: BTreeSet<u64> = found.iter().map(|loaded| loaded.parcel.id.0).collect();
    for loaded in &found {
        let n = loaded.parcel.id.0;
        prop_assert!(ledger.given.contains(&n), "{} was never given", n);
        let payload = loaded.parcel.frames[0].data.len();
        prop_assert!(same(&loaded.parcel, &parcel(n, payload)), "{} is changed", n);
        // The journal is not synced: after power loss a settled fragment may come again.
        prop_assert!(stop == Stop::PowerLoss || !ledger.settled.contains(&n), "{} is sent again", n);
    }
    let missing: Vec<_> = ledger.stored.keys().filter(|n| !numbers.contains(n)).collect();
    prop_assert!(missing.is_empty(), "missing {:?}, lost {}", missing, ledger.lost);
    Ok(())
}

/// Kills at a byte, restarts, and works on: three times.
fn stop_at(stop: Stop, steps: u64, seed: u64) -> Result<(), TestCaseError> {
    let (mut ledger, mut chance) = (Ledger::default(), fastrand::Rng::with_seed(seed));
    let mut disk = SimDisk::new(seed, steps);
    for first in [1000, 2000, 3000] {
        let (mut spool, _, unreported) = restart(&disk, &mut ledger);
        unreported.into_iter().for_each(|(_, source)| drop(ask(&mut spool, Request::Reported(source))));
        work(&mut spool, &disk, &mut chance, &mut ledger, first);
        drop(spool);
        disk = disk.restart(stop);
        check(&disk, &mut ledger, stop)?;
        // The check's reads are the core's: what follows starts from the disk.
        let next = SimDisk::new(chance.u64(..), u64::MAX);
        next.stop_after(chance.u64(1..120_000));
        for name in disk.names() {
            let len = usize::try_from(disk.len(&name).unwrap()).unwrap();
            next.put(&name, disk.read(&name, 0, len).unwrap());
        }
        disk = next;
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn what_was_stored_survives_a_kill_at_any_byte(steps in 0..150_000_u64, seed: u64) {
        stop_at(Stop::Kill, steps, seed)?;
    }

    #[test]
    fn what_was_stored_survives_the_loss_of_power_at_any_byte(steps in 0..150_000_u64, seed: u64) {
        stop_at(Stop::PowerLoss, steps, seed)?;
    }

    #[test]
    fn any_bytes_in_place_of_files_open(
        bytes in prop::collection::vec(any::<u8>(), 0..2000), acks in prop::collection::vec(any::<u8>(), 0..100), cut: u16,
    ) {
        let disk = SimDisk::new(0, u64::MAX);
        let (mut spool, _, _) = open(&disk, &config(64 * KIB), Overflow::DropOldest);
        put(&mut spool, parcel(1, 10));
        drop(spool);
        let name = disk.names().remove(0);
        let mut whole = disk.read(&name, 0, usize::MAX).unwrap();
        whole.truncate(usize::from(cut) % (whole.len() + 1));
        whole.extend_from_slice(&bytes);
        disk.put(&name, whole);
        disk.put("0000000000.ack", acks);
        let (mut spool, _, _) = open(&disk, &config(64 * KIB), Overflow::DropOldest);
        put(&mut spool, parcel(2, 10));
        let left = load_all(&mut spool);
        prop_assert!(left == [2] || left == [1, 2], "{:?}", left);
    }
}

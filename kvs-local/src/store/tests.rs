//! Promises of the store, on the disk of this machine and on one whose power can be cut.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use kvs_types::{FragmentNumber, TimestampOrigin};
use proptest::prelude::*;

use super::sim::{SimDisk, Stop};
use super::testing::{MS, at, fragment};
use super::*;
use crate::ingest::{IngestedFragment, NumberParts};

fn same(stored: &StoredFragment, put: &IngestedFragment) -> bool {
    let bytes = [&put.header, &put.cluster, &put.trailing].map(|part| part.clone().into_bytes());
    stored.info.number == put.number
        && [&stored.header, &stored.cluster, &stored.trailing] == [&bytes[0], &bytes[1], &bytes[2]]
        && stored.tags == put.tags
        && stored.info.producer_timestamp == put.producer_timestamp
        && stored.info.server_timestamp == put.server_timestamp
        && stored.info.duration == put.duration
        && stored.info.bytes == put.len() as u64
        && stored.timecode == put.timecode
}

fn small_segments() -> StorePolicy {
    StorePolicy::default().segment_bytes(4000)
}

fn numbers(store: &Store, stream: &str) -> Vec<u64> {
    let sequence = |info: &FragmentRecord| NumberParts::of(&info.number).unwrap().sequence;
    store.list(stream, &Selection::All).unwrap().iter().map(sequence).collect()
}

#[test]
fn stored_fragments_are_read_unchanged_after_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let put: Vec<_> = (1..=20).map(|n| fragment(n, n * 1000, 100)).collect();
    let store = Store::open(dir.path(), small_segments()).unwrap();
    for fragment in &put {
        store.append("door", fragment).unwrap();
    }
    for store in [store, Store::open(tempfile::tempdir().unwrap().path(), small_segments()).unwrap()] {
        drop(store);
        let store = Store::open(dir.path(), small_segments()).unwrap();
        assert_eq!(numbers(&store, "door"), (1..=20).collect::<Vec<_>>());
        assert!(put.iter().all(|put| same(&store.load("door", &put.number).unwrap(), put)));
        assert_eq!(store.last("door").unwrap().unwrap().number, put[19].number);
        assert_eq!(store.stream_names(), ["door"]);
    }
}

#[test]
fn frames_are_read_as_they_were_stored() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), StorePolicy::default()).unwrap();
    let put = fragment(1, 0, 9000);
    store.append("door", &put).unwrap();
    let stored = store.load("door", &put.number).unwrap();
    let contents = stored.contents().unwrap();
    assert_eq!(contents.tracks, *put.tracks);
    assert!(contents.frames.iter().cloned().eq(put.frames()));
    assert_eq!(stored.producer_time(contents.frames[2].pts), at(400));
    assert_eq!(stored.info.duration, MS(800));
    assert!(StoredFragment::from(put.clone()).contents().unwrap().frames.iter().cloned().eq(put.frames()));
}

#[test]
fn selections_compare_either_timestamp_and_include_both_ends() {
    let store = Store::open_on(Arc::new(SimDisk::new(0, usize::MAX)), Path::new("d"), small_segments()).unwrap();
    for n in 0..5 {
        store.append("door", &fragment(n + 1, n * 1000, 10)).unwrap();
    }
    let pick = |selection| -> Vec<u64> {
        let infos = store.list("door", &selection).unwrap();
        infos.iter().map(|info| NumberParts::of(&info.number).unwrap().sequence).collect()
    };
    let (producer, server) = (TimestampOrigin::Producer, TimestampOrigin::Server);
    assert_eq!(pick(Selection::StartsWithin { origin: producer, from: at(1000), to: at(3000) }), [2, 3, 4]);
    assert_eq!(pick(Selection::StartsWithin { origin: producer, from: at(1001), to: at(2999) }), [3]);
    assert_eq!(pick(Selection::StartsWithin { origin: server, from: at(1500), to: at(1500) }), [2]);
    assert_eq!(pick(Selection::Overlaps { origin: producer, from: at(1001), to: at(2999) }), [2, 3]);
    assert_eq!(pick(Selection::Overlaps { origin: producer, from: at(1000), to: at(1000) }), [2]);
    assert_eq!(pick(Selection::Overlaps { origin: producer, from: at(9000), to: at(9000) }), [0_u64; 0]);
    let page = store.page("door", &Selection::All, Some(&store.list("door", &Selection::All).unwrap()[1].number), 2);
    assert_eq!(page.unwrap().len(), 2);
    assert!(store.list("window", &Selection::All).unwrap().is_empty());
}

#[test]
fn missing_streams_and_fragments_are_not_found() {
    let store = Store::open_on(Arc::new(SimDisk::new(0, usize::MAX)), Path::new("d"), small_segments()).unwrap();
    let put = fragment(1, 0, 10);
    assert!(matches!(store.load("door", &put.number), Err(StoreError::NotFound { .. })));
    store.append("door", &put).unwrap();
    assert!(matches!(store.append("door", &put), Err(StoreError::Duplicate { .. })));
    for other in ["1", "91343852333181432392682062607743920146159169392"] {
        assert!(matches!(store.load("door", &other.parse().unwrap()), Err(StoreError::NotFound { .. })));
    }
}

#[test]
fn stream_names_never_become_paths_outside_the_folder() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("store");
    let store = Store::open(&root, StorePolicy::default()).unwrap();
    let long = "x".repeat(256);
    let names = ["..", ".", "../../etc", "/etc/passwd", "C:\\x", "CON", "a\0b", "Door", "door", "door/", "ключ", &long];
    for (n, name) in (1..).zip(names) {
        store.append(name, &fragment(n, 0, 10)).unwrap();
    }
    drop(store);
    let outside: Vec<_> = std::fs::read_dir(dir.path()).unwrap().collect();
    assert_eq!(outside.len(), 1);
    let store = Store::open(&root, StorePolicy::default()).unwrap();
    for (n, name) in (1..).zip(names) {
        assert_eq!(numbers(&store, name), [n], "{name}");
    }
    for name in [String::new(), "x".repeat(1025)] {
        assert!(matches!(store.append(&name, &fragment(1, 0, 10)), Err(StoreError::StreamName { .. })));
    }
}

#[test]
fn folder_cannot_be_opened_twice() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), StorePolicy::default()).unwrap();
    assert!(matches!(Store::open(dir.path(), StorePolicy::default()), Err(StoreError::InUse { .. })));
    drop(store);
    Store::open(dir.path(), StorePolicy::default()).unwrap();
}

#[test]
fn trimming_removes_segments_and_survives_reopening() {
    let disk = Arc::new(SimDisk::new(0, usize::MAX));
    let open = || Store::open_on(disk.clone(), Path::new("d"), small_segments()).unwrap();
    let store = open();
    for n in 1..=20 {
        store.append("door", &fragment(n, n * 1000, 100)).unwrap();
    }
    let segments = || disk.file_names().iter().filter(|path| path.extension().is_some_and(|end| end == "seg")).count();
    let before = segments();
    let trimmed = store.trim("door", Keep { since: at(10_500), bytes: u64::MAX }).unwrap();
    assert_eq!(trimmed.fragments, 9);
    assert_eq!(numbers(&store, "door"), (10..=20).collect::<Vec<_>>());
    assert!(segments() < before);
    assert_eq!(numbers(&open(), "door"), (10..=20).collect::<Vec<_>>());
    let size = fragment(20, 20_000, 100).len() as u64;
    store.trim("door", Keep { since: SystemTime::UNIX_EPOCH, bytes: size * 3 }).unwrap();
    assert_eq!(numbers(&open(), "door"), [18, 19, 20]);
    store.trim("door", Keep { since: at(99_000), bytes: 0 }).unwrap();
    assert!(numbers(&store, "door").is_empty());
    store.append("door", &fragment(1001, 99_000, 100)).unwrap();
    assert_eq!(numbers(&open(), "door"), [1001]);
    assert!(segments() <= 2);
}

#[test]
fn full_disk_can_be_read_and_trimmed() {
    let disk = Arc::new(SimDisk::new(0, usize::MAX));
    let open = || Store::open_on(disk.clone(), Path::new("d"), small_segments()).unwrap();
    let store = open();
    for n in 1..=20 {
        store.append("door", &fragment(n, n * 1000, 100)).unwrap();
    }
    disk.fill();
    assert!(store.append("door", &fragment(21, 21_000, 100)).is_err());
    assert_eq!(numbers(&store, "door"), (1..=20).collect::<Vec<_>>());
    for index in disk.file_names().into_iter().filter(|path| path.extension().is_some_and(|end| end == "idx")) {
        disk.remove_file(&index).unwrap();
    }
    disk.fill();
    let store = open();
    assert_eq!(numbers(&store, "door"), (1..=20).collect::<Vec<_>>(), "without indexes, and with no room to make them");
    let trimmed = store.trim("door", Keep { since: at(15_500), bytes: u64::MAX }).unwrap();
    assert_eq!(trimmed.fragments, 14);
    store.append("door", &fragment(22, 22_000, 100)).unwrap();
    for store in [store, open()] {
        assert_eq!(numbers(&store, "door"), [15, 16, 17, 18, 19, 20, 22]);
    }
}

#[test]
fn deleted_stream_is_removed_and_its_name_can_be_used_again() {
    let disk = Arc::new(SimDisk::new(0, usize::MAX));
    let open = || Store::open_on(disk.clone(), Path::new("d"), small_segments()).unwrap();
    let store = open();
    let put = fragment(1, 0, 10);
    store.append("door", &put).unwrap();
    store.delete("door").unwrap();
    store.delete("door").unwrap();
    assert!(matches!(store.load("door", &put.number), Err(StoreError::NotFound { .. })));
    store.append("door", &fragment(2, 0, 10)).unwrap();
    assert_eq!((numbers(&store, "door"), numbers(&open(), "door")), (vec![2], vec![2]));
}

#[test]
fn damaged_fragment_is_never_served() {
    let put: Vec<_> = (1..=3).map(|n| fragment(n, n * 1000, 500)).collect();
    let mut refused = 0;
    for position in 0..100 {
        let disk = Arc::new(SimDisk::new(0, usize::MAX));
        let store = Store::open_on(disk.clone(), Path::new("d"), StorePolicy::default()).unwrap();
        for fragment in &put {
            store.append("door", fragment).unwrap();
        }
        disk.damage(|path| path.extension().is_some_and(|end| end == "seg"), position * 91);
        let again = Store::open_on(disk.clone(), Path::new("d"), StorePolicy::default()).unwrap();
        for store in [&store, &again] {
            for put in &put {
                match store.load("door", &put.number) {
                    Ok(stored) => assert!(same(&stored, put)),
                    Err(StoreError::Damaged { .. } | StoreError::NotFound { .. }) => refused += 1,
                    Err(other) => panic!("{other}"),
                }
            }
        }
    }
    assert!(refused >= 100);
}

#[test]
fn mismatched_segment_index_is_rebuilt() {
    let disk = Arc::new(SimDisk::new(0, usize::MAX));
    let open = || Store::open_on(disk.clone(), Path::new("d"), small_segments()).unwrap();
    let store = open();
    for n in 1..=20 {
        store.append("door", &fragment(n, n * 1000, 100)).unwrap();
    }
    for position in (0..400).step_by(7) {
        disk.damage(|path| path.extension().is_some_and(|end| end == "idx"), position);
        assert_eq!(numbers(&open(), "door"), (1..=20).collect::<Vec<_>>(), "byte {position}");
    }
}

/// The streams of the next test, each with a number of fragments.
const HOUSE: [(&str, u64); 3] = [("door", 25), ("window", 14), ("roof", 6)];
/// Random corruptions in the next test.
const CORRUPTIONS: u64 = 2200;

/// Any damage to one file costs the fragments whose bytes it hits, at most those of its stream if it hits the manifest, and no
/// other. What is read is what was stored.
#[test]
fn random_corruption_loses_only_what_it_hits_and_changes_nothing() {
    let disk = SimDisk::new(0, usize::MAX);
    let disk = Arc::new(disk);
    let open = |disk: &Arc<SimDisk>| Store::open_on(disk.clone(), Path::new("d"), small_segments()).unwrap();
    let store = open(&disk);
    let mut put = BTreeMap::new();
    for (stream, count) in HOUSE {
        for n in 1..=count {
            let fragment = fragment(n, n * 1000, 40 + usize::try_from(n).unwrap() * 7);
            store.append(stream, &fragment).unwrap();
            put.insert((stream, n), fragment);
        }
    }
    let records = record_ranges(&disk);
    let folders = store.stream_names();
    assert_eq!(folders.len(), HOUSE.len());
    let (mut lost, mut set_aside) = (0, 0);
    for seed in 0..CORRUPTIONS {
        let damaged = Arc::new(disk.restart(Stop::Kill));
        let (path, hit) = damaged.corrupt(seed);
        let store = open(&damaged);
        let in_path = |stream: &str| path.to_str().unwrap().contains(&format!("/{stream}-"));
        for (stream, count) in HOUSE {
            if !store.stream_names().contains(&stream.to_owned()) {
                assert!(
                    in_path(stream) && path.ends_with("stream.json"),
                    "{seed}: {stream} lost by damage to {path:?}"
                );
                set_aside += 1;
                continue;
            }
            for n in 1..=count {
                let put = &put[&(stream, n)];
                match store.load(stream, &put.number) {
                    Ok(stored) => assert!(same(&stored, put), "{seed}: {stream} {n} differs"),
                    Err(StoreError::Damaged { .. } | StoreError::NotFound { .. }) => {
                        let (file, range) = &records[&(stream.to_owned(), n)];
                        let is_hit = *file == path && range.start < hit.end && hit.start < range.end;
                        assert!(is_hit, "{seed}: {stream} {n} at {range:?} lost by damage to {path:?} {hit:?}");
                        lost += 1;
                    }
                    Err(other) => panic!("{seed}: {other}"),
                }
            }
            // The stream takes fragments again, and they stay.
            let next = fragment(count + 1, (count + 1) * 1000, 100);
            store.append(stream, &next).unwrap();
            assert!(same(&open(&damaged).load(stream, &next.number).unwrap(), &next), "{seed}");
        }
        assert!(store.stream_names().iter().all(|name| folders.contains(name)), "{seed}: {:?}", store.stream_names());
    }
    assert!(lost > 500 && set_aside > 50, "{lost} fragments hit, {set_aside} streams set aside");
}

/// Returns the file and the bytes of every record, by stream and sequence.
fn record_ranges(disk: &Arc<SimDisk>) -> BTreeMap<(String, u64), (PathBuf, Range<u64>)> {
    let mut ranges = BTreeMap::new();
    for path in disk.file_names().into_iter().filter(|path| path.extension().is_some_and(|end| end == "seg")) {
        let contents = segment::scan(&**disk, &path, 0).unwrap().contents;
        let ends = contents.entries.iter().skip(1).map(|entry| u64::from(entry.offset)).chain([contents.end]);
        let folder = path.parent().and_then(Path::file_name).unwrap().to_str().unwrap();
        let stream = folder.rsplit_once('-').unwrap().0.to_owned();
        for (entry, end) in contents.entries.iter().zip(ends) {
            let range = u64::from(entry.offset)..end;
            ranges.insert((stream.clone(), entry.parts.sequence), (path.clone(), range));
        }
    }
    ranges
}

/// Returns a store on a disk in memory with these fragments, and the path of its only segment.
fn one_segment(put: &[IngestedFragment]) -> (Arc<SimDisk>, PathBuf) {
    let disk = Arc::new(SimDisk::new(0, usize::MAX));
    let store = Store::open_on(disk.clone(), Path::new("d"), StorePolicy::default()).unwrap();
    for fragment in put {
        store.append("door", fragment).unwrap();
    }
    let path = disk.file_names().into_iter().find(|path| path.extension().is_some_and(|end| end == "seg")).unwrap();
    (disk, path)
}

/// Each bit of the second head, its lengths in particular, which then lead anywhere: behind the end too.
#[test]
fn a_flipped_bit_in_a_head_loses_only_its_record() {
    let put: Vec<_> = (1..=4).map(|n| fragment(n, n * 1000, 100)).collect();
    let (disk, path) = one_segment(&put);
    let second = usize::try_from(segment::scan(&*disk, &path, 0).unwrap().contents.entries[1].offset).unwrap();
    for bit in 0..8 * record::HEAD_BYTES {
        let damaged = Arc::new(disk.restart(Stop::Kill));
        damaged.edit(&path, |bytes| bytes[second + bit / 8] ^= 1 << (bit % 8));
        let store = Store::open_on(damaged, Path::new("d"), StorePolicy::default()).unwrap();
        assert_eq!(numbers(&store, "door"), [1, 3, 4], "bit {bit}");
    }
}

/// A producer may put into its media what looks like a record of the store.
#[test]
fn a_cut_off_write_is_dropped_and_its_media_is_not_searched() {
    let (forged, path) = one_segment(&[fragment(9, 9000, 50)]);
    let forged = Disk::read(&*forged, &path, segment::MARK.len() as u64, usize::MAX).unwrap();
    let mut hostile = fragment(2, 2000, 50);
    hostile.cluster = [forged, vec![0; 5000]].concat().into();
    let (disk, path) = one_segment(&[fragment(1, 1000, 50), hostile]);
    let len = usize::try_from(disk.len(&path).unwrap().unwrap()).unwrap();
    let scan = segment::scan(&*disk, &path, 0).unwrap();
    let second = usize::try_from(scan.contents.entries[1].offset).unwrap();
    for cut in (second + 1..len).step_by(13) {
        let damaged = Arc::new(disk.restart(Stop::Kill));
        damaged.edit(&path, |bytes| bytes.truncate(cut));
        let store = Store::open_on(damaged, Path::new("d"), StorePolicy::default()).unwrap();
        assert_eq!(numbers(&store, "door"), [1], "cut at {cut}");
        store.append("door", &fragment(3, 3000, 50)).unwrap();
        assert_eq!(numbers(&store, "door"), [1, 3]);
    }
}

/// Media full of what looks like long heads, behind a damaged one: each would be read to its end.
#[test]
fn the_search_for_the_next_record_is_bounded() {
    let head = [b"KVSF".as_slice(), &100_000_u32.to_le_bytes(), &1000_u32.to_le_bytes(), &[0; 4]].concat();
    let mut hostile = fragment(1, 1000, 50);
    hostile.cluster = head.repeat(15_000).into();
    let (disk, path) = one_segment(&[hostile, fragment(2, 2000, 50)]);
    disk.edit(&path, |bytes| bytes[segment::MARK.len() + 13] ^= 1);
    let (len, before) = (disk.len(&path).unwrap().unwrap(), disk.bytes_read());
    segment::scan(&*disk, &path, 0).unwrap();
    let read = disk.bytes_read() - before;
    assert!(read < segment::LEAST_EFFORT + segment::SEARCH_EFFORT * len + (1 << 20), "{read} bytes of {len}");
}

/// A disk that fails for a moment must not cost a stream: its media would be hidden by a second folder for it.
#[cfg(unix)]
#[test]
fn a_manifest_that_cannot_be_read_now_is_not_damaged() {
    let dir = tempfile::tempdir().unwrap();
    let open = || Store::open(dir.path(), StorePolicy::default());
    open().unwrap().append("door", &fragment(1, 1000, 50)).unwrap();
    let folder = std::fs::read_dir(dir.path().join("streams")).unwrap().next().unwrap().unwrap().path();
    let (manifest, kept) = (folder.join("stream.json"), folder.join("kept"));
    std::fs::rename(&manifest, &kept).unwrap();
    // Reading a folder as a file is an error of the system, as a failing disk is.
    std::fs::create_dir(&manifest).unwrap();
    assert!(matches!(open(), Err(StoreError::Io { .. })));
    std::fs::remove_dir(&manifest).unwrap();
    std::fs::rename(&kept, &manifest).unwrap();
    assert_eq!(numbers(&open().unwrap(), "door"), [1]);
}

#[test]
fn synced_policy_costs_one_sync_per_fragment_and_written_policy_none() {
    for (durability, per_fragment) in [(Durability::Synced, 1), (Durability::Written, 0)] {
        let disk = Arc::new(SimDisk::new(0, usize::MAX));
        let store =
            Store::open_on(disk.clone(), Path::new("d"), StorePolicy::default().durability(durability)).unwrap();
        store.append("door", &fragment(1, 0, 100)).unwrap();
        // Manifest, first segment, their names, the name of the folder.
        assert_eq!(disk.counts().1, 4 * per_fragment);
        let (_, before) = disk.counts();
        for n in 2..=11 {
            store.append("door", &fragment(n, n * 1000, 100)).unwrap();
        }
        assert_eq!(disk.counts().1 - before, 10 * per_fragment);
    }
}

/// What a run did, in the order it did it.
#[derive(Debug, Default)]
struct Ledger {
    /// All that was ever given to the store.
    put: BTreeMap<FragmentNumber, IngestedFragment>,
    /// What the store said it has, by stream.
    acked: BTreeMap<&'static str, Vec<FragmentNumber>>,
    /// What it said is gone.
    gone: Vec<FragmentNumber>,
    /// Not said to be gone, but a call that would make it so was cut short.
    doubtful: Vec<FragmentNumber>,
}

const STREAMS: [&str; 2] = ["door", "window"];

/// Works until the disk stops; the disk is the only thing that fails.
fn work(store: &Store, chance: &mut fastrand::Rng, ledger: &mut Ledger, first: u64) {
    for sequence in first..first + 40 {
        let stream = STREAMS[chance.usize(..2)];
        match chance.u8(..20) {
            0 => {
                let keep = Keep { since: at((sequence * 1000).saturating_sub(5000)), bytes: u64::MAX };
                let infos = store.list(stream, &Selection::All).unwrap();
                let old: Vec<_> = infos.into_iter().take_while(|info| info.server_timestamp < keep.since).collect();
                let fate = if store.trim(stream, keep).is_ok() { &mut ledger.gone } else { &mut ledger.doubtful };
                fate.extend(old.into_iter().map(|info| info.number));
            }
            1 => {
                let all = ledger.acked.remove(stream).unwrap_or_default();
                let fate = if store.delete(stream).is_ok() { &mut ledger.gone } else { &mut ledger.doubtful };
                fate.extend(all);
            }
            _ => {
                let put = fragment(sequence, sequence * 1000, chance.usize(..600));
                ledger.put.insert(put.number.clone(), put.clone());
                if store.append(stream, &put).is_ok() {
                    ledger.acked.entry(stream).or_default().push(put.number);
                }
            }
        }
    }
}

fn check(store: &Store, ledger: &Ledger) -> Result<(), TestCaseError> {
    for stream in STREAMS {
        let listed: Vec<_> = store.list(stream, &Selection::All).unwrap().into_iter().map(|info| info.number).collect();
        for number in &listed {
            let stored = store.load(stream, number).unwrap();
            prop_assert!(same(&stored, &ledger.put[number]), "{} is changed", number);
            prop_assert!(!ledger.gone.contains(number), "{} came back", number);
        }
        for number in ledger.acked.get(stream).into_iter().flatten() {
            let may_lack = ledger.gone.contains(number) || ledger.doubtful.contains(number);
            prop_assert!(may_lack || listed.contains(number), "{} of {} is lost", number, stream);
        }
    }
    Ok(())
}

fn stop_at_any_step(stop: Stop, durability: Durability, steps: usize, seed: u64) -> Result<(), TestCaseError> {
    let policy = small_segments().durability(durability);
    let mut ledger = Ledger::default();
    let mut chance = fastrand::Rng::with_seed(seed);
    let mut disk = Arc::new(SimDisk::new(seed, steps));
    for first in [1, 1001, 2001] {
        if let Ok(store) = Store::open_on(disk.clone(), Path::new("d"), policy) {
            work(&store, &mut chance, &mut ledger, first);
        }
        disk = Arc::new(disk.restart(stop));
        let store = Store::open_on(disk.clone(), Path::new("d"), policy).unwrap();
        check(&store, &ledger)?;
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn acked_fragments_survive_the_end_of_the_process_at_any_step(steps in 0..120_usize, seed: u64) {
        stop_at_any_step(Stop::Kill, Durability::Written, steps, seed)?;
    }

    #[test]
    fn acked_fragments_survive_a_power_loss_at_any_step(steps in 0..120_usize, seed: u64) {
        stop_at_any_step(Stop::PowerLoss, Durability::Synced, steps, seed)?;
    }

    #[test]
    fn store_opens_with_any_bytes_in_place_of_a_segment(bytes in prop::collection::vec(any::<u8>(), 0..2000), marked: bool) {
        let disk = Arc::new(SimDisk::new(0, usize::MAX));
        let store = Store::open_on(disk.clone(), Path::new("d"), StorePolicy::default()).unwrap();
        store.append("door", &fragment(1, 0, 10)).unwrap();
        drop(store);
        let path = disk.file_names().into_iter().find(|path| path.extension().is_some_and(|end| end == "seg")).unwrap();
        let mark = if marked { &segment::MARK[..] } else { &[] };
        disk.replace(&path, &[mark, &bytes].concat(), Durability::Synced).unwrap();
        let store = Store::open_on(disk, Path::new("d"), StorePolicy::default()).unwrap();
        prop_assert!(numbers(&store, "door").is_empty());
        store.append("door", &fragment(2, 0, 10)).unwrap();
        prop_assert_eq!(numbers(&store, "door"), [2]);
    }
}

//! Kill -9 under load: what was acked as stored is there afterwards, and nothing half-written is served.
//!
//! The test starts itself again as a child that stores fragments on several threads and says so line by line, kills it at
//! a random instant, and compares the folder with what was said. `KVS_KILL_ROUNDS` sets how often (default 200).
#![cfg(feature = "server")]
#![expect(clippy::unwrap_used, reason = "tests only")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use kvs_local::ingest::{
    FragmentTimecodeType, Ingest, IngestConfig, IngestedFragment, Now, NumberParts, first_sequence_after,
};
use kvs_local::store::{Durability, Keep, Selection, Store, StorePolicy};
use kvs_mkv::{CodecId, Frame, SegmentInfo, Tag, Track, TrackKind, TrackNumber, Writer};

const STREAMS: [&str; 3] = ["door", "window", "roof"];
const CHILD_DIR: &str = "KVS_DURABILITY_CHILD_DIR";
const CHILD_SEED: &str = "KVS_DURABILITY_CHILD_SEED";
/// Fragments of a stream are told apart and dated by their sequence: one a second from here on.
const START: Duration = Duration::from_secs(1_700_000_000);

#[test]
fn what_was_acked_survives_kill_nine_at_any_instant() {
    let rounds: u64 = std::env::var("KVS_KILL_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(200);
    let mut chance = fastrand::Rng::with_seed(0x5eed);
    let (mut acked, mut kept, mut cut_short) = (0, 0, 0);
    let mut dir = tempfile::tempdir().unwrap();
    let mut ledger = Ledger::default();
    for round in 0..rounds {
        if round.is_multiple_of(20) {
            dir = tempfile::tempdir().unwrap();
            ledger = Ledger::default();
        }
        // Every fourth time it is killed while it starts, else while it works: after so many fragments, however fast it is, and
        // then at any instant of the next ones.
        let words = if round.is_multiple_of(4) { 0 } else { chance.usize(1..20) };
        let lines = run_and_kill(dir.path(), chance.u64(..), words, Duration::from_micros(chance.u64(0..3000)));
        acked += ledger.read(&lines);
        let (listed, unsaid) = ledger.check(dir.path(), round);
        kept += listed;
        cut_short += unsaid;
    }
    println!(
        "{rounds} kills, {acked} fragments acked, {kept} found and compared, {cut_short} stored but not yet acked"
    );
    assert!(acked > rounds, "the child hardly worked: {acked} fragments in {rounds} rounds");
}

/// What the child said.
#[derive(Default)]
struct Ledger {
    stored: BTreeMap<String, BTreeSet<u64>>,
    /// Trimmed, or about to be: these may be gone.
    trimmed: BTreeMap<String, u64>,
}

impl Ledger {
    /// Takes in lines of `stored STREAM SEQUENCE` and `trimming STREAM SEQUENCE`; a line without its end was not said.
    fn read(&mut self, lines: &str) -> u64 {
        let mut count = 0;
        for line in lines.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
            let words: Vec<&str> = line.split(' ').collect();
            match words[..] {
                ["stored", stream, sequence] => {
                    count += 1;
                    self.stored.entry(stream.to_owned()).or_default().insert(sequence.parse().unwrap());
                }
                ["trimming", stream, sequence] => {
                    self.trimmed.insert(stream.to_owned(), sequence.parse().unwrap());
                }
                _ => {}
            }
        }
        count
    }

    /// Compares all that is there with what it must be.
    fn check(&mut self, dir: &Path, round: u64) -> (u64, u64) {
        let store = Store::open(dir, policy(round)).unwrap();
        let (mut kept, mut unsaid) = (0, 0);
        for stream in STREAMS {
            let infos = store.list(stream, &Selection::All).unwrap();
            let listed: BTreeSet<u64> =
                infos.iter().map(|info| NumberParts::of(&info.number).unwrap().sequence).collect();
            let stored = self.stored.entry(stream.to_owned()).or_default();
            let trimmed = self.trimmed.get(stream).copied().unwrap_or(0);
            let lost: Vec<_> = stored.iter().filter(|&&one| one > trimmed && !listed.contains(&one)).collect();
            assert!(lost.is_empty(), "round {round}: {stream} lost {lost:?}");
            for info in &infos {
                let sequence = NumberParts::of(&info.number).unwrap().sequence;
                let put = fragment(stream, sequence);
                let found = store.load(stream, &info.number).unwrap();
                let parts = [&put.header, &put.cluster, &put.trailing].map(|part| part.clone().into_bytes());
                assert_eq!(found.info.number, put.number, "round {round}");
                assert!(
                    [found.header, found.cluster, found.trailing] == parts,
                    "round {round}: {stream} {sequence} changed"
                );
                assert_eq!(found.tags, put.tags);
            }
            kept += listed.len() as u64;
            unsaid += listed.difference(stored).count() as u64;
            stored.extend(listed);
        }
        (kept, unsaid)
    }
}

/// Both kinds survive the end of the process.
fn policy(seed: u64) -> StorePolicy {
    let durability = if seed.is_multiple_of(2) { Durability::Synced } else { Durability::Written };
    StorePolicy::default().segment_bytes(200_000).durability(durability)
}

/// Starts the child, kills it a while after it said so many words, and gives back all it said.
fn run_and_kill(dir: &Path, seed: u64, words: usize, after: Duration) -> String {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_that_is_killed", "--nocapture", "--test-threads=1"])
        .env(CHILD_DIR, dir)
        .env(CHILD_SEED, seed.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap());
    let (word, heard) = mpsc::channel();
    let reader = std::thread::spawn(move || {
        let (mut text, mut seen) = (String::new(), 0);
        while said.read_line(&mut text).unwrap() > 0 {
            if text.get(seen..).is_some_and(|line| line.starts_with("stored")) {
                // The listener hangs up once it has heard enough.
                let _ = word.send(());
            }
            seen = text.len();
        }
        text
    });
    for _ in 0..words {
        // A child at the end of its time says no more.
        if heard.recv_timeout(Duration::from_secs(5)).is_err() {
            break;
        }
    }
    drop(heard);
    // The instant is the point: between two of its system calls, or within one.
    std::thread::sleep(after);
    child.kill().unwrap();
    child.wait().unwrap();
    reader.join().unwrap()
}

/// Does nothing unless it was started by the test above; then it works until it is killed.
#[test]
fn child_that_is_killed() {
    let Ok(dir) = std::env::var(CHILD_DIR) else { return };
    let seed: u64 = std::env::var(CHILD_SEED).unwrap().parse().unwrap();
    let store = Store::open(&dir, policy(seed)).unwrap();
    // Should the test die, its child does not go on for ever.
    let end = Instant::now() + Duration::from_secs(5);
    std::thread::scope(|scope| {
        for stream in STREAMS {
            let store = &store;
            scope.spawn(move || work(store, stream, seed, end));
        }
    });
}

fn work(store: &Store, stream: &str, seed: u64, end: Instant) {
    let mut chance = fastrand::Rng::with_seed(seed ^ stream.len() as u64);
    let last = store.last(stream).unwrap().map(|info| NumberParts::of(&info.number).unwrap().sequence);
    let mut sequence = first_sequence_after(last);
    while Instant::now() < end {
        store.append(stream, &fragment(stream, sequence)).unwrap();
        say(&format!("stored {stream} {sequence}\n"));
        if chance.u8(..30) == 0 {
            let oldest = sequence.saturating_sub(20);
            say(&format!("trimming {stream} {oldest}\n"));
            let since = SystemTime::UNIX_EPOCH + START + Duration::from_secs(oldest + 1);
            store.trim(stream, Keep { since, bytes: u64::MAX }).unwrap();
        }
        sequence += 1;
    }
}

/// One write, past the capturing of tests.
fn say(line: &str) {
    std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
    std::io::stdout().lock().flush().unwrap();
}

/// The same fragment in both processes.
fn fragment(stream: &str, sequence: u64) -> IngestedFragment {
    let mut chance = fastrand::Rng::with_seed(sequence * 31 + stream.len() as u64);
    let track = Track::new(TrackNumber::ONE, TrackKind::Video, CodecId::H264);
    let mut writer = Writer::new(SegmentInfo::new([9; 16]), vec![track]).unwrap();
    let time = START + Duration::from_secs(sequence);
    let now = Now { at: Instant::now(), wall: SystemTime::UNIX_EPOCH + time };
    let config = IngestConfig::new(FragmentTimecodeType::Absolute).first_sequence(sequence).seed(sequence);
    let mut ingest = Ingest::new(config, now);
    ingest.handle_body(writer.start_segment(), now);
    ingest.handle_body(writer.start_cluster(time).unwrap(), now);
    for frame in 0..3_u64 {
        let mut payload = vec![0; chance.usize(..20_000)];
        chance.fill(&mut payload);
        let frame = Frame::new(TrackNumber::ONE, time + Duration::from_millis(frame * 300), Bytes::from(payload));
        for piece in writer.block(frame).unwrap() {
            ingest.handle_body(piece, now);
        }
    }
    ingest.handle_body(writer.tags(&[Tag::new("sequence", sequence.to_string())]).unwrap(), now);
    ingest.handle_body(writer.end_of_fragment(), now);
    ingest.poll_fragment().unwrap()
}

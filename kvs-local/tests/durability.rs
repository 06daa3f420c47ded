//! SIGKILL under load: every fragment that was acked is stored afterwards, and no partial fragment is returned.
//!
//! The test starts itself as a child process that stores fragments on several threads and prints a line for each. It kills
//! the child at a random instant and compares the folder with the lines. `KVS_KILL_ROUNDS` sets the number of rounds
//! (default 200).
#![cfg(feature = "server")]
#![expect(clippy::unwrap_used, reason = "tests only")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use kvs_local::__internal::ingest::{
    FragmentTimecodeType, Ingest, IngestConfig, IngestedFragment, Now, NumberParts, first_sequence_after,
};
use kvs_local::__internal::store::{Durability, Keep, Selection, Store, StorePolicy};
use kvs_mkv::{CodecId, Frame, SegmentInfo, Tag, Track, TrackKind, TrackNumber, Writer};

const STREAMS: [&str; 3] = ["door", "window", "roof"];
const CHILD_DIR: &str = "KVS_DURABILITY_CHILD_DIR";
const CHILD_SEED: &str = "KVS_DURABILITY_CHILD_SEED";
/// The time of the fragment with sequence 0. The sequence is the number of seconds since then.
const START: Duration = Duration::from_secs(1_700_000_000);

#[test]
fn acked_fragments_survive_sigkill_at_any_instant() {
    let rounds: u64 = std::env::var("KVS_KILL_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(200);
    let mut random = fastrand::Rng::with_seed(0x5eed);
    let (mut acked, mut found, mut unacked_total) = (0, 0, 0);
    let mut dir = tempfile::tempdir().unwrap();
    let mut log = ChildLog::default();
    for round in 0..rounds {
        if round.is_multiple_of(20) {
            dir = tempfile::tempdir().unwrap();
            log = ChildLog::default();
        }
        // In every fourth round the child is killed while it starts, otherwise while it works: after a number of fragments,
        // however fast it is, and a random delay.
        let fragments = if round.is_multiple_of(4) { 0 } else { random.usize(1..20) };
        let lines = run_and_kill(dir.path(), random.u64(..), fragments, Duration::from_micros(random.u64(0..3000)));
        acked += log.read(&lines);
        let (listed, unacked) = log.check(dir.path(), round);
        found += listed;
        unacked_total += unacked;
    }
    println!(
        "{rounds} kills, {acked} fragments acked, {found} found and compared, {unacked_total} stored but not yet acked"
    );
    assert!(acked > rounds, "the child stored too little: {acked} fragments in {rounds} rounds");
}

/// The lines that the child has printed.
#[derive(Default)]
struct ChildLog {
    stored: BTreeMap<String, BTreeSet<u64>>,
    /// The last sequence that was trimmed or is being trimmed. Fragments up to it may be missing.
    trimmed: BTreeMap<String, u64>,
}

impl ChildLog {
    /// Reads lines `stored STREAM SEQUENCE` and `trimming STREAM SEQUENCE`. A line without a line break is incomplete and
    /// does not count. Returns the number of stored fragments.
    fn read(&mut self, lines: &str) -> u64 {
        let mut count = 0;
        for line in lines.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
            let fields: Vec<&str> = line.split(' ').collect();
            match fields[..] {
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

    /// Compares the folder with the lines. Returns the number of fragments found, and of those that were not printed.
    fn check(&mut self, dir: &Path, round: u64) -> (u64, u64) {
        let store = Store::open(dir, policy(round)).unwrap();
        let (mut found_total, mut unacked) = (0, 0);
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
            found_total += listed.len() as u64;
            unacked += listed.difference(stored).count() as u64;
            stored.extend(listed);
        }
        (found_total, unacked)
    }
}

/// Both settings survive the end of the process.
fn policy(seed: u64) -> StorePolicy {
    let durability = if seed.is_multiple_of(2) { Durability::Synced } else { Durability::Written };
    StorePolicy::default().segment_bytes(200_000).durability(durability)
}

/// Starts the child and kills it `after` it has printed `fragments` lines. Returns its output.
fn run_and_kill(dir: &Path, seed: u64, fragments: usize, after: Duration) -> String {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_that_is_killed", "--nocapture", "--test-threads=1"])
        .env(CHILD_DIR, dir)
        .env(CHILD_SEED, seed.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let (sender, receiver) = mpsc::channel();
    let reader = std::thread::spawn(move || {
        let (mut text, mut seen) = (String::new(), 0);
        while output.read_line(&mut text).unwrap() > 0 {
            if text.get(seen..).is_some_and(|line| line.starts_with("stored")) {
                // Fails once the receiver has been dropped.
                let _ = sender.send(());
            }
            seen = text.len();
        }
        text
    });
    for _ in 0..fragments {
        // The child has reached its time limit.
        if receiver.recv_timeout(Duration::from_secs(5)).is_err() {
            break;
        }
    }
    drop(receiver);
    // The child can be between two system calls or within one.
    std::thread::sleep(after);
    child.kill().unwrap();
    child.wait().unwrap();
    reader.join().unwrap()
}

/// The child process. Does nothing unless started by the test above.
#[test]
fn child_that_is_killed() {
    let Ok(dir) = std::env::var(CHILD_DIR) else { return };
    let seed: u64 = std::env::var(CHILD_SEED).unwrap().parse().unwrap();
    let store = Store::open(&dir, policy(seed)).unwrap();
    // Ends the child if the test has died.
    let end = Instant::now() + Duration::from_secs(5);
    std::thread::scope(|scope| {
        for stream in STREAMS {
            let store = &store;
            scope.spawn(move || work(store, stream, seed, end));
        }
    });
}

fn work(store: &Store, stream: &str, seed: u64, end: Instant) {
    let mut random = fastrand::Rng::with_seed(seed ^ stream.len() as u64);
    let last = store.last(stream).unwrap().map(|info| NumberParts::of(&info.number).unwrap().sequence);
    let mut sequence = first_sequence_after(last);
    while Instant::now() < end {
        store.append(stream, &fragment(stream, sequence)).unwrap();
        print_line(&format!("stored {stream} {sequence}\n"));
        if random.u8(..30) == 0 {
            let oldest = sequence.saturating_sub(20);
            print_line(&format!("trimming {stream} {oldest}\n"));
            let since = SystemTime::UNIX_EPOCH + START + Duration::from_secs(oldest + 1);
            store.trim(stream, Keep { since, bytes: u64::MAX }).unwrap();
        }
        sequence += 1;
    }
}

/// Prints a line with one write, without the output capture of the test harness.
fn print_line(line: &str) {
    std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
    std::io::stdout().lock().flush().unwrap();
}

/// Returns the fragment with this sequence, equal in both processes.
fn fragment(stream: &str, sequence: u64) -> IngestedFragment {
    let mut random = fastrand::Rng::with_seed(sequence * 31 + stream.len() as u64);
    let track = Track::new(TrackNumber::ONE, TrackKind::Video, CodecId::H264);
    let mut writer = Writer::new(SegmentInfo::new([9; 16]), vec![track]).unwrap();
    let time = START + Duration::from_secs(sequence);
    let now = Now { at: Instant::now(), wall: SystemTime::UNIX_EPOCH + time };
    let config = IngestConfig::new(FragmentTimecodeType::Absolute).first_sequence(sequence).seed(sequence);
    let mut ingest = Ingest::new(config, now);
    ingest.handle_body(writer.start_segment(), now);
    ingest.handle_body(writer.start_cluster(time).unwrap(), now);
    for frame in 0..3_u64 {
        let mut payload = vec![0; random.usize(..20_000)];
        random.fill(&mut payload);
        let frame = Frame::new(TrackNumber::ONE, time + Duration::from_millis(frame * 300), Bytes::from(payload));
        for piece in writer.block(frame).unwrap() {
            ingest.handle_body(piece, now);
        }
    }
    ingest.handle_body(writer.tags(&[Tag::new("sequence", sequence.to_string())]).unwrap(), now);
    ingest.handle_body(writer.end_of_fragment(), now);
    ingest.poll_fragment().unwrap()
}

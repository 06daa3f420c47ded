//! `kvs put --spool`: kill -9 at any instant, restart, and read back with boto3 and ffprobe.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use kvs_local::LocalKvs;
use serde_json::Value;

const CLOCK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/media/clock.mp4");
const READ_BACK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/spool_read_back.py");
/// 2026-01-02T03:04:05Z. Each run is an hour later than the one before.
const START: u64 = 1_767_323_045;
/// The recording has ten fragments, one every two seconds.
const FRAGMENTS: u64 = 10;

fn put(endpoint: &str, run: u64, spool: &Path, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kvs"));
    command.args(["put", "camera", CLOCK, "--offline", "--json", "--endpoint", endpoint]).args(more);
    command.args(["--start-time", &(START + run * 3600).to_string()]).arg("--spool").arg(spool);
    without_credentials(&mut command);
    command
}

fn without_credentials(command: &mut Command) {
    for name in ["AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
        command.env_remove(name);
    }
}

fn lines(stdout: &[u8]) -> Vec<Value> {
    String::from_utf8_lossy(stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// An endpoint that refuses connections.
fn dead_endpoint() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

/// Kills a child some time after it has reported so many spooled fragments, and returns the times of all that it reported.
fn kill_after(mut child: Child, spooled: usize, delay: Duration) -> Vec<u64> {
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let (sender, receiver) = mpsc::channel();
    let reader = std::thread::spawn(move || {
        let (mut line, mut times) = (String::new(), Vec::new());
        // A line without its end was being written when the child was killed.
        while output.read_line(&mut line).unwrap() > 0 && line.ends_with('\n') {
            let event: Value = serde_json::from_str(&line).unwrap();
            if event["event"] == "spooled" {
                times.push(event["from"].as_u64().unwrap());
                let _ = sender.send(());
            }
            line.clear();
        }
        times
    });
    for _ in 0..spooled {
        if receiver.recv_timeout(Duration::from_secs(10)).is_err() {
            break;
        }
    }
    drop(receiver);
    std::thread::sleep(delay);
    child.kill().unwrap();
    child.wait().unwrap();
    reader.join().unwrap()
}

type Frames = Vec<Value>;

/// What boto3 and ffprobe find: the number of stored fragments, and the frames of each by its time.
fn read_back(python: &str, local: &LocalKvs) -> (u64, BTreeMap<u64, Frames>) {
    let output = Command::new(python)
        .args([READ_BACK, local.endpoint_url(), "camera", local.access_key(), local.secret_key()])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let fragments = found["fragments"].as_object().unwrap().iter();
    let fragments = fragments.map(|(at, frames)| (at.parse().unwrap(), frames.as_array().unwrap().clone()));
    (found["stored"].as_u64().unwrap(), fragments.collect())
}

/// `KVS_KILL_ROUNDS` sets the number of kills.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_spooled_survives_sigkill_at_any_instant() {
    let test = "spool/what_was_spooled_survives_sigkill_at_any_instant";
    if !test_judges::available(test, &["ffprobe"]) {
        return;
    }
    let Some(python) = test_judges::python(test, &["boto3"]) else { return };
    let rounds: u64 = std::env::var("KVS_KILL_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(16);
    tokio::task::spawn_blocking(move || kill_rounds(&python, rounds)).await.unwrap();
}

fn kill_rounds(python: &str, rounds: u64) {
    let runtime = tokio::runtime::Handle::current();
    let mut random = fastrand::Rng::with_seed(0x5eed);
    let (mut kills, mut spooled_total, mut stored_total, mut twice) = (0, 0, 0, 0);
    let mut reference: Option<Vec<Frames>> = None;
    while kills < rounds {
        let local = runtime.block_on(LocalKvs::builder().start()).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let mut spooled = BTreeSet::new();
        let part = (rounds - kills).min(8);
        for run in 0..part {
            // In every third run the service answers, so that the kill meets acknowledgements too.
            let endpoint = if run % 3 == 2 { local.endpoint_url().to_owned() } else { dead_endpoint() };
            let mut command = put(&endpoint, run, dir.path(), &["--spool-after", "0s"]);
            let child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
            // In every fourth run the child is killed while it starts, otherwise while it writes.
            let count = if run % 4 == 0 { 0 } else { random.usize(1..=9) };
            spooled.extend(kill_after(child, count, Duration::from_micros(random.u64(0..60_000))));
        }
        kills += part;
        let last = put(local.endpoint_url(), part, dir.path(), &[]).output().unwrap();
        assert!(last.status.success(), "{}", String::from_utf8_lossy(&last.stderr));
        let report = lines(&last.stdout).pop().unwrap();
        assert_eq!((&report["complete"], &report["lost_frames"]), (&Value::from(true), &Value::from(0)));
        let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["lock"], "everything is persisted");

        let (stored, fragments) = read_back(python, &local);
        let missing: Vec<_> = spooled.iter().filter(|at| !fragments.contains_key(at)).collect();
        assert!(missing.is_empty(), "spooled and not stored: {missing:?}");
        let of_run = |run: u64| (0..FRAGMENTS).map(move |n| (START + run * 3600 + n * 2) * 1000);
        // The last run was not killed: its fragments say what each one must be.
        let whole: Vec<Frames> = of_run(part).map(|at| fragments[&at].clone()).collect();
        let reference = reference.get_or_insert_with(|| whole.clone());
        assert_eq!(*reference, whole);
        for (at, frames) in &fragments {
            let n = (at / 1000 - START) % 3600 / 2;
            assert_eq!(*frames, reference[usize::try_from(n).unwrap()], "the fragment at {at} is changed");
        }
        spooled_total += spooled.len();
        stored_total += fragments.len();
        twice += stored - fragments.len() as u64;
        runtime.block_on(local.shutdown());
    }
    println!(
        "{kills} kills, {spooled_total} fragments reported as spooled, {stored_total} read back and compared, {twice} sent twice"
    );
    assert!(spooled_total as u64 > kills, "too little was spooled: {spooled_total} fragments in {kills} runs");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_line_counts_what_an_earlier_run_left_too() {
    let local = LocalKvs::builder().start().await.unwrap();
    let endpoint = local.endpoint_url().to_owned();
    let output = tokio::task::spawn_blocking(move || {
        let dir = tempfile::tempdir().unwrap();
        let first = put(&dead_endpoint(), 0, dir.path(), &["--give-up-after", "1s"]).output().unwrap();
        assert_eq!(first.status.code(), Some(1), "{}", String::from_utf8_lossy(&first.stderr));
        let json = put(&endpoint, 1, dir.path(), &[]);
        let mut text = Command::new(json.get_program());
        text.args(json.get_args().filter(|arg| *arg != "--json"));
        without_credentials(&mut text);
        text.output().unwrap()
    });
    let output = output.await.unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("an earlier run left 10 fragments"), "{text}");
    let counts = text.lines().find_map(|line| line.split_once(" frames persisted in 20 fragments, 0 lost")).unwrap().0;
    let (persisted, all) = counts.split_once(" of ").unwrap();
    assert_eq!(persisted, all);
    assert!(text.lines().any(|line| line.ends_with(" closed: complete")), "{text}");
    local.shutdown().await;
}

#[test]
fn a_spool_that_cannot_be_used_is_one_line_and_exit_code_2() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "x").unwrap();
    let run = |spool: &Path, more: &[&str]| -> Output { put(&dead_endpoint(), 0, spool, more).output().unwrap() };
    let held = kvs_producer::Spool::open(
        &kvs_producer::SpoolConfig::new(dir.path().join("held")),
        "camera",
        kvs_producer::Overflow::Refuse,
    );
    let cases: [(&Path, &[&str], &str); 4] = [
        (&file, &[], "is not a plain folder"),
        (&dir.path().join("held"), &[], "in use by another producer"),
        (&dir.path().join("small"), &["--spool-bytes", "1000"], "too small"),
        (&dir.path().join("odd"), &["--spool-bytes", "1 GB"], "invalid number of bytes"),
    ];
    for (spool, more, says) in cases {
        let output = run(spool, more);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{errors}");
        assert!(errors.contains(says), "{errors}");
    }
    drop(held);
}

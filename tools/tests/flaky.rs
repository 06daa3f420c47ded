//! The producer over a link that keeps resetting its connections, on real sockets: everything is persisted, not much is sent
//! twice, and boto3 reads back what was put.
//!
//! `KVS_FLAKY_SEEDS=20 cargo test -p kvs-tools --test flaky` runs more seeds.

#![expect(clippy::unwrap_used, reason = "a test panics")]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use kvs_aws::{Client, ClientConfig, Credentials, Region, TlsRoots};
use kvs_local::LocalKvs;
use kvs_mkv::{CodecId, Event as Mkv, Frame, Limits, Parser, Track, TrackKind, TrackNumber};
use kvs_producer::{
    BitstreamMode, NewStream, Overflow, Producer, ProducerConfig, StopReport, StreamLookup, Timestamps,
};
use kvs_tools::flaky::{FlakyLink, LinkPlan, Resets};

const STREAM: &str = "flaky";
/// 2026-01-02T03:04:05Z.
const START: Duration = Duration::from_secs(1_767_323_045);
const FRAMES: u64 = 12 * 25;
/// A fragment of one second has about 80 kB.
const KEY_FRAME: usize = 20_000;
const OTHER_FRAME: usize = 2_500;
/// Bytes per second: five fragments.
const UPLINK: u64 = 400_000;

#[derive(Clone, Copy, Debug)]
enum Pace {
    /// Four times the speed of the recording.
    Timed,
    AtOnce,
}

#[derive(Clone, Copy, Debug)]
struct Case {
    tls: bool,
    pace: Pace,
    resets: Resets,
    seed: u64,
}

/// The payload of a frame depends on its number only.
fn frame(number: u64) -> Frame {
    let key = number.is_multiple_of(25);
    let mut rng = fastrand::Rng::with_seed(number);
    let data: Vec<u8> = std::iter::repeat_with(|| rng.u8(..)).take(if key { KEY_FRAME } else { OTHER_FRAME }).collect();
    Frame::new(TrackNumber::ONE, Duration::from_millis(number * 40), data).with_keyframe(key)
}

fn client(url: &str, ca: Option<&Path>) -> Client {
    let credentials = Credentials::new(kvs_local::ACCESS_KEY, kvs_local::SECRET_KEY, None, None, "flaky");
    let config = ClientConfig::new(Region::new("us-west-2").unwrap(), credentials).endpoint_url(url).unwrap();
    let roots = ca.map_or(TlsRoots::Default, |file| TlsRoots::PemFile(file.to_owned()));
    Client::new(config.tls_roots(roots)).unwrap()
}

async fn put(client: Client, pace: Pace) -> StopReport {
    let video = Track::new(TrackNumber::ONE, TrackKind::Video, CodecId::H264).with_codec_private(vec![1; 20]);
    let config = ProducerConfig::new(STREAM, vec![video])
        .bitstream_mode(BitstreamMode::Passthrough)
        .stream_lookup(StreamLookup::CreateIfMissing(NewStream::new(Duration::from_secs(365 * 24 * 3600))))
        .timestamps(Timestamps::StartAt(SystemTime::UNIX_EPOCH + START))
        .overflow(Overflow::Refuse);
    let producer = Producer::start(config, client).unwrap();
    let mut clock = tokio::time::interval(Duration::from_millis(10));
    for number in 0..FRAMES {
        if matches!(pace, Pace::Timed) {
            clock.tick().await;
        }
        producer.put_frame(frame(number)).await.unwrap();
    }
    producer.stop(Duration::from_secs(60)).await
}

/// Puts the recording over the link and returns how boto3 reads it back: the frames of each fragment by its start.
async fn run(case: Case, python: Option<&str>) -> Option<BTreeMap<Duration, Vec<Frame>>> {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let local = LocalKvs::builder().one_port().data_dir(&data);
    let local = if case.tls { local.tls() } else { local }.start().await.unwrap();
    let (scheme, address) = local.endpoint_url().split_once("://").unwrap();
    let plan = LinkPlan::new(case.resets, case.seed);
    // Without a limit, all would have passed before the first reset by time.
    let plan = if matches!(case.resets, Resets::Time(_)) { plan.with_uplink(UPLINK) } else { plan };
    let link = FlakyLink::start(address.parse().unwrap(), plan).await.unwrap();
    let ca = case.tls.then(|| data.join("ca.pem"));
    let report = put(client(&format!("{scheme}://{}", link.address()), ca.as_deref()), case.pace).await;
    let resets = link.resets();
    assert!(report.is_complete(), "{case:?}: {report:?}, {resets} resets");
    assert_eq!(resets == 0, matches!(case.resets, Resets::Never), "{case:?}: {resets} resets");
    assert_eq!(report.totals.persisted.frames, FRAMES, "{case:?}");
    let (each, resent) = (report.totals.persisted.bytes / report.totals.persisted_fragments, report.stats.resent_bytes);
    // Two and what the session with the widest window had in flight.
    assert!(resent <= (3 * resets + 4) * each * 11 / 10, "{case:?}: {resent} bytes sent again after {resets} resets");
    let read = match python {
        Some(python) => Some(read_back(python, local.endpoint_url(), ca.as_deref()).await),
        None => None,
    };
    local.shutdown().await;
    read
}

async fn read_back(python: &str, endpoint: &str, ca: Option<&Path>) -> BTreeMap<Duration, Vec<Frame>> {
    let folder = tempfile::tempdir().unwrap();
    let mut judge = Command::new(python);
    judge.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/judge/read_back.py"));
    judge.args([endpoint, STREAM, kvs_local::ACCESS_KEY, kvs_local::SECRET_KEY]).arg(folder.path()).args(ca);
    let output = tokio::task::spawn_blocking(move || judge.output().unwrap()).await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut fragments: BTreeMap<Duration, Vec<Frame>> = BTreeMap::new();
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let frames = frames(std::fs::read(entry.unwrap().path()).unwrap());
        let copy = fragments.insert(frames[0].pts, frames.clone());
        assert!(copy.is_none_or(|copy| copy == frames), "two copies of the fragment at {:?} differ", frames[0].pts);
    }
    fragments
}

fn frames(mkv: Vec<u8>) -> Vec<Frame> {
    let mut parser = Parser::new(Limits::default());
    parser.push(mkv.into());
    let mut frames = Vec::new();
    while let Some(event) = parser.next_event().unwrap() {
        if let Mkv::Frame(frame) = event {
            frames.push(frame);
        }
    }
    frames
}

async fn check(tls: bool, test: &str) {
    let python = test_judges::python(test, &["boto3"]);
    let seeds = std::env::var("KVS_FLAKY_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(2);
    let clean = Case { tls, pace: Pace::AtOnce, resets: Resets::Never, seed: 0 };
    let clean = run(clean, python.as_deref()).await;
    if let Some(clean) = &clean {
        let put: Vec<_> = (0..FRAMES).map(|number| frame(number).data.into_bytes()).collect();
        let read: Vec<_> = clean.values().flatten().map(|frame| frame.data.clone().into_bytes()).collect();
        assert_eq!(put, read, "what is read back is what was put");
    }
    let mut cases = tokio::task::JoinSet::new();
    for seed in 0..seeds {
        for pace in [Pace::Timed, Pace::AtOnce] {
            for resets in [Resets::Bytes(200_000), Resets::Time(Duration::from_millis(400))] {
                let (case, python, clean) = (Case { tls, pace, resets, seed }, python.clone(), clean.clone());
                cases.spawn(async move {
                    let read = run(case, python.as_deref()).await;
                    assert_eq!(read, clean, "{case:?}");
                });
            }
        }
    }
    while let Some(done) = cases.join_next().await {
        done.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_arrives_over_http_links_that_keep_breaking() {
    check(false, "everything_arrives_over_http_links_that_keep_breaking").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_arrives_over_tls_links_that_keep_breaking() {
    check(true, "everything_arrives_over_tls_links_that_keep_breaking").await;
}

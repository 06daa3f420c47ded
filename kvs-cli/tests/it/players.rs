//! hls.js, shaka-player and dash.js in headless Chromium play what `kvs put` sends, from the URLs that `kvs play` prints.

use std::io::{BufRead, BufReader, Lines, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, UNIX_EPOCH};

use kvs_local::LocalKvs;
use serde_json::{Value, json};

const CLOCK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/media/clock.mp4");
const START: &str = "2026-01-02T03:04:05Z";
/// Frames per second of the clock recording.
const FPS: f64 = 25.0;
const BROWSER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../judges/browser");

/// Lets one browser at a time decode: several on two cores do not keep up with the media.
fn browser() -> MutexGuard<'static, ()> {
    static BROWSER: Mutex<()> = Mutex::new(());
    BROWSER.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns whether node, Chromium and the players are installed.
fn judges(test: &str) -> bool {
    let players = ["hls.js", "shaka-player", "dashjs"].map(|name| Path::new(BROWSER).join("node_modules").join(name));
    let list = players.map(|path| path.join("package.json").display().to_string());
    let read = format!("{}.forEach((file) => require('fs').readFileSync(file))", json!(list));
    let chromium = std::env::var("CHROMIUM").unwrap_or_else(|_| "chromium".to_owned());
    test_judges::succeeds(test, "node", &["-e", &read]) && test_judges::succeeds(test, &chromium, &["--version"])
}

fn kvs(local: &LocalKvs, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kvs"));
    command.args(arguments).args(["--endpoint", local.endpoint_url()]);
    for name in ["AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
        command.env_remove(name);
    }
    command
}

fn succeed(mut command: Command) -> Vec<u8> {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// Returns the URLs that `kvs play` prints.
fn urls(local: &LocalKvs, arguments: &[&str]) -> Value {
    let all = [&["play", "camera", "--json"], arguments].concat();
    serde_json::from_slice(&succeed(kvs(local, &all))).unwrap()
}

/// Plays URLs, one after the other, for some seconds each.
fn play(cases: &[(&str, &Value)], seconds: u32) -> Vec<Value> {
    let case =
        |(player, url): &(&str, &Value)| json!({"name": player, "player": player, "url": url, "seconds": seconds});
    let mut judge = Judge::start();
    cases
        .iter()
        .map(case)
        .map(|case| {
            judge.tell(&case);
            judge.answer()
        })
        .collect()
}

/// The program that plays.
struct Judge {
    child: Ended,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Judge {
    fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new("node");
        command.arg(Path::new(BROWSER).join("judge.mjs")).arg(port.to_string());
        let mut child = Ended(command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap());
        let input = child.0.stdin.take().unwrap();
        let output = BufReader::new(child.0.stdout.take().unwrap()).lines();
        Self { child, input, output }
    }

    fn tell(&mut self, line: &Value) {
        writeln!(self.input, "{line}").unwrap();
    }

    fn answer(&mut self) -> Value {
        let line = self.output.next();
        let line = line.unwrap_or_else(|| panic!("judge.mjs ended: {:?}", self.child.0.wait())).unwrap();
        serde_json::from_str(&line).unwrap()
    }
}

/// The shown frames: media time in seconds, the number in the pixels, the width of the picture.
fn shown(result: &Value) -> Vec<(f64, u64, u64)> {
    let entry = |entry: &Value| (entry[0].as_f64().unwrap(), entry[1].as_u64().unwrap(), entry[2].as_u64().unwrap());
    result["shown"].as_array().unwrap_or(&Vec::new()).iter().map(entry).collect()
}

/// Playback went on without a fatal error, and most of the time frames were shown.
fn assert_played(result: &Value, least_seconds: f64) {
    let fatal = |errors: &Vec<Value>| errors.iter().any(|error| error[0] == "fatal");
    assert!(result["errors"].as_array().is_some_and(|errors| !fatal(errors)), "{result}");
    let shown = shown(result);
    let (first, last) = (shown.first().unwrap(), shown.last().unwrap());
    assert!(last.0 - first.0 >= least_seconds, "{result}");
    assert!(result["frames"].as_f64().unwrap() >= least_seconds * FPS * 0.8, "{result}");
}

/// Each shown frame is the one that belongs to its media time. A slow machine may have a later frame in the video by the time it is
/// drawn, never an earlier one.
fn assert_clock(result: &Value) {
    let shown = shown(result);
    let (time, number, _) = shown[0];
    for (at, seen, _) in &shown {
        let expected = f64::from(u32::try_from(number).unwrap()) + (at - time) * FPS;
        let seen = f64::from(u32::try_from(*seen).unwrap());
        assert!((-1.0..=5.0).contains(&(seen - expected)), "frame {seen} at {at} s, expected {expected}: {result}");
    }
}

#[test]
fn players_show_the_stored_frames_at_their_times() {
    let test = "players_show_the_stored_frames_at_their_times";
    if !judges(test) {
        return;
    }
    let _browser = browser();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let local = runtime.block_on(LocalKvs::builder().start()).unwrap();
    succeed(kvs(&local, &["put", "camera", CLOCK, "--offline", "--start-time", START]));
    let urls = urls(&local, &["--from", START]);
    for result in
        play(&[("hls", &urls["hls"]), ("shaka", &urls["hls"]), ("shaka", &urls["dash"]), ("dash", &urls["dash"])], 6)
    {
        assert_played(&result, 4.0);
        assert_clock(&result);
        let (time, number, width) = shown(&result)[0];
        // The recording begins at time zero of the player.
        assert!((time * FPS - f64::from(u32::try_from(number).unwrap())).abs() <= 1.0, "{result}");
        assert_eq!(width, 640);
        assert!(result["audio"].as_u64().unwrap() > 0, "no sound: {result}");
    }
    runtime.block_on(local.shutdown());
}

#[test]
fn players_cross_gaps_and_changes_of_codec_private_data() {
    let test = "players_cross_gaps_and_changes_of_codec_private_data";
    if !judges(test) || !test_judges::succeeds(test, "ffmpeg", &["-version"]) {
        return;
    }
    let _browser = browser();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let local = runtime.block_on(LocalKvs::builder().start()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let cut = |name: &str, options: &[&str]| {
        let path = dir.path().join(name);
        let status =
            Command::new("ffmpeg").args(["-v", "error", "-i", CLOCK, "-t", "4"]).args(options).arg(&path).status();
        assert!(status.unwrap().success());
        path.display().to_string()
    };
    // Encoded again: a copy would end with frames of video alone, in a session with other tracks.
    let first = cut("first.mp4", &["-c:v", "libx264", "-g", "50", "-bf", "2", "-c:a", "copy"]);
    let small = cut("small.mp4", &["-vf", "scale=320:180", "-c:v", "libx264", "-g", "50", "-bf", "0", "-c:a", "copy"]);
    succeed(kvs(&local, &["put", "camera", &first, "--offline", "--start-time", START]));
    // A gap of six seconds, and then another picture size.
    succeed(kvs(&local, &["put", "camera", &first, "--offline", "--start-time", "2026-01-02T03:04:15Z"]));
    succeed(kvs(&local, &["put", "camera", &small, "--offline", "--start-time", "2026-01-02T03:04:19Z"]));
    let hls = runtime.block_on(session_with_marks(&local));
    for result in play(&[("hls", &hls), ("shaka", &hls)], 30) {
        assert_played(&result, 10.0);
        let widths: Vec<u64> = shown(&result).iter().map(|(_, _, width)| *width).collect();
        assert!(widths.contains(&640) && widths.last() == Some(&320), "{result}");
        assert_eq!(result["ended"], true, "{result}");
    }
    let gap = urls(&local, &["--from", START, "--length", "12s"]);
    for result in play(&[("dash", &gap["dash"]), ("shaka", &gap["dash"])], 12) {
        assert_played(&result, 6.0);
    }
    runtime.block_on(local.shutdown());
}

/// Returns the URL of an HLS session that marks discontinuities.
async fn session_with_marks(local: &LocalKvs) -> Value {
    use kvs_aws::{
        Client, ClientConfig, Credentials, DiscontinuityMode, GetHlsStreamingSessionUrl, Region, TimestampOrigin,
    };
    let credentials = Credentials::from_keys(local.access_key(), local.secret_key(), None);
    let config = ClientConfig::new(Region::new(local.region()).unwrap(), credentials);
    let client = Client::new(config.endpoint_url(local.endpoint_url()).unwrap()).unwrap();
    let start = UNIX_EPOCH + Duration::from_secs(1_767_323_045);
    let range = start..start + Duration::from_secs(60);
    let session = GetHlsStreamingSessionUrl::on_demand("camera".parse().unwrap(), TimestampOrigin::Producer, range);
    Value::from(client.send(session.discontinuity_mode(DiscontinuityMode::OnDiscontinuity)).await.unwrap())
}

/// Ends a program that a test started.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn players_follow_a_camera_live() {
    if !judges("players_follow_a_camera_live") {
        return;
    }
    let _browser = browser();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let local = runtime.block_on(LocalKvs::builder().start()).unwrap();
    for (player, protocol) in [("hls", "hls"), ("shaka", "dash"), ("dash", "dash")] {
        let mut judge = Judge::start();
        judge.tell(&json!({"name": player, "player": player, "seconds": 8}));
        assert_eq!(judge.answer()["waiting"], player);
        // A stream of its own: the media of the put before is still live.
        let put = kvs(&local, &["put", player, CLOCK]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let put = Ended(put);
        let (began, began_at) = (Instant::now(), UNIX_EPOCH.elapsed().unwrap());
        // The first fragment is stored when the next one begins.
        let urls = loop {
            let output = kvs(&local, &["play", player, "--json"]).output().unwrap();
            // One protocol alone is a result too: the first fragment may come between the two requests.
            let urls = serde_json::from_slice::<Value>(&output.stdout).unwrap_or_default();
            if urls[protocol].is_string() {
                break urls;
            }
            assert!(began.elapsed() < Duration::from_secs(60), "{}", String::from_utf8_lossy(&output.stderr));
            std::thread::sleep(Duration::from_millis(100));
        };
        judge.tell(&urls[protocol]);
        let result = judge.answer();
        drop(put);
        assert_played(&result, 4.0);
        assert_clock(&result);
        let first = Duration::from_millis(result["first"].as_u64().unwrap());
        let waited = first.saturating_sub(began_at).as_secs_f64();
        println!("{player}: {waited:.2} s from the start of kvs put to the first frame; fragments of 2 s");
    }
    runtime.block_on(local.shutdown());
}

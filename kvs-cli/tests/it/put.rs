//! `kvs put`, run as a user runs it, against a service of its own.

use std::collections::BTreeSet;
use std::process::{Command, Output, Stdio};

use kvs_local::LocalKvs;
use kvs_mkv::fragment::FragmentReader;
use kvs_mkv::{Limits, SegmentInfo, TrackKind, Writer};
use serde_json::Value;

const CLOCK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/media/clock.mp4");

fn put(endpoint: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kvs"));
    command.arg("put").args(arguments).args(["--endpoint", endpoint]);
    for name in ["AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
        command.env_remove(name);
    }
    command
}

async fn run(mut command: Command) -> Output {
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

fn objects(output: &Output) -> Vec<Value> {
    String::from_utf8_lossy(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn persists_every_fragment_at_its_recorded_time() {
    let local = LocalKvs::builder().start().await.unwrap();
    let more = ["--offline", "--start-time", "2026-01-02T03:04:05Z", "--json"];
    let output = run(put(local.endpoint_url(), &[&["camera", CLOCK], &more[..]].concat())).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let objects = objects(&output);
    let persisted: BTreeSet<u64> = objects
        .iter()
        .filter(|one| one["event"] == "ack" && one["type"] == "PERSISTED")
        .map(|one| one["timecode"].as_u64().unwrap())
        .collect();
    // 2026-01-02T03:04:05Z, and a fragment every two seconds from there.
    let start = 1_767_323_045_000;
    assert_eq!(persisted, (0..10).map(|n| start + n * 2000).collect());
    let report = objects.last().unwrap();
    assert_eq!((&report["complete"], &report["lost_frames"]), (&Value::from(true), &Value::from(0)));
    assert_eq!(local.fragments("camera").await.unwrap().len(), 10);
    local.shutdown().await;
}

#[tokio::test]
async fn sends_live_matroska_from_standard_input() {
    let local = LocalKvs::builder().start().await.unwrap();
    let live = tempfile::NamedTempFile::new().unwrap();
    let remuxed = Command::new(env!("CARGO_BIN_EXE_kvs")).args(["remux", CLOCK]).arg(live.path()).status().unwrap();
    assert!(remuxed.success());
    let mut command = put(local.endpoint_url(), &["camera", "-", "--audio", "none"]);
    command.stdin(Stdio::from(std::fs::File::open(live.path()).unwrap()));
    let output = run(command).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("500 of 500 frames persisted in 10 fragments, 0 lost"), "{text}");
    local.shutdown().await;
}

#[tokio::test]
async fn rejects_wrong_input_with_one_line_and_exit_code_2() {
    let local = LocalKvs::builder().start().await.unwrap();
    let cases: [(&[&str], &str); 5] = [
        (&["camera", "missing.mp4"], "does not exist"),
        (&["no name", CLOCK], "StreamName"),
        (&["camera", CLOCK, "--tag", "AWS_NAME=1"], "reserved"),
        (&["camera", CLOCK, "--audio", "alaw"], "A-law"),
        (&["camera", CLOCK, "--endpoint-is-no-option"], "unexpected argument"),
    ];
    for (arguments, says) in cases {
        let output = run(put(local.endpoint_url(), arguments)).await;
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{errors}");
        assert!(errors.contains(says), "{errors}");
    }
    local.shutdown().await;
}

/// Accepts connections and closes them: a service behind a link that is down.
async fn closed_door() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { while listener.accept().await.is_ok() {} });
    format!("http://{address}")
}

/// Forwards connections until `open` is false; then it closes them.
async fn door(to: &str, open: tokio::sync::watch::Receiver<bool>) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let to = to.trim_start_matches("http://").to_owned();
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let (to, mut open) = (to.clone(), open.clone());
            tokio::spawn(async move {
                if !*open.borrow() {
                    return;
                }
                let mut far = tokio::net::TcpStream::connect(to).await.unwrap();
                tokio::select! {
                    _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                    _ = open.wait_for(|open| !open) => {}
                }
            });
        }
    });
    format!("http://{address}")
}

#[tokio::test]
async fn gives_up_only_when_asked_to_and_says_where_the_rest_is() {
    let local = LocalKvs::builder().one_port().start().await.unwrap();
    let (open, opened) = tokio::sync::watch::channel(true);
    let endpoint = door(local.endpoint_url(), opened).await;
    let mut command = put(&endpoint, &["camera", CLOCK, "--give-up-after", "4s", "--json"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // The first fragment is persisted after two seconds; then the link goes down.
    let lines = std::io::BufReader::new(child.stdout.take().unwrap());
    tokio::task::spawn_blocking(move || {
        let mut lines = std::io::BufRead::lines(lines);
        lines.find(|line| line.as_ref().unwrap().contains("PERSISTED")).unwrap().unwrap();
        open.send(false).unwrap();
        lines.count()
    })
    .await
    .unwrap();
    let output = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap()).await.unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{errors}");
    for says in ["frames were persisted", "nothing was persisted for 4 s (--give-up-after)", "clock.mp4 still has them"]
    {
        assert!(errors.contains(says), "{errors}");
    }
    local.shutdown().await;
}

#[tokio::test]
async fn a_service_that_cannot_be_reached_at_the_start_is_reported_at_once() {
    let output = run(put(&closed_door().await, &["camera", CLOCK])).await;
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A recording rebuilt after a report, kept beside the tests of kvs-media.
fn case(name: &str) -> String {
    format!("{}/../kvs-media/tests/cases/{name}", env!("CARGO_MANIFEST_DIR"))
}

#[tokio::test]
async fn chosen_tracks_are_sent_and_the_others_named() {
    let local = LocalKvs::builder().start().await.unwrap();
    let send = async |arguments: &[&str]| {
        let file = case("twoaudio.mp4");
        run(put(local.endpoint_url(), &[&["camera", &file, "--offline"], arguments].concat())).await
    };
    let output = send(&[]).await;
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && errors.contains("left out: audio track 2"), "{errors}");
    let output = send(&["--audio-track", "all", "--json"]).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let objects = objects(&output);
    let report = objects.iter().rfind(|one| one["event"] == "report").unwrap();
    assert_eq!(report["persisted_frames"], 75 + 142 + 131);
    let output = send(&["--audio-track", "3"]).await;
    assert_eq!(output.status.code(), Some(2));
    local.shutdown().await;
}

#[tokio::test]
async fn recordings_of_the_field_are_sent_whole() {
    let local = LocalKvs::builder().start().await.unwrap();
    // Pictures and sounds, as ffprobe counts them.
    let cases = [
        ("elst_cut.mp4", None),
        ("twodesc_frag.mp4", Some(100)),
        ("screen_vfr.mp4", Some(40 + 251)),
        ("latevideo.mp4", Some(75 + 142)),
        ("annexb_cp.mkv", Some(75 + 142)),
        ("zerolen.mkv", None),
    ];
    for (name, frames) in cases {
        let output = run(put(local.endpoint_url(), &["camera", &case(name), "--offline", "--json"])).await;
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && !errors.contains("left out"), "{name}: {errors}");
        let objects = objects(&output);
        let report = objects.iter().rfind(|one| one["event"] == "report").unwrap();
        assert_eq!(report["complete"], true, "{name}: {report}");
        match frames {
            Some(frames) => assert_eq!(report["persisted_frames"], frames, "{name}"),
            None => assert!(report["persisted_frames"].as_u64().unwrap() >= 50, "{name}: {report}"),
        }
    }
    local.shutdown().await;
}

/// The frames of the clock as live Matroska: 4 s in order, then in groups of 8 s their pictures, then their sound. Returns how many
/// frames there are from the first picture on, with which a pipe begins.
fn badly_interleaved(to: &std::path::Path) -> usize {
    let copy = Command::new("ffmpeg").args(["-v", "error", "-y", "-i", CLOCK, "-c", "copy"]).arg(to).status().unwrap();
    assert!(copy.success());
    let mut reader = FragmentReader::new(Limits::default());
    reader.push(std::fs::read(to).unwrap().into());
    let mut fragments = Vec::new();
    while let Some(fragment) = reader.next_fragment().unwrap() {
        fragments.push(fragment);
    }
    fragments.extend(reader.finish().unwrap());
    let tracks = fragments[0].tracks.to_vec();
    let video = tracks.iter().find(|track| track.kind == TrackKind::Video).unwrap().number;
    let mut frames: Vec<_> = fragments.into_iter().flat_map(|fragment| fragment.frames).collect();
    frames.sort_by_key(|frame| {
        let group = (frame.pts.as_secs() + 4) / 8;
        (group, group > 0 && frame.track != video, frame.pts)
    });
    let mut writer = Writer::new(SegmentInfo::new([7; 16]), tracks).unwrap();
    let mut file = writer.start_segment().to_vec();
    for (at, frame) in frames.iter().enumerate() {
        if at == 0 || frame.keyframe && frame.track == video {
            file.extend_from_slice(&writer.start_cluster(frame.pts).unwrap());
        }
        file.extend_from_slice(&writer.block(frame.clone()).unwrap().into_bytes());
    }
    std::fs::write(to, file).unwrap();
    frames.iter().skip_while(|frame| frame.track != video).count()
}

#[tokio::test]
async fn frames_that_come_too_late_are_counted_and_the_rest_is_sent() {
    let local = LocalKvs::builder().start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("apart.mkv");
    let all = badly_interleaved(&file);
    let mut command = put(local.endpoint_url(), &["camera", "-", "--offline", "--json"]);
    // Only a pipe is sent in the order in which it comes.
    let mut cat = Command::new("cat").arg(&file).stdout(Stdio::piped()).spawn().unwrap();
    command.stdin(cat.stdout.take().unwrap());
    let output = run(command).await;
    assert!(cat.wait().unwrap().success());
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(
        errors.contains("came too long after later frames of other tracks") && errors.contains("in order"),
        "{errors}"
    );
    let objects = objects(&output);
    let report = objects.iter().rfind(|one| one["event"] == "report").unwrap();
    let persisted = usize::try_from(report["persisted_frames"].as_u64().unwrap()).unwrap();
    assert!(objects.iter().any(|one| one["event"] == "notice" && one["kind"] == "refused"), "{objects:?}");
    // All pictures, and the sound that was not too late.
    assert!(persisted >= 500 && persisted < all && errors.contains(&format!("{} came", all - persisted)), "{errors}");
    assert_eq!((&report["complete"], &report["lost_frames"]), (&Value::from(false), &Value::from(0)));
    assert_eq!(report["late_frames"], all - persisted);

    // What the message advises.
    let ordered = folder.path().join("ordered.mkv");
    let advice =
        Command::new("ffmpeg").args(["-v", "error", "-i"]).arg(&file).args(["-c", "copy"]).arg(&ordered).status();
    assert!(advice.unwrap().success());
    let output = run(put(local.endpoint_url(), &["camera", ordered.to_str().unwrap(), "--offline", "--json"])).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    local.shutdown().await;
}

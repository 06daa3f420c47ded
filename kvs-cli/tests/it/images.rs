//! The commands about images, run as a user runs them, against an embedded service with real media.

use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, SystemTime};

use kvs_aws::{Client, Credentials, Region};
use kvs_local::LocalKvs;
use kvs_media::Recording;
use kvs_mkv::Frame;
use kvs_producer::{ImageGeneration, NewStream, Producer, ProducerConfig, StreamLookup};

const KVS: &str = env!("CARGO_BIN_EXE_kvs");

/// The embedded service, with the bundled recording in the stream `cam` from the time `start` on.
struct Scene {
    local: LocalKvs,
    start: SystemTime,
    dir: tempfile::TempDir,
}

impl Scene {
    async fn set() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let local = LocalKvs::builder().data_dir(dir.path().join("service")).start().await.unwrap();
        let recording = recording();
        let config = ProducerConfig::new("cam", recording.tracks().to_vec())
            .stream_lookup(StreamLookup::CreateIfMissing(NewStream::new(Duration::from_secs(24 * 3600))));
        let producer = Producer::open(config, client_of(&local)).await.unwrap();
        let start = whole_second(SystemTime::now() - Duration::from_secs(60));
        let since = start.duration_since(SystemTime::UNIX_EPOCH).unwrap();
        for sample in recording.samples() {
            let frame =
                Frame::new(sample.track, since + sample.pts, sample.data.clone()).with_keyframe(sample.keyframe);
            producer.put_frame(frame).await.unwrap();
            if sample.keyframe && sample.track == kvs_mkv::TrackNumber::ONE {
                producer.put_event(ImageGeneration::new()).unwrap();
            }
        }
        let report = producer.stop(Duration::from_secs(120)).await;
        assert!(report.is_complete(), "{report:?}");
        Self { local, start, dir }
    }

    async fn run(&self, command: &[&str], arguments: &[&str]) -> Output {
        let mut program = Command::new(KVS);
        program
            .args(command)
            .args(arguments)
            .args(["--endpoint", self.local.endpoint_url()])
            .current_dir(self.dir.path());
        run(program).await
    }

    fn at(&self, seconds: f64) -> String {
        let epoch = SystemTime::UNIX_EPOCH;
        let start = self.start.duration_since(epoch).unwrap().as_secs_f64();
        let time = jiff::Timestamp::try_from(epoch + Duration::from_secs_f64(start + seconds)).unwrap();
        format!("{time:.3}")
    }
}

fn client_of(local: &LocalKvs) -> Client {
    let credentials = Credentials::from_keys(local.access_key(), local.secret_key(), None);
    let config = kvs_aws::ClientConfig::new(Region::new(local.region()).unwrap(), credentials);
    Client::new(config.endpoint_url(local.endpoint_url()).unwrap()).unwrap()
}

fn recording() -> Recording {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/media/clock.mp4");
    Recording::open(path).unwrap().starting_with_video()
}

async fn run(mut command: Command) -> Output {
    for name in [
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_ENDPOINT_URL",
        "AWS_PROFILE",
    ] {
        command.env_remove(name);
    }
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

fn whole_second(time: SystemTime) -> SystemTime {
    let seconds = time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[track_caller]
fn assert_ok(output: &Output) -> String {
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout).to_owned()
}

/// Asserts one error line with this exit code, and no panic.
#[track_caller]
fn assert_fails(output: &Output, code: i32, says: &str) {
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{error}");
    assert!(error.starts_with("error: ") && error.contains(says), "{error}");
    assert!(!error.contains("panicked"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn image_commands_work_on_real_media() {
    let scene = Scene::set().await;
    lists_and_describes_streams(&scene).await;
    gets_and_puts_configurations_as_files(&scene).await;
    saves_images(&scene).await;
    makes_timelapse(&scene).await;
    saves_media(&scene).await;
    boto3_reads_and_writes_the_same_configuration(&scene).await;
    doctor_names_the_broken_link(&scene).await;
    scene.local.shutdown().await;
}

async fn lists_and_describes_streams(scene: &Scene) {
    let streams = &["streams"];
    assert!(assert_ok(&scene.run(streams, &["list"]).await).starts_with("cam "));
    assert!(assert_ok(&scene.run(streams, &["describe", "cam"]).await).contains("retention  24 h"));
    assert!(assert_ok(&scene.run(streams, &["create", "porch"]).await).contains(":stream/porch/"));
    assert_fails(&scene.run(streams, &["create", "porch"]).await, 1, "ResourceInUseException");
    assert_ok(&scene.run(streams, &["delete", "porch"]).await);
    assert_fails(&scene.run(streams, &["describe", "porch"]).await, 1, "ResourceNotFoundException");
}

async fn gets_and_puts_configurations_as_files(scene: &Scene) {
    let image = &["config", "image"];
    assert_fails(&scene.run(image, &["get", "cam"]).await, 1, "has no image generation configuration");
    let file = r#"{"StreamName":"cam","ImageGenerationConfiguration":{"Status":"ENABLED","DestinationConfig":{"DestinationRegion":"us-west-2","Uri":"s3://my-bucket"},"SamplingInterval":500,"ImageSelectorType":"PRODUCER_TIMESTAMP","Format":"JPEG","FormatConfig":{"JPEGQuality":"80"},"WidthPixels":320,"HeightPixels":240}}"#;
    std::fs::write(scene.dir.path().join("image.json"), file).unwrap();
    assert_ok(&scene.run(image, &["put", "image.json"]).await);
    let back = assert_ok(&scene.run(image, &["get", "cam"]).await);
    let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    assert_eq!(value(&back), value(file));
    std::fs::write(scene.dir.path().join("wrong.json"), file.replace("500", "50")).unwrap();
    assert_fails(&scene.run(image, &["put", "wrong.json"]).await, 2, "wrong.json: SamplingInterval: must be 200");
    assert_fails(&scene.run(image, &["put", "missing.json"]).await, 2, "missing.json: No such file");
    std::fs::write(scene.dir.path().join("picture.json"), b"\xff\xd8\xff\xe0").unwrap();
    assert_fails(&scene.run(image, &["put", "picture.json"]).await, 2, "picture.json: is not JSON but binary data");
    let notification = &["config", "notification"];
    let file = r#"{"StreamName":"cam","NotificationConfiguration":{"Status":"ENABLED","DestinationConfig":{"Uri":"arn:aws:sns:us-west-2:111122223333:cameras"}}}"#;
    std::fs::write(scene.dir.path().join("notification.json"), file).unwrap();
    assert_ok(&scene.run(notification, &["put", "notification.json"]).await);
    assert_eq!(value(&assert_ok(&scene.run(notification, &["get", "cam"]).await)), value(file));
    assert_ok(&scene.run(notification, &["delete", "cam"]).await);
    assert_fails(&scene.run(notification, &["get", "cam"]).await, 1, "no notification configuration");
}

async fn saves_images(scene: &Scene) {
    let program = &["images"];
    let (from, to) = (scene.at(-4.0), scene.at(8.0));
    let range = ["cam", "--from", &from, "--to", &to, "--every", "1s", "--size", "160x90"];
    let out = assert_ok(&scene.run(program, &[&range[..], &["--out", "pictures"]].concat()).await);
    assert!(out.contains("4 images: ") && out.contains("8 images in pictures"), "{out}");
    let names: Vec<_> =
        std::fs::read_dir(scene.dir.path().join("pictures")).unwrap().map(|e| e.unwrap().path()).collect();
    assert_eq!(names.len(), 8);
    for name in names {
        assert!(std::fs::read(name).unwrap().starts_with(&[0xff, 0xd8]));
    }
    let png = assert_ok(&scene.run(program, &[&range[..], &["--format", "png", "--out", "png"]].concat()).await);
    assert!(png.contains("8 images"), "{png}");
    let fast = ["cam", "--from", &from, "--every", "100ms", "--out", "x"];
    assert_fails(&scene.run(program, &fast).await, 2, "SamplingInterval: must be 200");
    assert_fails(
        &scene.run(program, &["cam", "--from", &to, "--to", &from, "--out", "x"]).await,
        2,
        "end must be after",
    );
    assert_fails(
        &scene.run(program, &["cam", "--from", "noon", "--out", "x"]).await,
        2,
        "--from: invalid time \"noon\"",
    );
    assert_fails(
        &scene
            .run(program, &["cam", "--from", "2001-01-01", "--to", "2001-01-02", "--every", "1h", "--out", "x"])
            .await,
        1,
        "no image",
    );
    let mut nowhere = Command::new(KVS);
    nowhere
        .args(["images", "cam", "--from", "-1m", "--out", "x", "--endpoint", "http://127.0.0.1:1"])
        .current_dir(scene.dir.path());
    assert_fails(&run(nowhere).await, 2, "cannot connect to");
}

async fn makes_timelapse(scene: &Scene) {
    let program = &["timelapse"];
    let (start, end) = (scene.at(0.0), scene.at(12.0));
    let range = ["--stream-name", "cam", "--start-time", &start, "--end-time", &end, "--clock", "producer"];
    let look =
        ["--width", "160", "--height", "90", "--duration", "2", "--framerate", "10", "--output-path", "video.mp4"];
    let out = assert_ok(&scene.run(program, &[&range[..], &look[..]].concat()).await);
    assert!(out.starts_with("video.mp4: 20 images, 2.0 s, 0 of 20"), "{out}");
    let video = re_mp4::Mp4::read_bytes(&std::fs::read(scene.dir.path().join("video.mp4")).unwrap()).unwrap();
    let track = video.tracks().values().next().unwrap();
    assert_eq!((track.width, track.height, track.samples.len()), (160, 90, 20));
    let nothing =
        ["--stream-name", "cam", "--start-time", "2001-01-01", "--end-time", "2001-01-02", "--output-path", "no.mp4"];
    assert_fails(&scene.run(program, &nothing).await, 1, "no image");
    let unknown = ["--stream-name", "nobody", "--start-time", "-1m", "--end-time", "now", "--output-path", "no.mp4"];
    assert_fails(&scene.run(program, &unknown).await, 1, "ResourceNotFoundException");
    let backwards = ["--stream-name", "cam", "--start-time", "now", "--end-time", "-1m", "--output-path", "no.mp4"];
    assert_fails(&scene.run(program, &backwards).await, 2, "--end-time must be after --start-time");
    let left = std::fs::read_dir(scene.dir.path()).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(!left.into_iter().any(|name| name.to_string_lossy().starts_with("no.mp4")));
}

async fn saves_media(scene: &Scene) {
    let program = &["get"];
    let out = assert_ok(&scene.run(program, &["cam", "--out", "all.mkv"]).await);
    assert!(out.starts_with("all.mkv: "), "{out}");
    let saved = Recording::open(scene.dir.path().join("all.mkv")).unwrap();
    assert_eq!(saved.samples().len(), recording().samples().len(), "each frame once");
    assert_fails(&scene.run(program, &["cam", "--from", "after=x", "--out", "x.mkv"]).await, 2, "AfterFragmentNumber");
}

async fn doctor_names_the_broken_link(scene: &Scene) {
    let program = &["doctor"];
    let out = assert_ok(&scene.run(program, &["cam"]).await);
    for link in
        ["stream", "retention", "image generation", "bucket region", "persisted", "image tag", "codec", "first image"]
    {
        assert!(out.contains(&format!("ok    {link}")), "{link} in\n{out}");
    }
    let streams = &["streams"];
    assert_ok(&scene.run(streams, &["create", "empty", "--retention-hours", "0"]).await);
    let output = scene.run(program, &["empty"]).await;
    assert_fails(&output, 1, "to its images are broken");
    assert!(text(&output.stdout).contains("BAD   retention: 0 h"), "{}", text(&output.stdout));
    let output = scene.run(program, &["nobody"]).await;
    assert!(text(&output.stdout).contains("BAD   stream: no stream of this name"), "{}", text(&output.stdout));
}

/// Puts a configuration with boto3 if one is given, and prints what boto3 then sees.
const BOTO3: &str = r#"
import json, os, sys, boto3
client = boto3.client("kinesisvideo", endpoint_url=sys.argv[1], region_name="us-west-2",
                      aws_access_key_id=sys.argv[2], aws_secret_access_key=sys.argv[3])
if len(sys.argv) > 4:
    client.update_image_generation_configuration(**json.loads(sys.argv[4]))
seen = client.describe_image_generation_configuration(StreamName="cam")
print(json.dumps({"StreamName": "cam", "ImageGenerationConfiguration": seen["ImageGenerationConfiguration"]}))
"#;

async fn boto3_reads_and_writes_the_same_configuration(scene: &Scene) {
    let test = "boto3_reads_and_writes_the_same_configuration";
    let Some(python) = test_judges::python(test, &["boto3"]) else { return };
    let boto3 = |file: Option<&str>| {
        let mut command = Command::new(&python);
        let local = &scene.local;
        command.args(["-c", BOTO3, local.endpoint_url(), local.access_key(), local.secret_key()]).args(file);
        run(command)
    };
    let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    let get = || scene.run(&["config", "image"], &["get", "cam"]);
    let ours = value(&assert_ok(&get().await));
    assert_eq!(value(&assert_ok(&boto3(None).await)), ours, "what our client put");
    let theirs = r#"{"StreamName":"cam","ImageGenerationConfiguration":{"Status":"DISABLED","DestinationConfig":{"DestinationRegion":"us-west-2","Uri":"s3://their-bucket/path"},"SamplingInterval":3000,"ImageSelectorType":"SERVER_TIMESTAMP","Format":"PNG"}}"#;
    assert_eq!(value(&assert_ok(&boto3(Some(theirs)).await)), value(theirs));
    assert_eq!(value(&assert_ok(&get().await)), value(theirs), "what boto3 put");
    assert_ok(&boto3(Some(&ours.to_string())).await);
}

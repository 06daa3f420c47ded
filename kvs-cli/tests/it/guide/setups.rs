//! Broken set-ups as newcomers meet them: `kvs doctor` names the link and the next step, and the guide has the link.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;
use std::time::{Duration, SystemTime};

use kvs_aws::{
    Client, ClientConfig, ConfigurationStatus, CreateStream, Credentials, DeleteStream, DescribeStream,
    ImageGenerationConfiguration, NotificationConfiguration, Region, UpdateImageGenerationConfiguration,
    UpdateNotificationConfiguration,
};
use kvs_local::{Fault, FaultKind, LocalKvs};
use kvs_media::Recording;
use kvs_mkv::TrackKind;
use kvs_producer::{BitstreamMode, CodecId, Frame, ImageGeneration, Producer, ProducerConfig, Track, TrackNumber};

use super::repository;

/// What was expected of each set-up, and what came.
#[derive(Default)]
struct Table {
    rows: usize,
    wrong: Vec<String>,
    links: Vec<String>,
}

/// A set-up: what it is called, the arguments and variables of `kvs doctor`, and what it must print.
struct Setup<'a> {
    name: &'a str,
    arguments: &'a [&'a str],
    variables: &'a [(&'a str, &'a str)],
    /// `BAD` or `note`.
    level: &'a str,
    link: &'a str,
    says: &'a str,
    next_step: &'a str,
}

impl Table {
    async fn check(&mut self, setup: Setup<'_>) {
        let home = tempfile::tempdir().unwrap();
        let mut kvs = Command::new(env!("CARGO_BIN_EXE_kvs"));
        kvs.arg("doctor").args(setup.arguments).env_clear().env("HOME", home.path()).current_dir(home.path());
        kvs.env("AWS_EC2_METADATA_DISABLED", "true").envs(setup.variables.iter().copied());
        let output = tokio::task::spawn_blocking(move || kvs.output().unwrap()).await.unwrap();
        let (out, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let head = format!("{:<5} {}: ", setup.level, setup.link);
        let mut lines = out.lines().skip_while(|line| !line.starts_with(&head));
        let (finding, step) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
        let good = finding.contains(setup.says)
            && step.starts_with("      -> ")
            && step.contains(setup.next_step)
            && (setup.level != "BAD" || output.status.code() == Some(1));
        if !good {
            self.wrong.push(format!(
                "--- {}: no {head}...{}... -> ...{}...\n{out}{error}",
                setup.name, setup.says, setup.next_step
            ));
        }
        self.rows += 1;
        self.links.push(setup.link.to_owned());
    }

    fn end(self, least: usize) {
        assert!(self.wrong.is_empty(), "{} of {} set-ups\n{}", self.wrong.len(), self.rows, self.wrong.join("\n"));
        assert!(self.rows >= least, "{} set-ups", self.rows);
        let page = std::fs::read_to_string(repository().join("guide/src/no-image.md")).unwrap();
        for link in &self.links {
            assert!(page.contains(&format!("\n| {link} |")), "the page has no row for {link}");
        }
    }
}

/// Answers every request on a port of its own with this text, until the test ends.
fn stub(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for mut socket in listener.incoming().map_while(Result::ok) {
            let mut request = [0; 4096];
            // What was asked does not matter; a client that has gone needs no answer.
            if socket.read(&mut request).is_ok_and(|bytes| bytes > 0) {
                let _ = socket.write_all(answer.as_bytes());
            }
        }
    });
    address
}

const KEYS: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "kvs-local"), ("AWS_SECRET_ACCESS_KEY", "kvs-local-secret")];

#[tokio::test(flavor = "multi_thread")]
async fn settings_and_networks_that_are_broken() {
    let mut table = Table::default();
    let [id, secret] = KEYS;
    let region = ("AWS_REGION", "us-west-2");
    let device = ("AWS_IOT_CORE_CREDENTIAL_ENDPOINT", "c1.credentials.iot.us-west-2.amazonaws.com");
    let role = ("AWS_IOT_CORE_ROLE_ALIAS", "camera");
    for (name, variables, link, says, next_step) in [
        ("no Region", &[id, secret][..], "Region", "no region", "--region"),
        ("no credentials at all", &[region], "credentials", "", "guide/src/credentials.md"),
        ("half a pair of keys", &[region, id], "credentials", "AWS_SECRET_ACCESS_KEY", "set both keys"),
        ("a profile that does not exist", &[region, ("AWS_PROFILE", "cameras")], "credentials", "", "credentials"),
        ("a device without certificate", &[region, device, role], "device certificate", "AWS_IOT_CORE_CERT", "iot.md"),
        (
            "a device whose files are missing",
            &[region, device, role, ("AWS_IOT_CORE_CERT", "none.pem"), ("AWS_IOT_CORE_PRIVATE_KEY", "none.key")],
            "TLS",
            "cannot read",
            "AWS_IOT_CORE_",
        ),
        (
            "a CA bundle that is missing",
            &[region, id, secret, ("AWS_CA_BUNDLE", "none.pem")],
            "TLS",
            "none.pem",
            "AWS_CA_BUNDLE",
        ),
        (
            "a proxy that is no URL",
            &[region, id, secret, ("HTTPS_PROXY", "socks5://x")],
            "proxy",
            "HTTPS_PROXY",
            "NO_PROXY",
        ),
        (
            "a proxy that is away",
            &[region, id, secret, ("HTTPS_PROXY", "http://127.0.0.1:9")],
            "proxy",
            "127.0.0.1:9",
            "HTTPS_PROXY",
        ),
    ] {
        let arguments = &["front-door"];
        table.check(Setup { name, arguments, variables, level: "BAD", link, says, next_step }).await;
    }
    let locked = stub("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    let (locked, page) =
        (format!("http://{locked}"), stub("HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\n<html>"));
    let (page_url, plain_as_tls) = (format!("http://{page}"), format!("https://{page}"));
    let tls = LocalKvs::builder().tls().start().await.unwrap();
    let tls_as_plain = tls.endpoint_url().replace("https", "http");
    for (name, endpoint, variables, link, says, next_step) in [
        ("nothing listens", "http://127.0.0.1:9", &[][..], "network", "cannot connect", "start the service"),
        ("a name that does not exist", "http://kvs..example", &[], "network", "kvs..example", "DNS"),
        (
            "a proxy that wants a password",
            "https://kvs.example",
            &[("HTTPS_PROXY", &*locked)],
            "proxy",
            "407",
            "password",
        ),
        ("a web page answers", &page_url, &[], "network", "", "not the service"),
        ("https where http is spoken", &plain_as_tls, &[], "TLS", "", "https"),
        ("http where https is spoken", &tls_as_plain, &[], "network", "", "http:// or https://"),
        ("a certificate of an unknown authority", tls.endpoint_url(), &[], "TLS", "certificate", "AWS_CA_BUNDLE"),
    ] {
        let arguments = &["front-door", "--endpoint", endpoint];
        table.check(Setup { name, arguments, variables, level: "BAD", link, says, next_step }).await;
    }
    tls.shutdown().await;
    table.end(16);
}

/// What a stream gets.
struct Media {
    /// Only the first frame begins a fragment.
    one_fragment: bool,
    tagged: bool,
    /// How long ago the camera says it was.
    ago: Duration,
    track: Option<Track>,
}

impl Default for Media {
    fn default() -> Self {
        Self { one_fragment: false, tagged: true, ago: Duration::from_secs(20), track: None }
    }
}

/// A service with one stream in each state.
struct Scene {
    local: LocalKvs,
    client: Client,
    recording: Recording,
}

impl Scene {
    async fn stream(&self, name: &str, hours: u32) {
        let create = CreateStream::new(name.parse().unwrap()).data_retention_in_hours(hours);
        self.client.send(create).await.unwrap();
    }

    /// A stream that is as it should be, but for what follows.
    async fn good(&self, name: &str) {
        self.stream(name, 24).await;
        self.images(name, ImageGenerationConfiguration::new("s3://camera-images", "us-west-2")).await;
    }

    async fn images(&self, name: &str, configuration: ImageGenerationConfiguration) {
        let update = UpdateImageGenerationConfiguration::new(name.parse().unwrap(), configuration);
        self.client.send(update).await.unwrap();
    }

    async fn send(&self, name: &str, media: Media) {
        let video: Vec<_> = self.recording.samples().iter().filter(|sample| sample.track == TrackNumber::ONE).collect();
        let (tracks, mode) = match &media.track {
            Some(track) => (vec![track.clone()], BitstreamMode::Passthrough),
            None => (vec![self.recording.tracks()[0].clone()], BitstreamMode::Detect),
        };
        let config = ProducerConfig::new(name, tracks).bitstream_mode(mode);
        let producer = Producer::open(config, self.client.clone()).await.unwrap();
        let start = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap() - media.ago;
        for (nth, sample) in video.iter().take_while(|sample| sample.pts < Duration::from_secs(14)).enumerate() {
            let keyframe = if media.one_fragment { nth == 0 } else { sample.keyframe };
            let frame = Frame::new(TrackNumber::ONE, start + sample.pts, sample.data.clone()).with_keyframe(keyframe);
            producer.put_frame(frame).await.unwrap();
            if keyframe && media.tagged {
                producer.put_event(ImageGeneration::new()).unwrap();
            }
        }
        assert!(producer.stop(Duration::from_secs(60)).await.is_complete());
    }

    /// Checks `kvs doctor STREAM` beside this service.
    async fn check(&self, table: &mut Table, row: [&str; 6], variables: &[(&str, &str)]) {
        let [name, stream, level, link, says, next_step] = row;
        let arguments: Vec<_> = stream.split(' ').chain(["--endpoint", self.local.endpoint_url()]).collect();
        let mut all = KEYS.to_vec();
        all.extend(variables);
        all.push(("AWS_REGION", "us-west-2"));
        table.check(Setup { name, arguments: &arguments, variables: &all, level, link, says, next_step }).await;
    }
}

async fn scene() -> Scene {
    let local = LocalKvs::builder().transition_delay(Duration::ZERO).start().await.unwrap();
    let credentials = Credentials::from_keys(local.access_key(), local.secret_key(), None);
    let config = ClientConfig::new(Region::new(local.region()).unwrap(), credentials);
    let client = Client::new(config.endpoint_url(local.endpoint_url()).unwrap()).unwrap();
    let recording = Recording::open(repository().join("examples/media/clock.mp4")).unwrap().starting_with_video();
    Scene { local, client, recording }
}

#[tokio::test(flavor = "multi_thread")]
async fn identities_and_refusals_that_are_broken() {
    let (mut table, scene) = (Table::default(), scene().await);
    scene.good("door").await;
    scene.send("door", Media::default()).await;
    let wrong = |secret| [("AWS_SECRET_ACCESS_KEY", secret)];
    scene
        .check(&mut table, ["a wrong secret", "door", "BAD", "credentials", "Signature", "secret key"], &wrong("x"))
        .await;
    let stranger = [("AWS_ACCESS_KEY_ID", "AKIDSTRANGER")];
    scene
        .check(&mut table, ["a key that is not known", "door", "BAD", "credentials", "", "access key"], &stranger)
        .await;
    let elsewhere = "arn:aws:kinesisvideo:eu-west-1:111122223333:stream/door/1705489836421";
    scene
        .check(
            &mut table,
            ["the stream is in another Region", elsewhere, "BAD", "Region", "eu-west-1", "--region"],
            &[],
        )
        .await;
    let refuse = |exception: &str| FaultKind::Refuse { exception: exception.to_owned() };
    for (operation, kind, row) in [
        (
            "describeStream",
            refuse("ExpiredTokenException"),
            ["an expired token", "BAD", "credentials", "Expired", "temporary"],
        ),
        (
            "describeStream",
            refuse("AccessDeniedException"),
            ["no DescribeStream", "BAD", "permission", "DescribeStream", "kvs policy"],
        ),
        (
            "listFragments",
            refuse("NotAuthorizedException"),
            ["no ListFragments", "BAD", "permission", "ListFragments", "kvs policy"],
        ),
        (
            "getImages",
            refuse("AccessDeniedException"),
            ["no GetImages", "BAD", "permission", "GetImages", "kvs policy"],
        ),
        (
            "describeStream",
            refuse("ClientLimitExceededException"),
            ["too many calls", "BAD", "quota", "LimitExceeded", "wait"],
        ),
        (
            "describeStream",
            refuse("InternalFailure"),
            ["a fault of the service", "BAD", "service", "Internal", "later"],
        ),
        ("describeStream", FaultKind::ClockSkew { seconds: 900 }, ["a wrong clock", "note", "clock", "behind", "NTP"]),
        (
            "getImages",
            FaultKind::MediaError,
            ["media that cannot be decoded", "BAD", "first image", "MEDIA_ERROR", "4:2:0"],
        ),
        ("getImages", FaultKind::NoMedia, ["media that is not there yet", "BAD", "first image", "NO_MEDIA", "seconds"]),
    ] {
        let [name, level, link, says, next_step] = row;
        scene.local.faults().add(Fault::new(kind).on(operation)).unwrap();
        scene.check(&mut table, [name, "door", level, link, says, next_step], &[]).await;
        scene.local.faults().clear();
    }
    scene.local.shutdown().await;
    table.end(12);
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_and_media_that_are_broken() {
    let (mut table, scene) = (Table::default(), scene().await);
    scene.stream("keeps-nothing", 0).await;
    scene.good("empty").await;
    scene.stream("not-configured", 24).await;
    for name in ["disabled", "no-bucket", "untagged", "long", "ahead", "slow", "jpeg", "bare"] {
        scene.good(name).await;
    }
    scene.stream("deleted", 24).await;
    let deleted = scene.client.send(DescribeStream::new("deleted".parse().unwrap())).await.unwrap();
    let deleted = deleted.stream_arn.unwrap().parse().unwrap();
    scene.client.send(DeleteStream::new(deleted)).await.unwrap();
    let images = || ImageGenerationConfiguration::new("s3://camera-images", "us-west-2");
    scene.images("disabled", images().with_status(ConfigurationStatus::Disabled)).await;
    let quiet = NotificationConfiguration::new("arn:aws:sns:us-west-2:111122223333:cameras")
        .with_status(ConfigurationStatus::Disabled);
    scene.client.send(UpdateNotificationConfiguration::new("disabled".parse().unwrap(), quiet)).await.unwrap();
    scene.images("slow", images().with_sampling_interval(Duration::from_secs(20))).await;
    scene.send("untagged", Media { tagged: false, ..Media::default() }).await;
    scene.send("long", Media { one_fragment: true, ..Media::default() }).await;
    scene.send("ahead", Media { ago: Duration::from_secs(40 * 24 * 3600), ..Media::default() }).await;
    scene.send("slow", Media::default()).await;
    let video = |codec| Track::new(TrackNumber::ONE, TrackKind::Video, codec).with_video(640, 360);
    scene.send("jpeg", Media { track: Some(video(CodecId::MJPEG)), ..Media::default() }).await;
    scene.send("bare", Media { track: Some(video(CodecId::H264)), ..Media::default() }).await;
    let sound = Track::new(TrackNumber::ONE, TrackKind::Audio, CodecId::AAC);
    scene.good("sound").await;
    scene.send("sound", Media { track: Some(sound), ..Media::default() }).await;

    let none = format!("http://{}", stub("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"));
    let moved =
        "HTTP/1.1 301 Moved\r\nx-amz-bucket-region: eu-west-1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let moved = format!("http://{}", stub(moved));
    for (row, s3) in [
        (["no such stream", "nobody", "BAD", "stream", "no stream", "create it"], None),
        (["a deleted stream", "deleted", "BAD", "stream", "no stream", "create it"], None),
        (["no retention", "keeps-nothing", "BAD", "retention", "0 h", "raise it"], None),
        (["nothing was sent", "empty", "BAD", "persisted fragments", "none", "ERROR ack"], None),
        (
            [
                "no image generation",
                "not-configured",
                "note",
                "image generation",
                "not configured",
                "kvs config image put",
            ],
            None,
        ),
        (["image generation is off", "disabled", "BAD", "image generation", "DISABLED", "ENABLED"], None),
        (["notifications are off", "disabled", "BAD", "notifications", "DISABLED", "ENABLED"], None),
        (["no notifications", "empty", "note", "notifications", "not configured", "kvs config notification put"], None),
        (["a bucket that does not exist", "no-bucket", "BAD", "bucket", "camera-images", "aws s3 mb"], Some(&none)),
        (
            ["a bucket that is elsewhere", "no-bucket", "BAD", "bucket", "eu-west-1", "Region of the stream"],
            Some(&moved),
        ),
        (["no image tag", "untagged", "note", "image tag", "does not ask", "--event image"], None),
        (["key frames are rare", "long", "note", "fragment length", "ms", "key frame interval"], None),
        (["the camera's clock is wrong", "ahead", "note", "camera clock", "arrived at", "clock of the camera"], None),
        (["a long sampling interval", "slow", "note", "sampling interval", "20000 ms", "one image"], None),
        (["Motion JPEG", "jpeg", "BAD", "codec", "V_MJPEG", "H.264"], None),
        (["no codec private data", "bare", "BAD", "codec", "no codec private data", "avcC"], None),
        (["sound alone", "sound", "BAD", "codec", "not video", "first track"], None),
        (["only old media", "slow --back 100ms", "BAD", "persisted fragments", "none in the last", "--back"], None),
    ] {
        let variables: Vec<_> = s3.into_iter().map(|url: &String| ("AWS_ENDPOINT_URL_S3", url.as_str())).collect();
        scene.check(&mut table, row, &variables).await;
    }
    scene.local.shutdown().await;
    table.end(18);
}

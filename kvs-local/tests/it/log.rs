//! The log says what was refused, and why.
#![cfg(unix)]

use crate::support;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use kvs_local::__internal::fuzz::Clip;
use kvs_mkv::{CodecId, Frame, SegmentInfo, Track, TrackKind, TrackNumber, Writer};
use serde_json::Value;
use support::{Put, SOME_TIME, create, post};

/// A running binary with a log in JSON.
struct Service {
    child: Child,
    address: SocketAddr,
    dir: tempfile::TempDir,
}

impl Service {
    fn start(options: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let log = std::fs::File::create(dir.path().join("log")).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_kvs-local"))
            .args(["--listen", "127.0.0.1:0", "--one-port", "--log-format", "json", "--data-dir"])
            .arg(dir.path().join("data"))
            .args(options)
            .env_remove("RUST_LOG")
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().rsplit("//").next().unwrap().parse().unwrap();
        Self { child, address, dir }
    }

    /// Stops the service and returns the lines of the log.
    fn log(mut self) -> Vec<Value> {
        let path: PathBuf = self.dir.path().join("log");
        Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        self.child.wait().unwrap();
        let text = std::fs::read_to_string(path).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
    }
}

fn find<'a>(log: &'a [Value], level: &str, message: &str) -> &'a Value {
    let found = log.iter().find(|line| line["level"] == level && line["message"].as_str().unwrap().contains(message));
    found.unwrap_or_else(|| panic!("no {level} {message}: {log:#?}"))
}

#[tokio::test]
async fn error_acks_are_logged_with_id_name_cause_and_fragment() {
    let service = Service::start(&["--anonymous"]);
    create(service.address, "door").await;
    let relative = "x-amzn-producer-start-timestamp: 1699332285123\r\n";
    let mut put = Put::open_with_timecodes(service.address, "door", "RELATIVE", relative).await;
    assert_eq!(put.ack().await["ErrorId"], 4007);
    let mut put = Put::open(service.address, "door", "").await;
    put.send(b"not Matroska").await;
    assert_eq!(put.ack().await["ErrorId"], 4006);
    assert_eq!(post(service.address, "/describeStream", r#"{"StreamName":"gate"}"#).await.status, 404);
    let log = service.log();
    let start = log.iter().find(|line| line["id"] == 4007).unwrap();
    assert_eq!((&start["level"], &start["code"]), (&"WARN".into(), &"INVALID_PRODUCER_TIMESTAMP".into()));
    assert_eq!(start["span"]["stream"], "door");
    find(&log, "INFO", "start timestamp of relative timecodes");
    let body = log.iter().find(|line| line["id"] == 4006).unwrap();
    assert!(body["message"].as_str().unwrap().starts_with("error ack: "), "{body}");
    let cause = find(&log, "INFO", "body is not Matroska that the service accepts");
    assert!(cause["error"].as_str().unwrap().contains("byte 0"), "{cause}");
    assert_eq!(find(&log, "INFO", "request refused")["path"], "/describeStream");
}

/// Two groups of pictures, in each of which the H.264 decoder panics (see `decoder-tests`).
#[tokio::test]
async fn a_decoder_that_panics_is_counted_in_the_log_and_the_service_goes_on() {
    let service = Service::start(&["--anonymous", "--decoder", "built-in"]);
    create(service.address, "door").await;
    let clip = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clips/baseline_b_slices.h264")).unwrap();
    let clip = Clip::parse(&clip, CodecId::H264, usize::MAX);
    let track = Track::new(TrackNumber::ONE, TrackKind::Video, clip.codec.clone()).with_codec_private(clip.private);
    let mut writer = Writer::new(SegmentInfo::new([7; 16]), vec![track]).unwrap();
    let mut body = writer.start_segment().to_vec();
    body.extend_from_slice(&writer.start_cluster(Duration::from_millis(SOME_TIME)).unwrap());
    for (number, frame) in (0..).zip(clip.frames) {
        let at = Duration::from_millis(SOME_TIME + 200 * number);
        let frame = Frame::new(TrackNumber::ONE, at, frame).with_keyframe(number % 4 == 0);
        body.extend_from_slice(&writer.block(frame).unwrap().into_bytes());
    }
    let mut put = Put::open(service.address, "door", "").await;
    put.send(&body).await;
    put.end().await;
    assert!(put.rest().await.contains("PERSISTED"));

    let (from, to) = (SOME_TIME as f64 / 1000.0, SOME_TIME as f64 / 1000.0 + 1.5);
    let request = format!(
        r#"{{"StreamName":"door","ImageSelectorType":"PRODUCER_TIMESTAMP","Format":"JPEG","StartTimestamp":{from},"EndTimestamp":{to},"SamplingInterval":200}}"#
    );
    let response = post(service.address, "/getImages", &request).await;
    let images = response.json()["Images"].as_array().unwrap().clone();
    assert_eq!(images.len(), 8, "{images:?}");
    for (number, image) in images.iter().enumerate() {
        // The third in display order is the last in decoding order.
        match number % 4 {
            2 => assert_eq!(image["Error"], "MEDIA_ERROR", "{number}"),
            _ => assert!(image["ImageContent"].is_string(), "{number}: {image}"),
        }
    }
    let log = service.log();
    let panics = log.iter().filter(|line| line["message"].as_str().unwrap().starts_with("panic: ")).count();
    let counted: Vec<_> = log.iter().filter_map(|line| line["panics"].as_u64()).collect();
    assert_eq!((panics, counted), (2, vec![1, 2]), "{log:#?}");
}

/// JSON itself escapes neither 0x9b, which begins a command for some terminals, nor marks that reorder text.
#[tokio::test]
async fn text_from_outside_acts_on_no_terminal_in_json_either() {
    let service = Service::start(&["--anonymous"]);
    let path = "/\u{9b}31mred\u{202e}\u{2028}forged";
    assert_eq!(post(service.address, path, "{}").await.status, 404);
    let file = service.dir.path().join("log");
    let raw = std::fs::read_to_string(file).unwrap();
    assert!(raw.contains(r"/\u009b31mred\u202e\u2028forged"), "{raw}");
    assert!(!raw.contains(['\u{9b}', '\u{202e}', '\u{2028}']), "{raw}");
    assert_eq!(find(&service.log(), "INFO", "request refused")["path"], path);
}

#[tokio::test]
async fn refused_requests_and_failed_handshakes_are_logged() {
    let service = Service::start(&[]);
    assert_eq!(post(service.address, "/listStreams", "{}").await.status, 403);
    let log = service.log();
    let refused = find(&log, "WARN", "request refused");
    assert_eq!((&refused["status"], &refused["path"]), (&403.into(), &"/listStreams".into()));
    assert!(refused["error"].as_str().unwrap().starts_with("MissingAuthenticationTokenException: "), "{refused}");

    let service = Service::start(&["--tls"]);
    let mut plain = TcpStream::connect(service.address).unwrap();
    plain.write_all(b"POST /listStreams HTTP/1.1\r\n\r\n").unwrap();
    std::io::Read::read_to_end(&mut plain, &mut Vec::new()).unwrap();
    find(&service.log(), "WARN", "TLS handshake failed");
}

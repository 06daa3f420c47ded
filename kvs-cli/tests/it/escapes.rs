//! Text from outside reaches the terminal escaped: names and messages of a service, and tags of a file.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::{Command, Output};

const HOSTILE: &str = r#"door\u001b[31m\r\nerror: forged\u009b1m\u202e"#;

/// A service that answers every request with this status and body.
fn service(status: &'static str, body: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut reader = BufReader::new(stream.unwrap());
            let (mut line, mut length) = (String::new(), 0);
            while line != "\r\n" {
                line.clear();
                reader.read_line(&mut line).unwrap();
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length: ") {
                    length = value.trim().parse().unwrap();
                }
            }
            reader.read_exact(&mut vec![0; length]).unwrap();
            let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            reader.get_mut().write_all(format!("{head}{body}").as_bytes()).unwrap();
        }
    });
    url
}

fn kvs(url: &str, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_kvs"))
        .args(["--endpoint", url, "--region", "us-west-2"])
        .args(arguments)
        .env("AWS_ACCESS_KEY_ID", "AKID")
        .env("AWS_SECRET_ACCESS_KEY", "secret")
        .env_remove("RUST_LOG")
        .output()
        .unwrap()
}

/// No character but the line breaks of the program itself acts on a terminal.
fn assert_harmless(output: &[u8], lines: usize) -> String {
    let text = String::from_utf8(output.to_vec()).unwrap();
    let acts = |character: char| character.is_control() && character != '\n' || character == '\u{202e}';
    assert!(!text.contains(acts), "{text:?}");
    assert_eq!(text.lines().count(), lines, "{text:?}");
    text
}

#[test]
fn names_of_streams_are_escaped() {
    let page = format!(r#"{{"StreamInfoList":[{{"StreamName":"{HOSTILE}","MediaType":"{HOSTILE}"}}]}}"#);
    let url = service("200 OK", page);
    let listed = kvs(&url, &["streams", "list"]);
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    let text = assert_harmless(&listed.stdout, 1);
    assert!(text.starts_with(r"door\u{1b}[31m\r\nerror: forged\u{9b}1m\u{202e}"), "{text}");
    let listed = kvs(&url, &["--json", "streams", "list"]);
    let text = assert_harmless(&listed.stdout, 1);
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["name"], "door\u{1b}[31m\r\nerror: forged\u{9b}1m\u{202e}");
}

#[test]
fn members_and_messages_of_a_service_are_escaped() {
    let info =
        format!(r#"{{"StreamInfo":{{"StreamName":"{HOSTILE}","MediaType":"{HOSTILE}","Version":"{HOSTILE}"}}}}"#);
    let described = kvs(&service("200 OK", info), &["streams", "describe", "door"]);
    let text = assert_harmless(&described.stdout, 7);
    assert_eq!(text.matches(r"door\u{1b}[31m\r\nerror: forged\u{9b}1m\u{202e}").count(), 3, "{text}");
    let refusal = format!(r#"{{"__type":"InvalidArgumentException","Message":"{HOSTILE}"}}"#);
    let refused = kvs(&service("400 Bad Request", refusal), &["-v", "streams", "describe", "door"]);
    assert!(!refused.status.success());
    let errors = String::from_utf8(refused.stderr).unwrap();
    // The log has colors of its own on a terminal only; every line is one of the log or the error itself.
    assert!(
        !errors.contains('\u{9b}') && !errors.contains('\u{202e}') && !errors.contains("\nerror: forged"),
        "{errors:?}"
    );
    let last = errors.lines().last().unwrap();
    // An error is one line: its line breaks are spaces.
    assert!(last.starts_with("error: ") && last.contains(r"door\u{1b}[31m error: forged\u{9b}1m\u{202e}"), "{last:?}");
}

#[test]
fn tags_of_a_file_are_escaped() {
    use kvs_mkv::{CodecId, Frame, SegmentInfo, Tag, Track, TrackKind, TrackNumber, Writer};
    let track = Track::new(TrackNumber::ONE, TrackKind::Video, CodecId::H264).with_codec_private(vec![1; 8]);
    let mut writer = Writer::new(SegmentInfo::new([1; 16]), vec![track]).unwrap();
    let mut file = writer.start_segment().to_vec();
    let frame = Frame::new(TrackNumber::ONE, std::time::Duration::ZERO, vec![0_u8; 4]).with_keyframe(true);
    file.extend(writer.start_cluster(frame.pts).unwrap());
    file.extend(writer.block(frame).unwrap().into_bytes());
    file.extend(writer.tags(&[Tag::new("n\u{1b}[31m", "v\n\u{9b}1m")]).unwrap());
    let path = std::env::temp_dir().join(format!("kvs-escapes-{}.mkv", std::process::id()));
    std::fs::write(&path, file).unwrap();
    let dumped = Command::new(env!("CARGO_BIN_EXE_kvs")).arg("mkv").arg(&path).output().unwrap();
    std::fs::remove_file(&path).unwrap();
    let text = assert_harmless(&dumped.stdout, String::from_utf8_lossy(&dumped.stdout).lines().count());
    assert!(text.contains(r"n\u001b[31m") && text.contains(r"v\n\u009b1m"), "{text}");
}

//! The wire format of the C producer SDK, written by hand: signatures, the order of headers, the bytes of media and tags,
//! the size of chunks, and the limits of its ack parser.
//!
//! The SDK was not available when these tests were written. The bytes follow the sources of release 1.6.4 and, for the
//! media, of PIC 1.2.0.
#![cfg(feature = "server")]

use crate::support;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hex_literal::hex;
use kvs_local::LocalKvs;
use ring::{digest, hmac};
use serde_json::Value;
use support::{Response, TIMEOUT, exchange};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const NOW: u64 = 1_699_332_785;
const DATE: &str = "20231107T045305Z";
const SCOPE: [&str; 4] = ["20231107", "us-west-2", "kinesisvideo", "aws4_request"];
const AGENT: &str = "AWS-PRODUCER-SDK-KVS/3.0.0 GCC/12.2.0 Linux/6.1.0 x86_64";
/// The largest chunk that libcurl sends for one call of the read callback.
const CHUNK: usize = 65_524;
/// The largest input that the ack parser of the SDK accepts at once.
const ACK_BYTES: usize = 1024;

fn sha256(data: &[u8]) -> String {
    digest::digest(&digest::SHA256, data).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Returns the head of a request: all headers are signed and sorted by name, the host has no port.
fn head(local: &LocalKvs, path: &str, payload: &[u8], more: &[(&str, &str)]) -> String {
    let mut signed = vec![("host", "127.0.0.1"), ("user-agent", AGENT), ("x-amz-date", DATE)];
    signed.extend_from_slice(more);
    signed.sort_unstable();
    let names = signed.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
    let lines: String = signed.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    let request = format!("POST\n{path}\n\n{lines}\n{names}\n{}", sha256(payload));
    let to_sign = format!("AWS4-HMAC-SHA256\n{DATE}\n{}\n{}", SCOPE.join("/"), sha256(request.as_bytes()));
    let mac = |key: &[u8], data: &str| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), data.as_bytes());
    let secret = format!("AWS4{}", local.secret_key()).into_bytes();
    let key = SCOPE.iter().fold(secret, |key, part| mac(&key, part).as_ref().to_vec());
    let signature: String = mac(&key, &to_sign).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let scope = format!("{}/{}", local.access_key(), SCOPE.join("/"));
    let authorization = format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders={names}, Signature={signature}");
    // The headers of libcurl come first. A header that the SDK replaces is sent where the SDK set it.
    let lines: String = signed.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("POST {path} HTTP/1.1\r\nAccept: */*\r\n{lines}Authorization: {authorization}\r\n")
}

/// Sends a control plane request on a new connection.
async fn call(local: &LocalKvs, path: &str, json: &str) -> Response {
    let head = head(local, path, json.as_bytes(), &[]);
    let length = json.len();
    let request =
        format!("{head}content-type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{json}");
    exchange(local.address(), request.as_bytes()).await
}

/// A PutMedia connection.
struct Session {
    tcp: TcpStream,
    received: Vec<u8>,
}

impl Session {
    async fn open(local: &LocalKvs, kind: &str, start: &str) -> Self {
        let headers = [
            ("connection", "keep-alive"),
            ("transfer-encoding", "chunked"),
            ("x-amzn-fragment-acknowledgment-required", "1"),
            ("x-amzn-fragment-timecode-type", kind),
            ("x-amzn-producer-start-timestamp", start),
            ("x-amzn-stream-name", "cam"),
        ];
        let head = head(local, "/putMedia", b"", &headers);
        let mut tcp = TcpStream::connect(local.address()).await.unwrap();
        tcp.set_nodelay(true).unwrap();
        tcp.write_all(format!("{head}content-type: application/json\r\nExpect: 100-continue\r\n\r\n").as_bytes())
            .await
            .unwrap();
        Self { tcp, received: Vec::new() }
    }

    /// Reads the head of the next response, also of an interim one.
    async fn head(&mut self) -> String {
        self.until(b"\r\n\r\n").await
    }

    async fn until(&mut self, mark: &[u8]) -> String {
        let read = async {
            loop {
                if let Some(at) = self.received.windows(mark.len()).position(|window| window == mark) {
                    let rest = self.received.split_off(at + mark.len());
                    return String::from_utf8(std::mem::replace(&mut self.received, rest)).unwrap();
                }
                assert!(self.tcp.read_buf(&mut self.received).await.unwrap() > 0, "connection closed");
            }
        };
        timeout(TIMEOUT, read).await.expect("a response arrives")
    }

    /// Waits for 100 Continue and 200 OK, as libcurl does.
    async fn accepted(&mut self) {
        assert_eq!(self.head().await, "HTTP/1.1 100 Continue\r\n\r\n");
        let head = self.head().await;
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.contains("transfer-encoding: chunked\r\n"), "{head}");
    }

    /// Sends the bytes of one frame, in chunks of the size that libcurl uses.
    async fn send(&mut self, data: &[u8]) {
        for piece in data.chunks(CHUNK) {
            self.tcp.write_all(format!("{:x}\r\n", piece.len()).as_bytes()).await.unwrap();
            self.tcp.write_all(piece).await.unwrap();
            self.tcp.write_all(b"\r\n").await.unwrap();
        }
    }

    /// Reads the next ack and asserts that the parser of the SDK can read it: one short line, no nesting, no spaces, no
    /// escapes.
    async fn ack(&mut self) -> (String, u64) {
        let size = self.until(b"\r\n").await;
        let size = usize::from_str_radix(size.trim_end(), 16).unwrap();
        assert!(size <= ACK_BYTES, "{size} bytes at once");
        let line = self.until(b"\r\n").await;
        assert_eq!(line.len(), size + 2);
        let text = line.strip_suffix("\n\r\n").unwrap_or_else(|| panic!("{line:?} is one line"));
        let ack: Value = serde_json::from_str(text).unwrap();
        let (kind, at) = (ack["EventType"].as_str().unwrap(), ack["FragmentTimecode"].as_u64().unwrap());
        let number = ack["FragmentNumber"].as_str().unwrap();
        let plain = format!(r#"{{"EventType":"{kind}","FragmentTimecode":{at},"FragmentNumber":"{number}"}}"#);
        assert_eq!(text, plain);
        (kind.to_owned(), at)
    }

    /// Asserts that the next acks are these. Only the order within each fragment matters.
    async fn acks(&mut self, wanted: &[(&str, u64)]) {
        let mut acks = Vec::new();
        for _ in wanted {
            acks.push(self.ack().await);
        }
        let mut wanted: Vec<(String, u64)> = wanted.iter().map(|(kind, at)| ((*kind).to_owned(), *at)).collect();
        wanted.sort_by_key(|(_, at)| *at);
        acks.sort_by_key(|(_, at)| *at);
        assert_eq!(acks, wanted);
    }
}

const EBML: &[u8] =
    &hex!("1A45DFA3 A3 4286 81 01 42F7 81 01 42F2 81 04 42F3 81 08 4282 88 6D6174726F736B61 4287 81 02 4285 81 02");
const END_OF_FRAGMENT: &[u8] = &hex!(
    "1254C367 0100000000000048 7373 010000000000003E 67C8 0100000000000034"
    "45A3 0100000000000020 4157535F4B494E45534953564944454F5F454E445F4F465F465241474D454E54 4487 0100000000000000"
);

/// Returns the EBML header, a Segment of unknown size, Info, and one track each for AVC and AAC.
fn header() -> Vec<u8> {
    let app = b"Kinesis Video SDK 1.1.0 client1";
    let info = [
        &hex!("73A4 90 0102030405060708090A0B0C0D0E0F10 2AD7B1 88 00000000000F4240 7BA9 91")[..],
        b"Kinesis Video SDK",
        &hex!("4D80 9F"),
        app,
        &hex!("5741 9F"),
        app,
    ]
    .concat();
    assert_eq!(info.len(), 0x77);
    let tracks = [
        &hex!("AE 10000048 D7 81 01 73C5 88 0000000000000001 83 81 01 536E 8F")[..],
        b"kvs_video_track",
        &hex!("86 8F 565F4D504547342F49534F2F415643 63A2 91 01640034FFE1 0002 6764 01 0004 68010203"),
        &hex!("AE 10000041 D7 81 02 73C5 88 0000000000000002 83 81 02 536E 8F"),
        b"kvs_audio_track",
        &hex!("86 85 415F414143 E1 1000000D B588 40E5888000000000 9F 81 02 63A2 82 1210"),
    ]
    .concat();
    assert_eq!(tracks.len(), 0x93);
    let all = [EBML, &hex!("18538067 FF 1549A966 4077"), &info, &hex!("1654AE6B 10000093"), &tracks].concat();
    assert_eq!(all.len(), 325, "the length of the header that the SDK writes for the same strings");
    all
}

fn cluster(timecode: u64) -> Vec<u8> {
    [&hex!("1F43B675 FF E7 88")[..], &timecode.to_be_bytes(), &hex!("A7 81 00")].concat()
}

/// Returns an element with a size of eight bytes, which the SDK writes for all blocks and tags.
fn wide(id: &[u8], content: &[u8]) -> Vec<u8> {
    let size = u64::try_from(content.len()).unwrap() | 0x0100_0000_0000_0000;
    [id, &size.to_be_bytes(), content].concat()
}

fn block(track: u8, relative: i16, flags: u8, payload: &[u8]) -> Vec<u8> {
    let [high, low] = relative.to_be_bytes();
    wide(&[0xA3], &[&[0x80 | track, high, low, flags][..], payload].concat())
}

fn simple_tag(name: &str, value: &str) -> Vec<u8> {
    let (name, value) = (wide(&hex!("45A3"), name.as_bytes()), wide(&hex!("4487"), value.as_bytes()));
    wide(&hex!("67C8"), &[name, value].concat())
}

/// Returns a `Tags` element with one `Tag`: one metadata item, or the tags of one event.
fn tags(simple: &[Vec<u8>]) -> Vec<u8> {
    wide(&hex!("1254C367"), &wide(&hex!("7373"), &simple.concat()))
}

/// Returns both events in the order of the SDK, each in its own element with all custom tags.
fn events() -> Vec<u8> {
    let pair = simple_tag("who", "postman");
    let (notify, image) = ("AWS_KINESISVIDEO_NOTIFICATION", "AWS_KINESISVIDEO_IMAGE_GENERATION");
    let prefix = simple_tag("AWS_KINESISVIDEO_IMAGE_PREFIX", "front");
    let first = tags(&[simple_tag(notify, ""), pair.clone()]);
    [first, tags(&[simple_tag(image, ""), prefix, pair])].concat()
}

/// Returns a fragment with a key frame of several chunks, a small frame and audio, without the tags after it.
fn fragment(timecode: u64) -> [Vec<u8>; 4] {
    let video = |bytes: usize| [&hex!("00000002 0910 00000003 674200 00000002 6801")[..], &vec![0x65; bytes]].concat();
    [
        [cluster(timecode), block(1, 0, 0x80, &video(150_000))].concat(),
        block(2, 1, 0, &[0x21; 200]),
        block(1, 40, 0, &video(8000)),
        block(2, 41, 0, &[0x21; 200]),
    ]
}

async fn service() -> LocalKvs {
    let local = LocalKvs::builder().clock(|| UNIX_EPOCH + Duration::from_secs(NOW)).one_port().start().await.unwrap();
    let create = r#"{"DeviceName": "cam-device", "StreamName": "cam", "MediaType": "video/h264,audio/aac", "DataRetentionInHours": 2}"#;
    assert_eq!(call(&local, "/createStream", create).await.status, 200);
    local
}

#[tokio::test]
async fn control_plane_requests_before_streaming_succeed() {
    let local = LocalKvs::builder().clock(|| UNIX_EPOCH + Duration::from_secs(NOW)).one_port().start().await.unwrap();
    let describe = "{\n\t\"StreamName\": \"cam\"\n}";
    let missing = call(&local, "/describeStream", describe).await;
    assert_eq!((missing.status, missing.exception()), (404, "ResourceNotFoundException"));
    let create = "{\n\t\"DeviceName\": \"cam-device\",\n\t\"StreamName\": \"cam\",\n\t\"MediaType\": \"video/h264,audio/aac\",\n\t\"DataRetentionInHours\": 2\n}";
    let created = call(&local, "/createStream", create).await;
    assert_eq!(created.status, 200, "{created:?}");
    let arn = created.json()["StreamARN"].as_str().unwrap().to_owned();
    let described = call(&local, "/describeStream", describe).await.json();
    let info = &described["StreamInfo"];
    assert_eq!((&info["Status"], &info["StreamARN"]), (&"ACTIVE".into(), &arn.as_str().into()));
    assert_eq!((&info["DeviceName"], &info["DataRetentionInHours"]), (&"cam-device".into(), &2.into()));
    assert_eq!((&info["StreamName"], &info["MediaType"]), (&"cam".into(), &"video/h264,audio/aac".into()));
    assert!(info["Version"].as_str().is_some_and(|version| !version.is_empty()));
    let tag = format!("{{\n\t\"StreamARN\": \"{arn}\",\n\t\"Tags\": {{\n\t\t\"room\": \"hall\"\n\t}}\n}}");
    assert_eq!(call(&local, "/tagStream", &tag).await.status, 200);
    let endpoint = "{\n\t\"StreamName\": \"cam\",\n\t\"APIName\": \"PUT_MEDIA\"\n}";
    let endpoint = call(&local, "/getDataEndpoint", endpoint).await.json();
    assert_eq!(endpoint["DataEndpoint"], local.endpoint_url());
    local.shutdown().await;
}

#[tokio::test]
async fn every_fragment_is_acked_in_the_format_of_the_parser() {
    let local = service().await;
    let mut session = Session::open(&local, "ABSOLUTE", "1699332785.7").await;
    session.accepted().await;
    let at = NOW * 1000;
    session.send(&header()).await;
    for piece in fragment(at) {
        session.send(&piece).await;
    }
    session.acks(&[("BUFFERING", at)]).await;
    // Tags are written between clusters: metadata first, then the events of the previous fragment.
    session.send(&[tags(&[simple_tag("mood", "calm")]), events()].concat()).await;
    for piece in fragment(at + 2000) {
        session.send(&piece).await;
    }
    session.acks(&[("RECEIVED", at), ("PERSISTED", at), ("BUFFERING", at + 2000)]).await;
    // To stop, the SDK sends the end-of-fragment tag, keeps the connection open and waits for the last ack.
    session.send(END_OF_FRAGMENT).await;
    session.acks(&[("RECEIVED", at + 2000), ("PERSISTED", at + 2000)]).await;
    session.tcp.write_all(b"0\r\n\r\n").await.unwrap();
    assert!(session.until(b"0\r\n\r\n").await.ends_with("0\r\n\r\n"));

    let stored = local.fragments("cam").await.unwrap();
    assert_eq!(stored.len(), 2);
    let at = |ms: u64| UNIX_EPOCH + Duration::from_millis(NOW * 1000 + ms);
    let times: Vec<SystemTime> = stored.iter().map(|fragment| fragment.producer_timestamp).collect();
    assert_eq!(times, [at(0), at(2000)]);
    let media = get_media(&local).await;
    for wanted in [fragment(NOW * 1000), fragment(NOW * 1000 + 2000)] {
        let wanted = wanted.concat();
        assert!(media.windows(wanted.len()).any(|window| window == wanted), "the cluster is returned byte by byte");
    }
    assert!(media.windows(events().len()).any(|window| window == events()), "the tags are returned byte by byte");
    local.shutdown().await;
}

async fn get_media(local: &LocalKvs) -> Vec<u8> {
    let list = call(local, "/listFragments", r#"{"StreamName":"cam"}"#).await.json();
    let mut numbers: Vec<Value> =
        list["Fragments"].as_array().unwrap().iter().map(|fragment| fragment["FragmentNumber"].clone()).collect();
    numbers.sort_by_key(|number| number.as_str().map(str::to_owned));
    let body = serde_json::json!({ "StreamName": "cam", "Fragments": numbers }).to_string();
    call(local, "/getMediaForFragmentList", &body).await.body.to_vec()
}

#[tokio::test]
async fn unpersisted_fragment_can_be_sent_again_after_a_break() {
    let local = service().await;
    let mut session = Session::open(&local, "ABSOLUTE", "1699332785.123").await;
    session.accepted().await;
    let at = NOW * 1000;
    session.send(&header()).await;
    let [first, ..] = fragment(at);
    session.send(&first).await;
    session.acks(&[("BUFFERING", at)]).await;
    drop(session);
    let mut session = reconnect(&local).await;
    session.send(&header()).await;
    session.send(&fragment(at).concat()).await;
    session.send(END_OF_FRAGMENT).await;
    session.acks(&[("BUFFERING", at), ("RECEIVED", at), ("PERSISTED", at)]).await;
    drop(session);
    assert_eq!(local.fragments("cam").await.unwrap().len(), 1);
    local.shutdown().await;
}

/// Reconnects until the service has detected the broken connection.
async fn reconnect(local: &LocalKvs) -> Session {
    let connect = async {
        loop {
            let mut session = Session::open(local, "ABSOLUTE", "1699332786.5").await;
            let head = session.head().await;
            if head == "HTTP/1.1 100 Continue\r\n\r\n" {
                assert!(session.head().await.starts_with("HTTP/1.1 200 OK\r\n"));
                return session;
            }
            assert!(head.contains("ConnectionLimitExceededException"), "{head}");
        }
    };
    timeout(TIMEOUT, connect).await.unwrap()
}

#[tokio::test]
async fn acks_of_relative_timecodes_are_relative() {
    let local = service().await;
    let mut session = Session::open(&local, "RELATIVE", "1699332785.250").await;
    session.accepted().await;
    session.send(&[header(), fragment(0).concat(), fragment(2040).concat(), END_OF_FRAGMENT.to_vec()].concat()).await;
    let kinds = ["BUFFERING", "RECEIVED", "PERSISTED"];
    session.acks(&[kinds.map(|kind| (kind, 0)), kinds.map(|kind| (kind, 2040))].concat()).await;
    let stored = local.fragments("cam").await.unwrap();
    let starts: Vec<SystemTime> = stored.iter().map(|fragment| fragment.producer_timestamp).collect();
    assert_eq!(starts, [250, 2290].map(|ms| UNIX_EPOCH + Duration::from_millis(NOW * 1000 + ms)));
    local.shutdown().await;
}

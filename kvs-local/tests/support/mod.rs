//! What the tests of the running service share: raw HTTP, so that no client library stands between, and small media.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use kvs_local::{Builder, LocalKvs};
use kvs_mkv::{CodecId, Frame, SegmentInfo, Tag, Track, TrackKind, TrackNumber, Writer};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// No answer takes longer in these tests.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A service that asks for no signatures.
pub async fn open() -> LocalKvs {
    LocalKvs::builder().anonymous().start().await.unwrap()
}

/// A builder of such services.
pub fn builder() -> Builder {
    LocalKvs::builder().anonymous()
}

/// An answer, taken apart.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Bytes,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The name of the exception.
    pub fn exception(&self) -> &str {
        let line = self.head.lines().find_map(|line| line.strip_prefix("x-amzn-errortype: "));
        line.and_then(|line| line.split(':').next()).unwrap_or("")
    }
}

/// Posts JSON and reads the whole answer.
pub async fn post(to: SocketAddr, path: &str, body: &str) -> Answer {
    let length = body.len();
    let head = format!("POST {path} HTTP/1.1\r\nhost: {to}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
    exchange(to, format!("{head}{body}").as_bytes()).await
}

/// Sends bytes and reads until the service closes.
pub async fn exchange(to: SocketAddr, request: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(to).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut all = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut all)).await.unwrap().unwrap();
    let (head, body) = cut_head(&all);
    Answer { status: status(&head), body: dechunk(&head, body), head }
}

pub fn status(head: &str) -> u16 {
    head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
}

fn cut_head(all: &[u8]) -> (String, &[u8]) {
    let end = all.windows(4).position(|four| four == b"\r\n\r\n").map_or(all.len(), |at| at + 4);
    (String::from_utf8_lossy(&all[..end]).into_owned(), &all[end..])
}

fn dechunk(head: &str, mut body: &[u8]) -> Bytes {
    if !head.contains("transfer-encoding: chunked") {
        return Bytes::copy_from_slice(body);
    }
    let mut whole = Vec::new();
    while let Some(at) = body.windows(2).position(|two| two == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&body[..at]).unwrap(), 16).unwrap();
        whole.extend_from_slice(&body[at + 2..at + 2 + size]);
        body = &body[at + 4 + size..];
    }
    whole.into()
}

/// A PutMedia connection under the test's control.
#[derive(Debug)]
pub struct Put {
    stream: TcpStream,
    /// What came and was not looked at.
    pending: Vec<u8>,
}

impl Put {
    /// Sends the head with these additional headers, and reads nothing yet.
    pub async fn open(to: SocketAddr, stream: &str, more: &str) -> Self {
        let mut tcp = TcpStream::connect(to).await.unwrap();
        tcp.set_nodelay(true).unwrap();
        let head = format!(
            "POST /putMedia HTTP/1.1\r\nhost: {to}\r\nx-amzn-stream-name: {stream}\r\nx-amzn-fragment-timecode-type: \
             ABSOLUTE\r\ntransfer-encoding: chunked\r\n{more}\r\n"
        );
        tcp.write_all(head.as_bytes()).await.unwrap();
        Self { stream: tcp, pending: Vec::new() }
    }

    /// Sends a chunk.
    pub async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(format!("{:x}\r\n", bytes.len()).as_bytes()).await.unwrap();
        self.stream.write_all(bytes).await.unwrap();
        self.stream.write_all(b"\r\n").await.unwrap();
    }

    /// Ends the body.
    pub async fn end(&mut self) {
        self.stream.write_all(b"0\r\n\r\n").await.unwrap();
    }

    /// Reads up to and with this text.
    pub async fn read_until(&mut self, text: &str) -> String {
        let read = async {
            loop {
                let at = self.pending.windows(text.len()).position(|window| window == text.as_bytes());
                if let Some(at) = at {
                    let rest = self.pending.split_off(at + text.len());
                    return String::from_utf8_lossy(&std::mem::replace(&mut self.pending, rest)).into_owned();
                }
                let count = self.stream.read_buf(&mut self.pending).await.unwrap();
                assert!(count > 0, "ended before {text:?}: {:?}", String::from_utf8_lossy(&self.pending));
            }
        };
        timeout(PATIENCE, read).await.unwrap_or_else(|_| panic!("no {text:?}"))
    }

    /// Reads the head of the answer.
    pub async fn head(&mut self) -> String {
        self.read_until("\r\n\r\n").await
    }

    /// Reads the next ack.
    pub async fn ack(&mut self) -> Value {
        let text = self.read_until("}\n").await;
        let line = text.get(text.find('{').unwrap()..).unwrap();
        serde_json::from_str(line).unwrap()
    }

    /// Reads acks until one of this type.
    pub async fn ack_of(&mut self, kind: &str) -> Value {
        loop {
            let ack = self.ack().await;
            assert!(kind == "ERROR" || ack["EventType"] != "ERROR", "{ack}");
            if ack["EventType"] == kind {
                return ack;
            }
        }
    }

    /// Reads all there is until the body of the answer ends.
    pub async fn rest(&mut self) -> String {
        self.read_until("\r\n0\r\n\r\n").await
    }

    /// Reads until the connection ends, in whatever way.
    pub async fn ends(&mut self) {
        let read = async { while self.stream.read_buf(&mut self.pending).await.is_ok_and(|count| count > 0) {} };
        timeout(PATIENCE, read).await.expect("the connection stays open");
    }

    /// Breaks the connection.
    pub fn cut(self) {
        drop(self.stream);
    }
}

/// Writes small fragments: one track, four frames of 25 bytes, one second each.
#[derive(Debug)]
pub struct Media {
    writer: Writer,
}

impl Media {
    pub fn new() -> Self {
        let track = Track::new(TrackNumber::ONE, TrackKind::Video, CodecId::H264).with_video(64, 48);
        Self { writer: Writer::new(SegmentInfo::new([7; 16]), vec![track]).unwrap() }
    }

    /// The bytes before the first fragment.
    pub fn header(&mut self) -> Vec<u8> {
        self.writer.start_segment().to_vec()
    }

    /// A fragment at `at` ms since 1970, with tags, without its end mark.
    pub fn fragment(&mut self, at: u64, tags: &[Tag]) -> Vec<u8> {
        let ms = Duration::from_millis;
        let mut all = self.writer.start_cluster(ms(at)).unwrap().to_vec();
        for frame in 0..4 {
            let bytes = vec![u8::try_from(frame).unwrap(); 25];
            let frame = Frame::new(TrackNumber::ONE, ms(at + 250 * frame), bytes).with_keyframe(frame == 0);
            all.extend_from_slice(&self.writer.block(frame).unwrap().into_bytes());
        }
        if !tags.is_empty() {
            all.extend_from_slice(&self.writer.tags(tags).unwrap());
        }
        all
    }

    /// The mark that ends a fragment.
    pub fn end(&mut self) -> Vec<u8> {
        self.writer.end_of_fragment().to_vec()
    }
}

/// A service that asks for no signatures, with the stream `door`, and a connection to it whose header is sent.
pub async fn putting() -> (LocalKvs, Put, Media) {
    let local = open().await;
    create(local.address(), "door").await;
    let (put, media) = put_to(&local, "door").await;
    (local, put, media)
}

/// A connection to a stream whose header is sent.
pub async fn put_to(local: &LocalKvs, stream: &str) -> (Put, Media) {
    let (mut put, mut media) = (Put::open(local.address(), stream, "").await, Media::new());
    put.send(&media.header()).await;
    (put, media)
}

/// Puts one fragment at `at` ms since 1970 and waits for the end of the answer; gives the acks.
pub async fn put_one(local: &LocalKvs, stream: &str, at: u64) -> String {
    let (mut put, mut media) = put_to(local, stream).await;
    put.send(&media.fragment(at, &[])).await;
    put.end().await;
    put.rest().await
}

/// A time in 2023, in ms.
pub const SOME_TIME: u64 = 1_690_707_289_209;

/// Makes a stream that keeps a day of media.
pub async fn create(to: SocketAddr, name: &str) -> String {
    let answer = post(to, "/createStream", &format!(r#"{{"StreamName":"{name}","DataRetentionInHours":24}}"#)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["StreamARN"].as_str().unwrap().to_owned()
}

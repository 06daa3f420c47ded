//! Helpers for tests of the running service: raw HTTP without a client library, and small media.
#![expect(clippy::unwrap_used, reason = "tests only")]
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

/// Longest wait for a response.
pub const TIMEOUT: Duration = Duration::from_secs(20);

/// Starts a service that accepts unsigned requests on one port.
pub async fn open() -> LocalKvs {
    builder().start().await.unwrap()
}

/// Returns a builder of services that accept unsigned requests on one port.
pub fn builder() -> Builder {
    LocalKvs::builder().anonymous().one_port()
}

/// An HTTP response.
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    pub head: String,
    pub body: Bytes,
}

impl Response {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Returns the name of the exception, empty if there is none.
    pub fn exception(&self) -> &str {
        let line = self.head.lines().find_map(|line| line.strip_prefix("x-amzn-errortype: "));
        line.and_then(|line| line.split(':').next()).unwrap_or("")
    }
}

/// Posts JSON and reads the whole response.
pub async fn post(to: SocketAddr, path: &str, body: &str) -> Response {
    let length = body.len();
    let head = format!("POST {path} HTTP/1.1\r\nhost: {to}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
    exchange(to, format!("{head}{body}").as_bytes()).await
}

/// Sends bytes and reads until the service closes the connection.
pub async fn exchange(to: SocketAddr, request: &[u8]) -> Response {
    let mut stream = TcpStream::connect(to).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut all = Vec::new();
    timeout(TIMEOUT, stream.read_to_end(&mut all)).await.unwrap().unwrap();
    let (head, body) = cut_head(&all);
    Response { status: status(&head), body: dechunk(&head, body), head }
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

/// A PutMedia connection.
#[derive(Debug)]
pub struct Put {
    stream: TcpStream,
    /// Bytes that were received and not read yet.
    pending: Vec<u8>,
}

impl Put {
    /// Connects and sends the request head, with the additional headers `more`.
    pub async fn open(to: SocketAddr, stream: &str, more: &str) -> Self {
        Self::open_with_timecodes(to, stream, "ABSOLUTE", more).await
    }

    /// Connects and sends the request head with this type of timecodes.
    pub async fn open_with_timecodes(to: SocketAddr, stream: &str, timecodes: &str, more: &str) -> Self {
        let mut tcp = TcpStream::connect(to).await.unwrap();
        tcp.set_nodelay(true).unwrap();
        let head = format!(
            "POST /putMedia HTTP/1.1\r\nhost: {to}\r\nx-amzn-stream-name: {stream}\r\nx-amzn-fragment-timecode-type: \
             {timecodes}\r\ntransfer-encoding: chunked\r\n{more}\r\n"
        );
        tcp.write_all(head.as_bytes()).await.unwrap();
        Self { stream: tcp, pending: Vec::new() }
    }

    /// Sends one chunk of the body.
    pub async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(format!("{:x}\r\n", bytes.len()).as_bytes()).await.unwrap();
        self.stream.write_all(bytes).await.unwrap();
        self.stream.write_all(b"\r\n").await.unwrap();
    }

    /// Ends the body.
    pub async fn end(&mut self) {
        self.stream.write_all(b"0\r\n\r\n").await.unwrap();
    }

    /// Reads up to the end of `text`.
    pub async fn read_until(&mut self, text: &str) -> String {
        let read = async {
            loop {
                let at = self.pending.windows(text.len()).position(|window| window == text.as_bytes());
                if let Some(at) = at {
                    let rest = self.pending.split_off(at + text.len());
                    return String::from_utf8_lossy(&std::mem::replace(&mut self.pending, rest)).into_owned();
                }
                let count = self.stream.read_buf(&mut self.pending).await.unwrap();
                assert!(count > 0, "connection closed before {text:?}: {:?}", String::from_utf8_lossy(&self.pending));
            }
        };
        timeout(TIMEOUT, read).await.unwrap_or_else(|_| panic!("timed out before {text:?}"))
    }

    /// Reads the head of the response.
    pub async fn head(&mut self) -> String {
        self.read_until("\r\n\r\n").await
    }

    /// Reads the next ack.
    pub async fn ack(&mut self) -> Value {
        let text = self.read_until("}\n").await;
        let line = text.get(text.find('{').unwrap()..).unwrap();
        serde_json::from_str(line).unwrap()
    }

    /// Reads acks up to one of this type.
    pub async fn ack_of(&mut self, kind: &str) -> Value {
        loop {
            let ack = self.ack().await;
            assert!(kind == "ERROR" || ack["EventType"] != "ERROR", "{ack}");
            if ack["EventType"] == kind {
                return ack;
            }
        }
    }

    /// Reads the rest of the response.
    pub async fn rest(&mut self) -> String {
        self.read_until("\r\n0\r\n\r\n").await
    }

    /// Reads until the connection ends or breaks.
    pub async fn ends(&mut self) {
        let read = async { while self.stream.read_buf(&mut self.pending).await.is_ok_and(|count| count > 0) {} };
        timeout(TIMEOUT, read).await.expect("the connection ends");
    }

    /// Closes the connection within the body.
    pub fn cut(self) {
        drop(self.stream);
    }
}

/// Writes small fragments: one track, four frames of 25 bytes, 1 s long.
#[derive(Debug)]
pub struct Media {
    writer: Writer,
    /// The first bytes of each frame.
    head: &'static [u8],
}

/// An avcC with parameter sets that can be read.
const AVCC: &[u8] =
    b"\x01\x42\xc0\x0a\xff\xe1\0\x0d\x67\x42\xc0\x0a\xda\x0f\x0a\x69\xa8\x08\x08\x08\x10\x01\0\x04\x68\xce\x3c\x80";

impl Media {
    pub fn new() -> Self {
        Self::of(Track::new(TrackNumber::ONE, TrackKind::Video, CodecId::H264).with_video(64, 48), &[])
    }

    /// Fragments that can be played, though not decoded: codec private data, and frames of one NAL unit with its length.
    pub fn playable() -> Self {
        let track = Track::new(TrackNumber::ONE, TrackKind::Video, CodecId::H264).with_codec_private(AVCC);
        Self::of(track, b"\0\0\0\x15\x41")
    }

    fn of(track: Track, head: &'static [u8]) -> Self {
        Self { writer: Writer::new(SegmentInfo::new([7; 16]), vec![track]).unwrap(), head }
    }

    /// Returns the header before the first fragment.
    pub fn header(&mut self) -> Vec<u8> {
        self.writer.start_segment().to_vec()
    }

    /// Returns a fragment with tags that starts at `at` ms since the epoch, without the end-of-fragment tag.
    pub fn fragment(&mut self, at: u64, tags: &[Tag]) -> Vec<u8> {
        self.paced_fragment(at, 250, tags)
    }

    /// Returns a fragment whose four frames are `step` ms apart.
    pub fn slow_fragment(&mut self, at: u64, step: u64) -> Vec<u8> {
        self.paced_fragment(at, step, &[])
    }

    fn paced_fragment(&mut self, at: u64, step: u64, tags: &[Tag]) -> Vec<u8> {
        let ms = Duration::from_millis;
        let mut all = self.writer.start_cluster(ms(at)).unwrap().to_vec();
        for frame in 0..4 {
            let mut bytes = vec![u8::try_from(frame).unwrap(); 25];
            bytes[..self.head.len()].copy_from_slice(self.head);
            let frame = Frame::new(TrackNumber::ONE, ms(at + step * frame), bytes).with_keyframe(frame == 0);
            all.extend_from_slice(&self.writer.block(frame).unwrap().into_bytes());
        }
        if !tags.is_empty() {
            all.extend_from_slice(&self.writer.tags(tags).unwrap());
        }
        all
    }

    /// Returns the end-of-fragment tag.
    pub fn end(&mut self) -> Vec<u8> {
        self.writer.end_of_fragment().to_vec()
    }
}

/// Starts a service that accepts unsigned requests, creates the stream `door` and opens a PutMedia connection to it.
pub async fn putting() -> (LocalKvs, Put, Media) {
    let local = open().await;
    create(local.address(), "door").await;
    let (put, media) = put_to(&local, "door").await;
    (local, put, media)
}

/// Opens a PutMedia connection to a stream and sends the Matroska header.
pub async fn put_to(local: &LocalKvs, stream: &str) -> (Put, Media) {
    let (mut put, mut media) = (Put::open(local.address(), stream, "").await, Media::new());
    put.send(&media.header()).await;
    (put, media)
}

/// Puts one fragment that starts at `at` ms since the epoch. Returns the acks.
pub async fn put_one(local: &LocalKvs, stream: &str, at: u64) -> String {
    let (mut put, mut media) = put_to(local, stream).await;
    put.send(&media.fragment(at, &[])).await;
    put.end().await;
    put.rest().await
}

/// A time in 2023, in ms since the epoch.
pub const SOME_TIME: u64 = 1_690_707_289_209;

/// Creates a stream with a retention of 24 hours. Returns its ARN.
pub async fn create(to: SocketAddr, name: &str) -> String {
    let response = post(to, "/createStream", &format!(r#"{{"StreamName":"{name}","DataRetentionInHours":24}}"#)).await;
    assert_eq!(response.status, 200, "{response:?}");
    response.json()["StreamARN"].as_str().unwrap().to_owned()
}

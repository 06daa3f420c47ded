//! Players that follow the streams by HLS while they are put.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use crate::BoxError;

/// An avcC with parameter sets that can be read: without codec private data there are no sessions.
pub(crate) const AVCC: &[u8] =
    b"\x01\x42\xc0\x0a\xff\xe1\0\x0d\x67\x42\xc0\x0a\xda\x0f\x0a\x69\xa8\x08\x08\x08\x10\x01\0\x04\x68\xce\x3c\x80";
/// How often a player asks for the playlist, as the documentation recommends.
const RELOAD: Duration = Duration::from_secs(1);
/// Longest wait for a response.
const RESPONSE: Duration = Duration::from_secs(60);

/// Counters of all players together.
#[derive(Debug, Default)]
pub(crate) struct Played {
    pub(crate) fragments: AtomicU64,
    pub(crate) bytes: AtomicU64,
    /// Fragments that left the playlist before they were read.
    pub(crate) missed: AtomicU64,
    /// Responses that were not 200.
    pub(crate) refused: AtomicU64,
}

/// Follows a stream until the end.
pub(crate) async fn follow(
    address: SocketAddr,
    stream: String,
    end: Instant,
    played: Arc<Played>,
) -> Result<(), BoxError> {
    let mut service = Connection::open(address).await?;
    let Some(playlist) = begin(&mut service, &stream, end).await? else { return Ok(()) };
    let mut next = None;
    while Instant::now() < end {
        let (status, text) = service.get(&playlist).await?;
        if status != 200 {
            played.refused.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
        let text = String::from_utf8(text)?;
        let first: u64 = text
            .lines()
            .find_map(|line| line.strip_prefix("#EXT-X-MEDIA-SEQUENCE:"))
            .ok_or("a playlist has a sequence number")?
            .parse()?;
        let wanted = next.unwrap_or(first);
        played.missed.fetch_add(first.saturating_sub(wanted), Ordering::Relaxed);
        for (number, name) in (first..).zip(text.lines().filter(|line| line.starts_with("get"))) {
            if number >= wanted {
                read(&mut service, name, &played).await?;
                next = Some(number + 1);
            }
        }
        sleep(RELOAD).await;
    }
    Ok(())
}

/// Begins a session once the stream has media, and returns the path of its playlist.
async fn begin(service: &mut Connection, stream: &str, end: Instant) -> Result<Option<String>, BoxError> {
    let request = format!(r#"{{"StreamName":"{stream}","Expires":43200}}"#);
    while Instant::now() < end {
        let (status, body) = service.send("POST /getHLSStreamingSessionURL", &request).await?;
        if status == 200 {
            let body: Value = serde_json::from_slice(&body)?;
            let url = body["HLSStreamingSessionURL"].as_str().ok_or("a session has a URL")?;
            let path = url.find("/hls/").and_then(|at| url.get(at..)).ok_or("a URL has a path")?;
            return Ok(Some(path.replace("Master", "Media") + "&TrackNumber=1"));
        }
        sleep(RELOAD).await;
    }
    Ok(None)
}

async fn read(service: &mut Connection, name: &str, played: &Played) -> Result<(), BoxError> {
    let (status, media) = service.get(&format!("/hls/v1/{name}")).await?;
    if status == 200 {
        played.fragments.fetch_add(1, Ordering::Relaxed);
        played.bytes.fetch_add(media.len() as u64, Ordering::Relaxed);
    } else {
        played.refused.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

/// One connection, as a browser keeps it.
struct Connection {
    tcp: BufReader<TcpStream>,
    host: SocketAddr,
}

impl Connection {
    async fn open(host: SocketAddr) -> Result<Self, BoxError> {
        let tcp = TcpStream::connect(host).await?;
        tcp.set_nodelay(true)?;
        Ok(Self { tcp: BufReader::new(tcp), host })
    }

    async fn get(&mut self, path: &str) -> Result<(u16, Vec<u8>), BoxError> {
        self.send(&format!("GET {path}"), "").await
    }

    /// Returns status and body.
    async fn send(&mut self, line: &str, body: &str) -> Result<(u16, Vec<u8>), BoxError> {
        let request = format!("{line} HTTP/1.1\r\nhost: {}\r\ncontent-length: {}\r\n\r\n{body}", self.host, body.len());
        self.tcp.get_mut().write_all(request.as_bytes()).await?;
        timeout(RESPONSE, self.response()).await?
    }

    async fn response(&mut self) -> Result<(u16, Vec<u8>), BoxError> {
        let (mut status, mut length) = (0, 0);
        loop {
            let mut line = String::new();
            if self.tcp.read_line(&mut line).await? == 0 {
                return Err("the service closed the connection".into());
            }
            match line.trim_end().split_once(": ") {
                Some(("content-length", value)) => length = value.parse()?,
                Some(_) => {}
                None if line.trim_end().is_empty() => break,
                None => status = line.split(' ').nth(1).unwrap_or_default().parse()?,
            }
        }
        let mut body = vec![0; length];
        self.tcp.read_exact(&mut body).await?;
        Ok((status, body))
    }
}

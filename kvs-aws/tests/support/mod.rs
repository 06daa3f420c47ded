//! A server whose responses are scripted byte by byte.
#![allow(dead_code, clippy::unwrap_used, reason = "each test binary uses its own part; a test panics")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use kvs_aws::{Client, ClientConfig, Credentials, Region, RetryConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub(crate) const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

/// A received request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    pub(crate) line: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub(crate) fn path(&self) -> &str {
        self.line.split(' ').nth(1).unwrap_or_default()
    }

    /// A response to GetDataEndpoint with the address of this server.
    pub(crate) fn own_endpoint(&self) -> String {
        ok(&format!(r#"{{"DataEndpoint":"http://{}"}}"#, self.header("host").unwrap()))
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// A server that responds with the result of a function.
pub(crate) struct Scripted {
    pub(crate) url: String,
    pub(crate) seen: Arc<Mutex<Vec<Seen>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Scripted {
    pub(crate) async fn start(answer: impl Fn(usize, &Seen) -> String + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (answer, all) = (Arc::new(answer), Arc::clone(&seen));
        let task = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (answer, all) = (Arc::clone(&answer), Arc::clone(&all));
                tokio::spawn(async move {
                    while let Some(request) = read_request(&mut stream).await {
                        let text = {
                            let mut all = all.lock().unwrap();
                            all.push(request.clone());
                            answer(all.len() - 1, &request)
                        };
                        if text == "CLOSE" || stream.write_all(text.as_bytes()).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Self { url, seen, task }
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

pub(crate) fn ok(body: &str) -> String {
    response("200 OK", "", body)
}

pub(crate) fn response(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n{headers}\r\n{body}", body.len())
}

/// Reads a request head.
pub(crate) async fn read_head(stream: &mut TcpStream) -> Option<Seen> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read(&mut byte).await.ok()? == 0 {
            return None;
        }
        head.push(byte[0]);
    }
    let text = String::from_utf8(head).unwrap();
    let mut lines = text.lines();
    let line = lines.next()?.to_owned();
    let headers = lines.filter_map(|line| line.split_once(": ").map(|(k, v)| (k.to_owned(), v.to_owned()))).collect();
    Some(Seen { line, headers, body: Vec::new() })
}

async fn read_request(stream: &mut TcpStream) -> Option<Seen> {
    let mut request = read_head(stream).await?;
    let length = request.header("content-length").map_or(0, |length| length.parse().unwrap());
    request.body = vec![0; length];
    stream.read_exact(&mut request.body).await.ok()?;
    Some(request)
}

pub(crate) fn config(url: &str) -> ClientConfig {
    let quick =
        RetryConfig::default().initial_backoff(Duration::from_millis(1)).throttled_backoff(Duration::from_millis(1));
    let credentials = Credentials::from_keys("AKIDEXAMPLE", SECRET, Some("session-token".to_owned()));
    ClientConfig::new(Region::new("eu-west-1").unwrap(), credentials)
        .endpoint_url(url)
        .unwrap()
        .retry(quick)
        .retry_seed(1)
}

pub(crate) fn client(url: &str) -> Client {
    Client::new(config(url)).unwrap()
}

//! A service with blocking sockets and a thread per connection. It acknowledges each fragment immediately, unless it is paused.
#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    missing_debug_implementations,
    clippy::unwrap_used,
    reason = "each test uses its part"
)]

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use aws_credential_types::Credentials;
use kvs_aws::Client;
use kvs_mkv::{Event as Mkv, Limits, Parser};

use super::support::all_acks;

#[derive(Default)]
pub struct State {
    pub fragments: AtomicUsize,
    /// Connections that are open now.
    pub connections: AtomicUsize,
    held: Mutex<bool>,
    released: Condvar,
    closed: AtomicBool,
}

pub struct Service {
    pub state: Arc<State>,
    address: SocketAddr,
    accepting: Option<std::thread::JoinHandle<()>>,
}

impl Service {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, state) = (listener.local_addr().unwrap(), Arc::new(State::default()));
        let shared = Arc::clone(&state);
        let accepting = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if shared.closed.load(Ordering::SeqCst) {
                    return;
                }
                let (stream, shared) = (stream.unwrap(), Arc::clone(&shared));
                shared.connections.fetch_add(1, Ordering::SeqCst);
                std::thread::spawn(move || {
                    // The connection may break.
                    let _ = serve(&stream, &shared, address);
                    let _ = stream.shutdown(Shutdown::Both);
                    shared.connections.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { state, address, accepting: Some(accepting) }
    }

    pub fn client(&self) -> Client {
        let credentials = Credentials::new("AKID", "SECRET", None, None, "test");
        let config = kvs_aws::ClientConfig::new("us-west-2".parse().unwrap(), credentials);
        Client::new(config.endpoint_url(&format!("http://{}", self.address)).unwrap()).unwrap()
    }

    /// From now on, media is accepted but not read.
    pub fn hold(&self) {
        *self.state.held.lock().unwrap() = true;
    }

    pub fn release(&self) {
        *self.state.held.lock().unwrap() = false;
        self.state.released.notify_all();
    }

    pub fn fragments(&self) -> usize {
        self.state.fragments.load(Ordering::SeqCst)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.release();
        self.state.closed.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        let _ = self.accepting.take().unwrap().join();
    }
}

fn serve(stream: &TcpStream, state: &State, address: SocketAddr) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut input = BufReader::new(stream);
    loop {
        let (mut line, mut length) = (String::new(), 0);
        input.read_line(&mut line)?;
        let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
        while line != "\r\n" {
            line.clear();
            if input.read_line(&mut line)? == 0 {
                return Ok(());
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length: ") {
                length = value.trim().parse().unwrap();
            }
        }
        if path == "/putMedia" {
            return put_media(&mut input, stream, state);
        }
        input.read_exact(&mut vec![0; length])?;
        let body = match path.as_str() {
            "/describeStream" => r#"{"StreamInfo":{"Status":"ACTIVE","DataRetentionInHours":24}}"#.to_owned(),
            _ => format!(r#"{{"DataEndpoint":"http://{address}"}}"#),
        };
        write!(&mut &*stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())?;
    }
}

fn put_media(input: &mut impl BufRead, mut stream: &TcpStream, state: &State) -> io::Result<()> {
    stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
    let (mut parser, mut open) = (Parser::new(Limits::default()), None);
    loop {
        drop(state.released.wait_while(state.held.lock().unwrap(), |held| *held).unwrap());
        let mut size = String::new();
        input.read_line(&mut size)?;
        let size = usize::from_str_radix(size.trim(), 16).map_err(io::Error::other)?;
        let mut chunk = vec![0; size + 2];
        input.read_exact(&mut chunk)?;
        chunk.truncate(size);
        if size == 0 {
            return stream.write_all(b"0\r\n\r\n");
        }
        parser.push(chunk.into());
        while let Some(event) = parser.next_event().map_err(io::Error::other)? {
            let done = match event {
                Mkv::Cluster { at } => open.replace(at),
                Mkv::Tags(tags) if tags[0].name.ends_with("END_OF_FRAGMENT") => open.take(),
                _ => None,
            };
            for ack in done.into_iter().flat_map(|at| all_acks(u64::try_from(at.as_millis()).unwrap())) {
                write!(stream, "{:x}\r\n{ack}\n\r\n", ack.len() + 1)?;
            }
            state.fragments.fetch_add(usize::from(done.is_some()), Ordering::SeqCst);
        }
    }
}

//! An RTSP server that does what a script says, packet by packet. Also for the tests of kvs-cli.

#![allow(dead_code, reason = "each test program uses a part of it")]

pub(crate) mod media;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// What is done after PLAY.
#[derive(Clone)]
pub(crate) enum Step {
    /// A packet of a track, in the order of its sequence numbers.
    Packet {
        track: usize,
        time: u32,
        marker: bool,
        payload: Vec<u8>,
    },
    /// Packets that are lost.
    Skip {
        track: usize,
        packets: u16,
    },
    /// A sender report: this RTP time is this NTP time.
    Report {
        track: usize,
        time: u32,
        ntp: u64,
    },
    /// The source of a track changes.
    NewSource {
        track: usize,
    },
    Sleep(Duration),
    /// The first half of a packet, and the end of the connection.
    HalfAndClose,
}

/// What one connection does; the last one is for all that follow.
#[derive(Clone)]
pub(crate) struct Connection {
    /// `WWW-Authenticate`, and what `Authorization` must contain.
    pub(crate) auth: Option<(&'static str, &'static str)>,
    pub(crate) describe_status: u16,
    /// The status of SETUP, track by track.
    pub(crate) setup_status: [u16; 3],
    pub(crate) rtp_info: Option<&'static str>,
    /// In seconds.
    pub(crate) session_timeout: u32,
    pub(crate) tracks: Vec<&'static str>,
    pub(crate) steps: Vec<Step>,
}

impl Connection {
    pub(crate) fn new(tracks: &[&'static str], steps: Vec<Step>) -> Self {
        Self {
            auth: None,
            describe_status: 200,
            setup_status: [200; 3],
            rtp_info: None,
            session_timeout: 60,
            tracks: tracks.to_vec(),
            steps,
        }
    }
}

/// A running server. Dropping it ends it.
pub(crate) struct Server {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start(connections: Vec<Connection>) -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), connections).await
    }

    /// Starts it at an address: a camera that is switched on.
    pub(crate) async fn start_at(address: SocketAddr, connections: Vec<Connection>) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&requests);
        let task = tokio::spawn(async move {
            let mut scripts = connections.into_iter();
            let mut script = scripts.next().unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, script.clone(), Arc::clone(&log)));
                script = scripts.next().unwrap_or(script);
            }
        });
        Self { address, requests, task }
    }

    /// A URL with these credentials, such as `admin:secret@`.
    pub(crate) fn url(&self, credentials: &str) -> String {
        format!("rtsp://{credentials}{}/live", self.address)
    }

    /// The requests so far: method and the rest of the head.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    pub(crate) fn count(&self, method: &str) -> usize {
        self.requests().iter().filter(|request| request.starts_with(method)).count()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(stream: TcpStream, script: Connection, log: Arc<Mutex<Vec<String>>>) {
    stream.set_nodelay(true).unwrap();
    let (mut reader, mut writer) = stream.into_split();
    while let Some(request) = read_request(&mut reader, &log).await {
        let is_play = request.starts_with("PLAY");
        let answer = answer(&request, &script);
        let is_refused = !answer.starts_with("RTSP/1.0 200");
        if writer.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
        if is_play && !is_refused {
            play(reader, writer, script, log).await;
            return;
        }
    }
}

async fn read_request(reader: &mut OwnedReadHalf, log: &Mutex<Vec<String>>) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(reader.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap();
    log.lock().unwrap().push(head.clone());
    Some(head)
}

fn header<'a>(request: &'a str, name: &str) -> Option<&'a str> {
    request.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

fn answer(request: &str, script: &Connection) -> String {
    let cseq = header(request, "CSeq").unwrap();
    let head = |status: u16, more: &str| format!("RTSP/1.0 {status} Status\r\nCSeq: {cseq}\r\n{more}\r\n");
    if let Some((challenge, expected)) = script.auth
        && !header(request, "Authorization").is_some_and(|value| value.contains(expected))
    {
        return head(401, &format!("WWW-Authenticate: {challenge}\r\n"));
    }
    let session = format!("Session: 7;timeout={}\r\n", script.session_timeout);
    match request.split_whitespace().next().unwrap() {
        "DESCRIBE" if script.describe_status == 200 => {
            let mut body = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=test\r\nt=0 0\r\na=control:*\r\n".to_owned();
            for (at, track) in script.tracks.iter().enumerate() {
                body += &format!("{track}a=control:track{at}\r\n");
            }
            let length = body.len();
            head(200, &format!("Content-Type: application/sdp\r\nContent-Length: {length}\r\n")) + &body
        }
        "DESCRIBE" => head(script.describe_status, ""),
        "SETUP" => {
            let track =
                request.split("/track").nth(1).and_then(|rest| rest.get(..1)).unwrap().parse::<usize>().unwrap();
            let status = script.setup_status[track];
            let transport = format!("Transport: RTP/AVP/TCP;unicast;interleaved={}-{}\r\n", 2 * track, 2 * track + 1);
            head(status, &(session + &transport))
        }
        "PLAY" => {
            let info = script.rtp_info.map_or_else(String::new, |info| format!("RTP-Info: {info}\r\n"));
            head(200, &(session + &info))
        }
        _ => head(200, &session),
    }
}

/// Sends what the script says, and answers what comes meanwhile.
async fn play(mut reader: OwnedReadHalf, writer: OwnedWriteHalf, script: Connection, log: Arc<Mutex<Vec<String>>>) {
    let writer = Arc::new(tokio::sync::Mutex::new(writer));
    let (answers, steps) = (Arc::clone(&writer), script.steps.clone());
    let answering = async move {
        while let Some(request) = read_request(&mut reader, &log).await {
            let answer = answer(&request, &script);
            if answers.lock().await.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    };
    let sending = async move {
        let mut sender = Sender { writer, sequences: HashMap::new(), sources: HashMap::new() };
        for step in steps {
            if !sender.send(step).await {
                return;
            }
        }
        // The connection stays open, and silent.
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = answering => {}
        () = sending => {}
    }
}

struct Sender {
    writer: Arc<tokio::sync::Mutex<OwnedWriteHalf>>,
    sequences: HashMap<usize, u16>,
    sources: HashMap<usize, u32>,
}

impl Sender {
    /// Returns false at the end of the connection.
    async fn send(&mut self, step: Step) -> bool {
        match step {
            Step::Packet { track, time, marker, payload } => {
                let packet = self.packet(track, time, marker, &payload);
                self.write(2 * track, &packet).await
            }
            Step::Skip { track, packets } => {
                let next = self.sequences.entry(track).or_insert(FIRST_SEQUENCE);
                *next = next.wrapping_add(packets);
                true
            }
            Step::Report { track, time, ntp } => {
                let mut report = vec![0x80, 200, 0, 6];
                report.extend_from_slice(&self.source(track).to_be_bytes());
                report.extend_from_slice(&ntp.to_be_bytes());
                report.extend_from_slice(&time.to_be_bytes());
                report.extend_from_slice(&[0; 8]);
                self.write(2 * track + 1, &report).await
            }
            Step::NewSource { track } => {
                let source = self.source(track) + 1000;
                self.sources.insert(track, source);
                true
            }
            Step::Sleep(time) => {
                sleep(time).await;
                true
            }
            Step::HalfAndClose => {
                let packet = self.packet(0, 0, false, &[0x41; 1000]);
                let mut frame = frame(0, &packet);
                frame.truncate(500);
                let _ = self.writer.lock().await.write_all(&frame).await;
                false
            }
        }
    }

    fn source(&self, track: usize) -> u32 {
        self.sources.get(&track).copied().unwrap_or(100 + u32::try_from(track).unwrap())
    }

    fn packet(&mut self, track: usize, time: u32, marker: bool, payload: &[u8]) -> Vec<u8> {
        let source = self.source(track);
        let next = self.sequences.entry(track).or_insert(FIRST_SEQUENCE);
        let mut packet = vec![0x80, u8::from(marker) << 7 | 96];
        packet.extend_from_slice(&next.to_be_bytes());
        packet.extend_from_slice(&time.to_be_bytes());
        packet.extend_from_slice(&source.to_be_bytes());
        packet.extend_from_slice(payload);
        *next = next.wrapping_add(1);
        packet
    }

    async fn write(&self, channel: usize, packet: &[u8]) -> bool {
        self.writer.lock().await.write_all(&frame(channel, packet)).await.is_ok()
    }
}

/// Sequence numbers wrap in the middle of each test.
const FIRST_SEQUENCE: u16 = 65_530;

fn frame(channel: usize, packet: &[u8]) -> Vec<u8> {
    let mut frame = vec![b'$', u8::try_from(channel).unwrap()];
    frame.extend_from_slice(&u16::try_from(packet.len()).unwrap().to_be_bytes());
    frame.extend_from_slice(packet);
    frame
}

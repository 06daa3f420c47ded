//! A gateway that runs as a program, and cameras whose frames a test counts.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use kvs_media::{MediaEvent, Reader};
use kvs_mkv::codec::h264::ParameterSets;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

pub(super) const CLOCK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/media/clock.mp4");
/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) fn kvs(arguments: &[&str]) -> Command {
    let mut command = Command::new("env");
    // A test that was started with nohup ignores SIGHUP, and so would the program.
    command.args(["--default-signal=HUP,INT", env!("CARGO_BIN_EXE_kvs")]).args(arguments);
    for name in ["AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL"] {
        command.env_remove(name);
    }
    command.env_remove("NOTIFY_SOCKET").stdin(Stdio::null());
    command
}

/// A gateway that runs, with its log as JSON.
pub(super) struct Gateway {
    child: Child,
    log: Arc<Mutex<Vec<Value>>>,
    reader: JoinHandle<()>,
    address: String,
    /// Longest wait for anything.
    pub(super) patience: Duration,
}

impl Gateway {
    pub(super) fn start(config: &Path, notify: Option<&Path>) -> Self {
        let mut command = kvs(&["gateway", "--log-format", "json", "--config", config.to_str().unwrap()]);
        if let Some(socket) = notify {
            command.env("NOTIFY_SOCKET", socket).env("WATCHDOG_USEC", "200000");
        }
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let log = Arc::new(Mutex::new(Vec::new()));
        let lock = Arc::clone(&log);
        let reader = std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                lock.lock().unwrap().push(serde_json::from_str(&line).unwrap());
            }
        });
        let mut gateway = Self { child, log, reader, address: String::new(), patience: PATIENCE };
        let started = gateway.wait_for(|line| line["event"] == "started");
        gateway.address = started["listen"].as_str().unwrap().to_owned();
        gateway
    }

    /// Waits for a line of the log.
    pub(super) fn wait_for(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            if let Some(line) = self.log.lock().unwrap().iter().find(|line| wanted(line)) {
                return line.clone();
            }
            let log = || self.log.lock().unwrap().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
            assert!(self.child.try_wait().unwrap().is_none(), "the gateway has ended: {}", log());
            assert!(begun.elapsed() < self.patience, "nothing came: {}", log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until a camera's health is as wanted.
    pub(super) fn wait_until(&mut self, camera: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            let health = self.camera(camera);
            if wanted(&health) {
                return health;
            }
            assert!(begun.elapsed() < self.patience, "{camera} stays {health}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The lines of the log about a camera.
    pub(super) fn lines_of(&self, camera: &str) -> Vec<Value> {
        self.log.lock().unwrap().iter().filter(|line| line["camera"] == camera).cloned().collect()
    }

    pub(super) fn health(&self) -> Value {
        serde_json::from_str(&self.page("/health")).unwrap()
    }

    pub(super) fn camera(&self, name: &str) -> Value {
        let health = self.health();
        let cameras = health["cameras"].as_array().unwrap();
        cameras.iter().find(|camera| camera["camera"] == name).unwrap_or_else(|| panic!("{name} in {health}")).clone()
    }

    pub(super) fn page(&self, path: &str) -> String {
        let mut socket = std::net::TcpStream::connect(&self.address).unwrap();
        write!(socket, "GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.address).unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        answer.split_once("\r\n\r\n").unwrap().1.to_owned()
    }

    pub(super) fn status(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let output = kvs(&["gateway", "status", "--listen", &self.address]).args(arguments).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    }

    pub(super) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Sends SIGTERM and waits for the end; returns the exit code, stderr and the whole log.
    pub(super) fn stop(self) -> (Option<i32>, String, Vec<Value>) {
        self.signal(Signal::TERM);
        self.end()
    }

    pub(super) fn end(self) -> (Option<i32>, String, Vec<Value>) {
        let output = self.child.wait_with_output().unwrap();
        self.reader.join().unwrap();
        let log = std::mem::take(&mut *self.log.lock().unwrap());
        (output.status.code(), String::from_utf8(output.stderr).unwrap(), log)
    }
}

/// A camera: H.264 with start codes in a FIFO, 100 frames per second. Each session begins with a key frame.
pub(super) struct Camera {
    path: PathBuf,
    units: Arc<Vec<(bool, Vec<u8>)>>,
    session: Option<(Arc<AtomicBool>, JoinHandle<usize>)>,
    /// Frames that were written in sessions that have ended.
    pub(super) written: usize,
}

impl Camera {
    pub(super) fn new(path: PathBuf) -> Self {
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        Self { path, units: Arc::new(access_units()), session: None, written: 0 }
    }

    /// Switches it on; it waits for a reader.
    pub(super) fn start(&mut self) {
        let (stop, path, units) = (Arc::new(AtomicBool::new(false)), self.path.clone(), Arc::clone(&self.units));
        let stopped = Arc::clone(&stop);
        let session = std::thread::spawn(move || {
            let mut fifo = OpenOptions::new().write(true).open(path).unwrap();
            let begun = Instant::now();
            let mut written = 0;
            for (_, unit) in units.iter().cycle() {
                if stopped.load(Ordering::Relaxed) {
                    break;
                }
                fifo.write_all(unit).unwrap();
                written += 1;
                let due = Duration::from_millis(10) * u32::try_from(written).unwrap();
                std::thread::sleep(due.saturating_sub(begun.elapsed()));
            }
            written
        });
        self.session = Some((stop, session));
    }

    /// Switches it off.
    pub(super) fn stop(&mut self) {
        let (stop, session) = self.session.take().unwrap();
        stop.store(true, Ordering::Relaxed);
        self.written += session.join().unwrap();
    }
}

/// The pictures of the recording with start codes and parameter sets, and whether they are key frames.
fn access_units() -> Vec<(bool, Vec<u8>)> {
    let mut reader = Reader::open(CLOCK).unwrap();
    let video = reader.tracks()[0].clone();
    let (sets, _) = ParameterSets::from_avcc(&video.codec_private).unwrap();
    let sets: Vec<_> = sets.sequence().iter().chain(sets.picture()).map(|set| set.to_vec()).collect();
    let mut units = Vec::new();
    while let Some(event) = reader.next_event().unwrap() {
        let MediaEvent::Sample(sample) = event else { continue };
        if sample.track != video.number {
            continue;
        }
        let frame: kvs_mkv::Frame = sample.into();
        let data: Vec<u8> = frame.data.iter().flat_map(|chunk| chunk.to_vec()).collect();
        let mut unit = Vec::new();
        let mut put = |nal: &[u8]| {
            unit.extend_from_slice(&[0, 0, 0, 1]);
            unit.extend_from_slice(nal);
        };
        if frame.keyframe {
            sets.iter().for_each(|set| put(set));
        }
        let mut rest = data.as_slice();
        while let Some((length, behind)) = rest.split_first_chunk::<4>() {
            let (nal, behind) = behind.split_at(u32::from_be_bytes(*length) as usize);
            put(nal);
            rest = behind;
        }
        units.push((frame.keyframe, unit));
    }
    assert!(units.len() == 500 && units[0].0);
    units
}

/// The socket of a service manager.
pub(super) struct Manager {
    socket: UnixDatagram,
    pub(super) path: PathBuf,
}

impl Manager {
    pub(super) fn new(folder: &Path) -> Self {
        let path = folder.join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { socket, path }
    }

    /// The next message, watchdog messages left out unless they are wanted.
    pub(super) fn next(&self, with_watchdog: bool) -> String {
        let mut buffer = [0; 4096];
        loop {
            let length = self.socket.recv(&mut buffer).unwrap();
            let message = String::from_utf8(buffer[..length].to_vec()).unwrap();
            if with_watchdog || message != "WATCHDOG=1\n" {
                return message;
            }
        }
    }
}

/// Number of the pictures of a stream, as ffprobe counts them in what `kvs get` reads back.
pub(super) fn stored_pictures(endpoint: &str, stream: &str, folder: &Path) -> usize {
    let out = folder.join(format!("{stream}.mkv"));
    let got = kvs(&["get", stream, "--endpoint", endpoint, "--out", out.to_str().unwrap()]).output().unwrap();
    assert!(got.status.success(), "{}", String::from_utf8_lossy(&got.stderr));
    crate::judge::packets(&out, "v").len()
}

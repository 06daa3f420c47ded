//! `kvs put` that is interrupted: by Ctrl-C, by `systemctl stop` or `docker stop`, by a terminal that is closed.

#![cfg(target_os = "linux")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::{Duration, Instant};

use kvs_local::LocalKvs;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

const CLOCK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/media/clock.mp4");

/// `kvs put` that runs, with its output as JSON.
struct Put {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Put {
    fn start(endpoint: &str, arguments: &[&str], stdin: Stdio) -> Self {
        // A test that was started with nohup ignores SIGHUP, and so would the program.
        let mut command = Command::new("env");
        command.args(["--default-signal=HUP,INT", env!("CARGO_BIN_EXE_kvs"), "put", "camera"]).args(arguments);
        command.args(["--json", "--endpoint", endpoint]);
        for name in ["AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
            command.env_remove(name);
        }
        command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    fn wait_for(&mut self, text: &str) {
        assert!(self.lines.any(|line| line.unwrap().contains(text)), "it ended without {text}");
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for its end; returns the exit code, stderr and the report.
    fn end(self) -> (Option<i32>, String, Option<Value>) {
        let last = self.lines.map_while(Result::ok).last();
        let Output { status, stderr, .. } = self.child.wait_with_output().unwrap();
        let report = last.map(|line| serde_json::from_str(&line).unwrap());
        (status.code(), String::from_utf8(stderr).unwrap(), report)
    }
}

/// An endpoint that refuses connections.
fn dead_endpoint() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

async fn blocking<T: Send + 'static>(test: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(test).await.unwrap()
}

#[tokio::test]
async fn a_file_that_was_not_sent_to_its_end_is_exit_code_1_with_the_reason() {
    let local = LocalKvs::builder().start().await.unwrap();
    for (signal, name) in [(Signal::INT, "Ctrl-C"), (Signal::TERM, "SIGTERM"), (Signal::HUP, "SIGHUP")] {
        let endpoint = local.endpoint_url().to_owned();
        let (code, errors, report) = blocking(move || {
            let mut put = Put::start(&endpoint, &[CLOCK], Stdio::null());
            put.wait_for("PERSISTED");
            put.signal(signal);
            put.end()
        })
        .await;
        assert_eq!(code, Some(1), "{name}: {errors}");
        let report = report.unwrap();
        let frames = report["persisted_frames"].as_u64().unwrap();
        assert_eq!((&report["complete"], &report["submitted_frames"]), (&Value::from(true), &Value::from(frames)));
        for says in [
            format!("{frames} of {frames} frames were persisted"),
            "from its beginning was not sent".to_owned(),
            "clock.mp4 still has it".to_owned(),
            format!("interrupted by {name}"),
        ] {
            assert!(errors.contains(&says), "{says}: {errors}");
        }
    }
    local.shutdown().await;
}

#[tokio::test]
async fn a_live_stream_ends_with_a_signal() {
    let local = LocalKvs::builder().start().await.unwrap();
    let endpoint = local.endpoint_url().to_owned();
    let (code, errors, report) = blocking(move || {
        let mut put = Put::start(&endpoint, &["-"], Stdio::piped());
        let live = tempfile::NamedTempFile::new().unwrap();
        let remuxed = Command::new(env!("CARGO_BIN_EXE_kvs")).args(["remux", CLOCK]).arg(live.path()).status().unwrap();
        assert!(remuxed.success());
        let mut pipe = put.child.stdin.take().unwrap();
        std::io::Write::write_all(&mut pipe, &std::fs::read(live.path()).unwrap()).unwrap();
        put.wait_for("PERSISTED");
        // The pipe stays open.
        put.signal(Signal::TERM);
        let ended = put.end();
        drop(pipe);
        ended
    })
    .await;
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    assert_eq!(report.unwrap()["complete"], true);
    local.shutdown().await;
}

#[tokio::test]
async fn with_a_spool_what_is_in_memory_is_on_disk_at_the_end() {
    let local = LocalKvs::builder().start().await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let spool = dir.path().join("spool");
    for signals in [1, 2] {
        let spool = spool.clone();
        let (code, errors, report) = blocking(move || {
            let arguments = [CLOCK, "--offline", "--spool", spool.to_str().unwrap()];
            let mut put = Put::start(&dead_endpoint(), &arguments, Stdio::null());
            put.wait_for("retry");
            (0..signals).for_each(|_| put.signal(Signal::TERM));
            put.end()
        })
        .await;
        assert_eq!(code, Some(1), "{errors}");
        let report = report.unwrap();
        assert_eq!((&report["lost_frames"], &report["persisted_frames"]), (&Value::from(0), &Value::from(0)));
        let spooled = &report["spooled_frames"];
        assert!(
            *spooled == report["submitted_frames"].as_u64().unwrap() + report["recovered_frames"].as_u64().unwrap()
        );
        assert!(errors.contains(&format!("{spooled} are in the spool")), "{errors}");
    }
    let (endpoint, folder) = (local.endpoint_url().to_owned(), spool.clone());
    let (code, errors, report) = blocking(move || {
        let arguments = [CLOCK, "--offline", "--spool", folder.to_str().unwrap()];
        Put::start(&endpoint, &arguments, Stdio::null()).end()
    })
    .await;
    assert_eq!(code, Some(0), "{errors}");
    assert!(report.unwrap()["recovered_frames"].as_u64() > Some(0));
    local.shutdown().await;
}

#[tokio::test]
async fn a_second_signal_stops_at_once() {
    let local = LocalKvs::builder().one_port().start().await.unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (endpoint, to) = (format!("http://{}", listener.local_addr().unwrap()), local.endpoint_url()[7..].to_owned());
    // Calls reach the service, and nothing that was put through PutMedia is ever acknowledged.
    std::thread::spawn(move || {
        for near in listener.incoming() {
            let (mut near, far) = (near.unwrap(), std::net::TcpStream::connect(&to).unwrap());
            std::thread::spawn(move || forward_calls(&mut near, far));
        }
    });
    let (code, errors, took) = blocking(move || {
        let mut put = Put::start(&endpoint, &[CLOCK, "--offline"], Stdio::null());
        put.wait_for("session");
        put.signal(Signal::INT);
        // Both would be one if they came at the same time.
        std::thread::sleep(Duration::from_secs(1));
        let second = Instant::now();
        put.signal(Signal::INT);
        let (code, errors, _) = put.end();
        (code, errors, second.elapsed())
    })
    .await;
    assert_eq!(code, Some(1), "{errors}");
    assert!(errors.contains("frames were persisted") && errors.contains("clock.mp4 still has them"), "{errors}");
    assert!(took < Duration::from_secs(20), "{took:?}; the drain alone takes 29 s more");
    local.shutdown().await;
}

/// Forwards requests and their answers, but no answer to PutMedia after its head.
fn forward_calls(near: &mut std::net::TcpStream, mut far: std::net::TcpStream) {
    use std::io::{Read, Write};
    let (mut up, mut down) = (near.try_clone().unwrap(), far.try_clone().unwrap());
    let back = std::thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(read @ 1..) = down.read(&mut bytes) {
            let text = String::from_utf8_lossy(&bytes[..read]);
            let until = if text.contains("EventType") { text.find("\r\n\r\n").map_or(0, |end| end + 4) } else { read };
            if up.write_all(&bytes[..until.min(read)]).is_err() {
                break;
            }
        }
    });
    let mut bytes = [0; 4096];
    while let Ok(read @ 1..) = near.read(&mut bytes) {
        if far.write_all(&bytes[..read]).is_err() {
            break;
        }
    }
    let _ = far.shutdown(std::net::Shutdown::Both);
    back.join().unwrap();
}

#[tokio::test]
async fn a_signal_before_the_first_frame_ends_the_capture_program_too() {
    let dir = tempfile::tempdir().unwrap();
    let pid = dir.path().join("pid");
    let path = pid.clone();
    let (code, errors, _) = blocking(move || {
        let silent =
            format!("(trap '' TERM; exec sleep 600) & echo $! > {0}.new; mv {0}.new {0}; wait", path.display());
        let put = Put::start(&dead_endpoint(), &["--exec", &silent], Stdio::null());
        while !path.exists() {
            std::thread::sleep(Duration::from_millis(20));
        }
        put.signal(Signal::TERM);
        put.end()
    })
    .await;
    assert_eq!((code, errors.as_str()), (Some(1), "error: interrupted by SIGTERM; nothing was sent\n"));
    let pid = std::fs::read_to_string(pid).unwrap();
    let stat = std::fs::read_to_string(Path::new("/proc").join(pid.trim()).join("stat")).unwrap_or_default();
    let is_ended = stat.rsplit_once(')').is_none_or(|(_, state)| state.trim_start().starts_with('Z'));
    assert!(is_ended, "{stat}");
}

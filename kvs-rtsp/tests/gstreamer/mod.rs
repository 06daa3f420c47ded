//! GStreamer's RTSP server, also for the tests of kvs-cli.

#![allow(dead_code, reason = "each test program uses a part of it")]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

/// The Python of the system: the bindings of GStreamer are a package of it.
const PYTHON: &str = "/usr/bin/python3";
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../kvs-rtsp/tests/gstreamer/server.py");
const IMPORTS: &str = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer";

/// Returns whether the server and these elements are installed. If not, the test is recorded as skipped and must return.
pub(crate) fn is_installed(test: &str, elements: &[&str]) -> bool {
    test_judges::succeeds(test, PYTHON, &["-c", IMPORTS])
        && elements.iter().all(|element| test_judges::succeeds(test, "gst-inspect-1.0", &[element]))
}

/// A running server. Dropping it ends it.
pub(crate) struct GstServer {
    child: Child,
    port: u16,
    times: Arc<Mutex<Vec<(f64, f64)>>>,
}

impl GstServer {
    /// Starts a server and waits until it listens.
    pub(crate) fn start(launch: &str, with_auth: bool) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Self::start_at(port, launch, with_auth)
    }

    /// Ends this server and starts one at the same address: a camera that was switched off and on.
    pub(crate) fn restart(self, launch: &str, with_auth: bool) -> Self {
        let port = self.port;
        drop(self);
        Self::start_at(port, launch, with_auth)
    }

    /// Starts a server at the port of one that has ended.
    pub(crate) fn start_at(port: u16, launch: &str, with_auth: bool) -> Self {
        let mut command = Command::new(PYTHON);
        command.args([SCRIPT, &port.to_string(), launch]).stdin(Stdio::null()).stdout(Stdio::piped());
        if with_auth {
            command.arg("auth");
        }
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        assert_eq!(lines.next().as_deref(), Some("ready"));
        let times = Arc::new(Mutex::new(Vec::new()));
        let read = Arc::clone(&times);
        std::thread::spawn(move || {
            for line in lines {
                let pair =
                    line.split_once(' ').and_then(|(media, wall)| Some((media.parse().ok()?, wall.parse().ok()?)));
                read.lock().unwrap().extend(pair);
            }
        });
        Self { child, port, times }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// A URL with these credentials, such as `admin:secret@`.
    pub(crate) fn url(&self, credentials: &str) -> String {
        format!("rtsp://{credentials}127.0.0.1:{}/live", self.port)
    }

    /// When media time 0 was on the wall, in seconds: by the buffer that was held up least.
    pub(crate) fn origin(&self) -> f64 {
        let times = self.times.lock().unwrap();
        times.iter().map(|(media, wall)| wall - media).fold(f64::INFINITY, f64::min)
    }
}

impl Drop for GstServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

//! Programs that a test starts and ends: GStreamer's RTSP server, a credentials endpoint, and gst-launch.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::support::LIMIT;

/// The Python of the system: the bindings of GStreamer are a package of it.
const SYSTEM_PYTHON: &str = "/usr/bin/python3";
const RTSP_IMPORTS: &str =
    "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer";
const RTSP_SERVER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../kvs-rtsp/tests/gstreamer/server.py");
const IOT_ENDPOINT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/judge/iot_endpoint.py");

/// A program whose lines are read. Dropping it ends it.
pub struct Helper {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Helper {
    /// Starts a program and waits for its first line.
    fn start(command: &mut Command) -> (Self, String) {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let first = output.next().expect("the program starts");
        let lines = Arc::new(Mutex::new(Vec::new()));
        let read = Arc::clone(&lines);
        std::thread::spawn(move || output.for_each(|line| read.lock().unwrap().push(line)));
        (Self { child, lines }, first)
    }

    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A camera: GStreamer's RTSP server. Its URL is the second value.
pub fn camera(launch: &str) -> (Helper, String) {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (helper, first) = Helper::start(Command::new(SYSTEM_PYTHON).args([RTSP_SERVER, &port.to_string(), launch]));
    assert_eq!(first, "ready");
    (helper, format!("rtsp://127.0.0.1:{port}/live"))
}

/// Whether [`camera`] works here.
pub fn has_camera(test: &str) -> bool {
    test_judges::succeeds(test, SYSTEM_PYTHON, &["-c", RTSP_IMPORTS])
}

/// A credentials endpoint with client certificates in a folder; the second value is its address.
pub fn iot_endpoint(python: &str, folder: &Path, keys: [&str; 3]) -> (Helper, String) {
    let (helper, first) = Helper::start(Command::new(python).arg(IOT_ENDPOINT).arg(folder).args(keys));
    let port = first.strip_prefix("ready ").expect(&first);
    (helper, format!("localhost:{port}"))
}

/// The property `iot-certificate` for [`iot_endpoint`].
pub fn iot_certificate(address: &str, folder: &Path, more: &str) -> String {
    let folder = folder.display();
    format!(
        "iot-certificate,endpoint={address},cert-path={folder}/device.pem,key-path={folder}/device.key,\
         ca-path={folder}/ca.pem{more}"
    )
}

/// gst-launch with this build's plugin and no AWS settings but those given. The test fails if it takes longer than a test may.
pub fn gst_launch(line: &[&str], environment: &[(&str, &str)]) -> Output {
    let folder = plugin_folder();
    let mut command = Command::new("gst-launch-1.0");
    for (name, _) in
        std::env::vars().filter(|(name, _)| name.starts_with("AWS_") || name.to_lowercase().ends_with("_proxy"))
    {
        command.env_remove(name);
    }
    command.args(line).env("GST_PLUGIN_PATH", folder.path()).envs(environment.iter().copied());
    // No credentials of the user, nor of a machine at AWS.
    command.env("HOME", folder.path()).env("AWS_EC2_METADATA_DISABLED", "true").env("XDG_CACHE_HOME", cache());
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let end = Instant::now() + LIMIT;
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > end {
            let _ = child.kill();
            panic!("gst-launch-1.0 {line:?} takes more than {LIMIT:?}: {:?}", child.wait_with_output());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    child.wait_with_output().unwrap()
}

/// A folder with the plugin alone: GStreamer would look into each library of Cargo's folder.
fn plugin_folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let name = format!("{}gstkvs{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    let built = std::env::current_exe().unwrap().parent().unwrap().join(&name);
    std::fs::copy(built, folder.path().join(name)).unwrap();
    folder
}

/// GStreamer's registry of plugins is made once, not by each process.
fn cache() -> PathBuf {
    std::env::current_exe().unwrap().parent().unwrap().parent().unwrap().join("gst-cache")
}

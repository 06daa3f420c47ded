//! The configuration: a TOML file with a table for each camera. It is taken whole or refused whole.
//!
//! ```toml
//! [gateway]
//! memory = "256M"
//!
//! [camera.door]
//! url = "rtsp://10.0.0.5/main"
//! user = "kvs"
//! password_file = "$CREDENTIALS_DIRECTORY/door"
//! stream = "front-door"
//! image_every = "5s"
//! ```

mod aws;
mod camera;
mod document;
mod secret;
mod source;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub(crate) use aws::AwsConfig;
pub(crate) use camera::CameraConfig;
pub(crate) use document::Refusal;
pub(crate) use source::{CameraClock, InputConfig, RtspConfig, SourceConfig};

use crate::values::parse_duration;
use camera::{BUFFER_LEAST, Defaults, send_interval, within};
use document::{Report, Section};
use secret::expand;

/// The cameras by their names.
pub(crate) type Cameras = BTreeMap<String, Arc<CameraConfig>>;

/// A whole configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Config {
    pub(crate) gateway: GatewayConfig,
    pub(crate) cameras: Cameras,
}

/// What the cameras share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GatewayConfig {
    /// Where metrics and health are served.
    pub(crate) listen: SocketAddr,
    /// Memory for the media of all cameras together.
    pub(crate) memory: usize,
    /// How long buffered media may take to be persisted after SIGTERM.
    pub(crate) drain_timeout: Duration,
    /// How often a camera sends at most, unless it says so itself.
    send_interval: Duration,
}

impl Config {
    /// Reads and checks a file, and the files with passwords that it names.
    pub(crate) fn load(path: &Path) -> Result<Self, Vec<String>> {
        let text = read(path).map_err(|reason| vec![format!("{}: {reason}", path.display())])?;
        Self::parse(&text, path).map_err(|refusals| refusals.iter().map(ToString::to_string).collect())
    }

    /// Checks the text of a configuration.
    pub(crate) fn parse(text: &str, path: &Path) -> Result<Self, Vec<Refusal>> {
        let report = Report::new(path, text);
        let table = report.parse();
        let config = table.as_ref().and_then(|table| Self::read(Section::root(&report, table), path));
        drop(table);
        match (config, report.into_refusals()) {
            (Some(config), refusals) if refusals.is_empty() => Ok(config),
            (_, refusals) => Err(refusals),
        }
    }

    fn read(mut root: Section<'_>, path: &Path) -> Option<Self> {
        let folder = path.parent().unwrap_or(Path::new(""));
        let (gateway, spool) = GatewayConfig::read(root.section("gateway"), folder);
        let aws =
            root.section("aws").map(|aws| AwsConfig::read(aws, &AwsConfig::default(), folder)).unwrap_or_default();
        let (memory, send_interval) = (gateway.memory, gateway.send_interval);
        let defaults = Defaults { folder, aws: &aws, spool, memory, send_interval };
        let mut cameras = Cameras::new();
        let sections = root.sections("camera");
        let count = sections.len();
        for (name, section) in sections {
            if !is_name(&name) {
                section.refuse_all(format!("a camera's name has 1 to {NAME_CHARS} letters, digits, '-' and '_'"));
            }
            if let Some(camera) = CameraConfig::read(section, &defaults, &cameras) {
                cameras.insert(name, Arc::new(camera));
            }
        }
        if count == 0 {
            root.refuse("camera", "there is no camera: add a table [camera.NAME]".to_owned());
        }
        let least = count.saturating_mul(2 * BUFFER_LEAST);
        if gateway.memory < least {
            let share = gateway.memory / 2 / count.max(1);
            root.refuse(
                "gateway",
                format!(
                    "memory of {} bytes guarantees each of {count} cameras {share} bytes; give at least {least}",
                    gateway.memory
                ),
            );
        }
        root.finish();
        Some(Self { gateway, cameras })
    }

    /// What each camera is guaranteed of the memory: half is divided evenly, the other half goes to those who need it first.
    pub(crate) fn guaranteed(&self) -> usize {
        self.gateway.memory / 2 / self.cameras.len().max(1)
    }
}

impl GatewayConfig {
    /// Reads `[gateway]`; returns the folder for spools too.
    fn read(section: Option<Section<'_>>, folder: &Path) -> (Self, Option<PathBuf>) {
        let mut config = Self { listen: LISTEN, memory: MEMORY, drain_timeout: DRAIN, send_interval: Duration::ZERO };
        let Some(mut section) = section else { return (config, None) };
        if let Some(memory) = section.parsed("memory", |text| within(text, BUFFER_LEAST, usize::MAX)) {
            config.memory = memory;
        }
        if let Some(listen) = section.parsed("listen", parse_listen) {
            config.listen = listen;
        }
        if let Some(drain) = section.parsed("drain_timeout", parse_duration) {
            config.drain_timeout = drain;
        }
        if let Some(interval) = section.parsed("send_interval", send_interval) {
            config.send_interval = interval;
        }
        let spool = section.text("spool");
        let spool = spool.and_then(|path| expand(&path, folder).map_err(|reason| section.refuse("spool", reason)).ok());
        section.finish();
        (config, spool)
    }
}

/// Reads an address that only this machine reaches.
pub(crate) fn parse_listen(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr = text.parse().map_err(|_| format!("{text:?} is not an address such as {LISTEN}"))?;
    if !address.ip().is_loopback() {
        return Err(format!("{text:?} is not on loopback: names of cameras and streams are for this machine only"));
    }
    Ok(address)
}

fn read(path: &Path) -> Result<String, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let mut text = String::new();
    file.take(BYTES + 1).read_to_string(&mut text).map_err(|error| error.to_string())?;
    if text.len() as u64 > BYTES {
        return Err(format!("has more than {BYTES} bytes"));
    }
    Ok(text)
}

/// Names are labels of metrics, fields of JSON and words of log lines.
fn is_name(name: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    (1..=NAME_CHARS).contains(&name.len()) && name.bytes().all(is_plain)
}

const NAME_CHARS: usize = 64;
/// Longest configuration: thousands of cameras.
const BYTES: u64 = 4 << 20;
/// Where metrics and health are served, unless it is set.
pub(crate) const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9440);
/// Memory for media, unless it is set.
const MEMORY: usize = 256 << 20;
/// How long buffered media may take to be persisted after SIGTERM, unless it is set. The unit of systemd kills after 30 s.
const DRAIN: Duration = Duration::from_secs(20);

//! Where a camera's media comes from.

use std::fmt;
use std::path::{Path, PathBuf};

use super::aws::read_secret;
use super::camera::choice;
use super::document::Section;
use super::secret::{Secret, expand};
use crate::commands::put::{InputFormat, Times};

/// Where a camera's media comes from: its `url`.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum SourceConfig {
    /// `rtsp://HOST/PATH`.
    Rtsp(RtspConfig),
    /// `exec:COMMAND`, a program that writes media to its standard output.
    Program { command: String, input: InputConfig },
    /// `file:PATH`, a recording at its own speed, or a FIFO.
    File { path: PathBuf, input: InputConfig },
}

/// A camera that speaks RTSP.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct RtspConfig {
    /// May hold a user and a password.
    pub(crate) url: Secret,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<Secret>,
    pub(crate) clock: CameraClock,
    pub(crate) udp: bool,
    pub(crate) audio: bool,
}

/// Whose clock the times of frames come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum CameraClock {
    /// This machine's.
    #[default]
    Local,
    /// The camera's.
    Camera,
}

/// How bytes become frames, as `kvs put` has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InputConfig {
    pub(crate) format: Option<InputFormat>,
    pub(crate) times: Option<Times>,
    pub(crate) audio: bool,
}

impl SourceConfig {
    pub(super) fn read(section: &mut Section<'_>, folder: &Path) -> Option<Self> {
        let url = section.text("url");
        let audio = section.boolean("audio").unwrap_or(true);
        let (rtsp, input) = (RtspFields::read(section, folder), InputFields::read(section));
        let Some(url) = url else {
            if !section.has("url") {
                section.refuse("url", format!("is missing: {FORMS}"));
            }
            return None;
        };
        if let Some(command) = url.strip_prefix("exec:") {
            rtsp.refuse_all(section);
            return if command.trim().is_empty() {
                section.refuse("url", "exec: needs a command".to_owned());
                None
            } else {
                Some(Self::Program { command: command.to_owned(), input: input.into_config(audio) })
            };
        }
        if let Some(path) = url.strip_prefix("file:") {
            rtsp.refuse_all(section);
            let path = expand(path, folder).map_err(|reason| section.refuse("url", reason)).ok()?;
            return Some(Self::File { path, input: input.into_config(audio) });
        }
        input.refuse_all(section);
        if !url.starts_with("rtsp://") {
            section.refuse("url", unknown_scheme(&url));
            return None;
        }
        let config = RtspConfig {
            url: Secret::new(url),
            user: rtsp.user,
            password: rtsp.password,
            clock: rtsp.clock.unwrap_or_default(),
            udp: rtsp.udp.unwrap_or(false),
            audio,
        };
        if let Err(error) = kvs_rtsp::printable_url(config.url.expose()) {
            section.refuse("url", error.to_string());
            return None;
        }
        if config.password.is_some() && config.user.is_none() && !section.has("user") {
            section.refuse("user", "is missing: the password belongs to it".to_owned());
        }
        Some(Self::Rtsp(config))
    }
}

/// What only `rtsp://` has.
struct RtspFields {
    user: Option<String>,
    password: Option<Secret>,
    clock: Option<CameraClock>,
    udp: Option<bool>,
}

impl RtspFields {
    const KEYS: [&'static str; 5] = ["user", "password", "password_file", "clock", "transport"];

    fn read(section: &mut Section<'_>, folder: &Path) -> Self {
        Self {
            user: section.text("user"),
            password: read_secret(section, "password", "password_file", folder),
            clock: section.parsed("clock", choice),
            udp: section.parsed("transport", |text| match text {
                "tcp" => Ok(false),
                "udp" => Ok(true),
                _ => Err(format!("{text:?} is not one of tcp, udp")),
            }),
        }
    }

    fn refuse_all(&self, section: &Section<'_>) {
        for key in Self::KEYS.into_iter().filter(|key| section.has(key)) {
            section.refuse(key, "is for rtsp:// only".to_owned());
        }
    }
}

/// What only `exec:` and `file:` have.
struct InputFields {
    format: Option<InputFormat>,
    times: Option<Times>,
}

impl InputFields {
    const KEYS: [&'static str; 2] = ["format", "times"];

    fn read(section: &mut Section<'_>) -> Self {
        Self { format: section.parsed("format", choice), times: section.parsed("times", Times::parse) }
    }

    fn refuse_all(&self, section: &Section<'_>) {
        for key in Self::KEYS.into_iter().filter(|key| section.has(key)) {
            section.refuse(key, "is for exec: and file: only".to_owned());
        }
    }

    fn into_config(self, audio: bool) -> InputConfig {
        InputConfig { format: self.format, times: self.times, audio }
    }
}

/// The scheme only: the rest may hold a password.
fn unknown_scheme(url: &str) -> String {
    match url.split_once(':') {
        Some(("rtsps", _)) => {
            "rtsps is not supported: put stunnel or go2rtc in front of the camera, and use its rtsp:// address"
                .to_owned()
        }
        Some((scheme, _)) if scheme.len() <= 16 && scheme.bytes().all(|b| b.is_ascii_alphanumeric()) => {
            format!("{scheme}: is not supported; use {FORMS}")
        }
        _ => format!("is not one of {FORMS}"),
    }
}

const FORMS: &str = "rtsp://HOST/PATH, exec:COMMAND or file:PATH";

impl fmt::Debug for SourceConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for SourceConfig {
    /// Without path, user and password of a URL and without the command: cameras have passwords in their queries too.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rtsp(config) => write!(f, "rtsp://{}", host(config.url.expose())),
            Self::Program { .. } => f.write_str("exec"),
            Self::File { path, .. } => write!(f, "file {}", path.display()),
        }
    }
}

/// Host and port of a URL.
fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    authority.rsplit('@').next().unwrap_or_default()
}

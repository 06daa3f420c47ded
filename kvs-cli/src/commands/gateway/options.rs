//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::config::{LISTEN, parse_listen};
use super::journal::LogFormat;
use crate::values::parse_duration;

/// Keeps many cameras in the cloud: RTSP cameras, capture programs and files, one stream each, for months.
///
/// The configuration is a TOML file with a table [camera.NAME] for each camera; it is taken whole, or refused with file, line and
/// field (exit code 2). A camera that fails later is tried again for ever and disturbs no other. State changes are lines on standard
/// output; http://127.0.0.1:9440 serves /metrics for Prometheus and /health.
///
/// SIGHUP reads the configuration again and touches only the cameras that it changes; a configuration that is wrong changes nothing.
/// SIGTERM and Ctrl-C stop after what is buffered was persisted, within the drain timeout; a second signal stops at once. Exit code 1
/// if something was lost then.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, after_long_help = EXAMPLE)]
pub(crate) struct Options {
    #[command(subcommand)]
    pub(crate) action: Option<Action>,

    /// The configuration.
    #[arg(long, value_name = "FILE", required = true)]
    pub(crate) config: Option<PathBuf>,

    /// Check the configuration and print what it says, and start nothing.
    #[arg(long)]
    pub(crate) check: bool,

    /// How long buffered media may take to be persisted after SIGTERM. Default: the configuration's, or 20s.
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) drain_timeout: Option<Duration>,

    /// Form of the log of state changes. Default: text, or json with --json.
    #[arg(long, value_enum, value_name = "FORM")]
    pub(crate) log_format: Option<LogFormat>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    Status(StatusOptions),
}

/// Prints what the cameras of a running gateway do. Exit code 1 if one is not live or not sent, or if no gateway answers.
#[derive(Debug, Args)]
pub(crate) struct StatusOptions {
    /// Where the gateway listens.
    #[arg(long, value_name = "ADDRESS", default_value_t = LISTEN, value_parser = parse_listen)]
    pub(crate) listen: SocketAddr,
}

/// Taken by a test as it is.
pub(crate) const EXAMPLE: &str = r#"Configuration:
  [gateway]                        # all optional
  memory = "256M"                  # for the media of all cameras together: half is divided evenly, half goes to who needs it
  listen = "127.0.0.1:9440"        # /metrics and /health; loopback only
  drain_timeout = "20s"
  send_interval = "0"              # also of a camera: "100ms" sends the frames of 100 ms in one write, with less processor time
  spool = "/var/lib/kvs"           # media that waits for the network, a folder for each stream; default: in memory only

  [aws]                            # optional; what is not set comes from the environment
  region = "eu-central-1"
  # profile = "cameras", endpoint = "http://127.0.0.1:4567", access_key_id = "...",
  # secret_access_key or secret_access_key_file, session_token or session_token_file

  [camera.door]
  url = "rtsp://10.0.0.5/main"     # or exec:COMMAND, or file:PATH
  stream = "front-door"            # created with a retention of 24h if it does not exist; see create and retention
  user = "kvs"
  password_file = "$CREDENTIALS_DIRECTORY/door"   # or password = "..."
  clock = "local"                  # or camera
  transport = "tcp"                # or udp
  audio = true
  image_every = "5s"
  image_prefix = "door"
  notify_every = "1m"
  tags = { site = "north" }
  buffer = "32M"                   # most memory of this camera
  buffer_time = "2m"
  spool_bytes = "1G"               # also spool = "FOLDER", spool_order = "newest-first", spool_after = "10s"
  # create = false, retention = "7d", aws = { region = "eu-west-1" }

  [camera.pi]
  url = "exec:rpicam-vid -t 0 -n --codec h264 --inline --intra 60 --flush -o -"
  stream = "pi"
  # format = "h264", times = "arrival"   (as in kvs put)
"#;

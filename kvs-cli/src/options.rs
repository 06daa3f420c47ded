//! The command line.

use clap::{Args, Parser};

use crate::commands::Command;
use crate::connection::Connection;

/// Sends video to Kinesis Video Streams and gets images, media and notifications back.
///
/// Exit codes: 0 for success, 1 if the command was tried and failed, 2 if the command line or an input file has to change.
#[derive(Debug, Parser)]
#[command(name = "kvs", version, propagate_version = true, arg_required_else_help = true)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) global: GlobalOptions,

    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options that every command takes.
#[derive(Debug, Clone, Args)]
pub(crate) struct GlobalOptions {
    #[command(flatten)]
    pub(crate) connection: Connection,

    /// Print one JSON object per line instead of text.
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

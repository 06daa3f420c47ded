//! The command line.

use clap::{ArgAction, Args, Parser};

use crate::commands::Command;
use crate::connection::{Connection, GLOBAL};
use crate::output::Output;

/// Sends video to Amazon Kinesis Video Streams, and gets images, media and notifications back.
///
/// Exit codes: 0 for success, 1 if the command was tried and failed, 2 if the command line or an input file must be
/// corrected first.
///
/// Without an AWS account, start the local service with `kvs-local` and add `--endpoint http://127.0.0.1:4567`.
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
    #[arg(long, global = true, help_heading = GLOBAL)]
    json: bool,

    /// Print only results and errors, no progress.
    #[arg(short, long, global = true, help_heading = GLOBAL)]
    quiet: bool,

    /// Log connections, retries and credentials to stderr; -vv logs more. RUST_LOG selects targets and levels instead.
    #[arg(short, long, global = true, action = ArgAction::Count, help_heading = GLOBAL)]
    pub(crate) verbose: u8,
}

impl GlobalOptions {
    /// How the command prints.
    pub(crate) const fn output(&self) -> Output {
        Output::new(self.json, self.quiet)
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn definition_of_the_command_line_is_consistent() {
        super::Options::command().debug_assert();
    }
}

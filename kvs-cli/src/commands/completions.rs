//! `kvs completions`: the script that completes commands and options in a shell.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::options;

/// Prints a completion script for a shell.
///
/// For bash: `kvs completions bash > ~/.local/share/bash-completion/completions/kvs`
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The shell that reads the script.
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints the script.
pub(crate) fn run(options: &Options) {
    let mut script = Vec::new();
    clap_complete::generate(options.shell, &mut options::Options::command(), "kvs", &mut script);
    crate::output::print_bytes(&script);
}

//! `kvs man`: the manual pages.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, CommandFactory};
use clap_mangen::Man;

use crate::failure::Failure;
use crate::options;

/// Prints the manual page of kvs, or writes the pages of all commands into a directory.
///
/// To read the page at once: `kvs man | man -l -`
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Directory to write kvs.1, kvs-put.1 and the others to; created if it does not exist.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Prints or writes the pages.
pub(crate) fn run(options: &Options) -> Result<(), Failure> {
    // Without the pages of `kvs help COMMAND`, which only repeat the others.
    let mut command = options::Options::command().disable_help_subcommand(true);
    command.build();
    match &options.out {
        None => {
            let mut page = Vec::new();
            Man::new(command).render(&mut page).map_err(Failure::of_run)?;
            crate::output::print_bytes(&page);
            Ok(())
        }
        Some(directory) => {
            write_pages(directory, &command).map_err(|error| Failure::of_run(error).about(directory.display()))
        }
    }
}

/// Writes the page of a command and those of its subcommands.
fn write_pages(directory: &Path, command: &clap::Command) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    clap_mangen::generate_to(command.clone(), directory)
}

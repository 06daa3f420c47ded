//! `kvs`: Kinesis Video Streams on the command line.

mod commands;
mod connection;
mod failure;
mod options;
mod runtime;
mod terminal;
mod values;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use options::Options;

fn main() -> ExitCode {
    let options = Options::parse();
    match commands::run(options.command, &options.global) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Nobody reads a closed stderr.
            let _ = writeln!(std::io::stderr(), "error: {failure}");
            ExitCode::from(failure.code())
        }
    }
}

//! `kvs`: Kinesis Video Streams on the command line.

mod bar;
#[cfg(any(feature = "read", feature = "timelapse"))]
mod clock;
mod commands;
mod connection;
mod failure;
mod log;
mod options;
mod output;
mod profile;
mod runtime;
mod values;

use std::process::ExitCode;

use clap::Parser;

use options::Options;

fn main() -> ExitCode {
    let options = Options::parse();
    let ended = log::start(options.global.verbose).and_then(|()| commands::run(options.command, &options.global));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output::complain(format_args!("error: {failure}"));
            ExitCode::from(failure.code())
        }
    }
}

//! `end_to_end`: from camera to image on one machine, with real parts.

mod bucket;
mod camera;
mod console;
mod deliveries;
mod failure;
mod images;
mod inbox;
mod journal;
mod journey;
mod options;
mod page;
mod report;
mod service;
mod setup;
mod verdict;
mod watch;

use std::process::ExitCode;

use failure::Failure;
use kvs_types::__internal::Printable;
use options::Options;

fn main() -> ExitCode {
    let options = match Options::from_args() {
        Ok(options) => options,
        Err(Ok(code)) => return code,
        Err(Err(failure)) => return end(&failure),
    };
    match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(run(&options)).map_or_else(|failure| end(&failure), |()| ExitCode::SUCCESS),
        Err(error) => end(&Failure::of_run(error)),
    }
}

async fn run(options: &Options) -> Result<(), Failure> {
    let missing = tokio::select! {
        missing = journey::run(options) => missing?,
        _ = tokio::signal::ctrl_c() => return Err(Failure::run("interrupted")),
    };
    for line in &missing {
        eprintln!("missing: {}", Printable(line));
    }
    match missing.len() {
        0 => Ok(()),
        count => Err(Failure::run(format!("{count} expected results did not arrive"))),
    }
}

fn end(failure: &Failure) -> ExitCode {
    eprintln!("error: {}", Printable(failure));
    ExitCode::from(failure.code)
}

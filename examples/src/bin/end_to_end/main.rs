//! `end_to_end`: from camera to picture on one machine, with real parts.

mod bucket;
mod camera;
mod console;
mod deliveries;
mod failure;
mod journal;
mod journey;
mod options;
mod pictures;
mod report;
mod service;
mod setup;
mod verdict;
mod watch;

use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

#[tokio::main]
async fn main() -> ExitCode {
    let options = options::Options::parse();
    let quiet = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("off"));
    tracing_subscriber::fmt().with_env_filter(quiet).with_writer(std::io::stderr).init();
    match journey::run(&options).await {
        Ok(missing) if missing.is_empty() => ExitCode::SUCCESS,
        Ok(missing) => {
            for line in missing {
                eprintln!("missing: {line}");
            }
            ExitCode::FAILURE
        }
        Err(failure) => {
            eprintln!("end_to_end: {failure}");
            failure.exit_code()
        }
    }
}

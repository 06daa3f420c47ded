//! `end_to_end`: from camera to picture on one machine, with real parts.

mod bucket;
mod camera;
mod console;
mod deliveries;
mod inbox;
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
use kvs_examples::cli::{self, Failure};
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let options = options::Options::parse();
    let quiet = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("off"));
    tracing_subscriber::fmt().with_env_filter(quiet).with_writer(std::io::stderr).init();
    cli::run(async {
        let missing = journey::run(&options).await?;
        for line in &missing {
            eprintln!("missing: {line}");
        }
        match missing.len() {
            0 => Ok(()),
            count => Err(Failure::run(format!("{count} of what was expected did not arrive"))),
        }
    })
}

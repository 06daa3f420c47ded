//! Streams over real sockets through a proxy that cuts, stalls, throttles and refuses, to a service that is killed and
//! restarted, and checks in the service's folder that all that was submitted is there or was reported lost.

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use kvs_examples::chaos;
use kvs_examples::cli::{self, Failure, say};

/// Streams under trouble, then checks that submitted = persisted + reported lost.
#[derive(Debug, Parser)]
struct Options {
    /// For how long.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// What the trouble is drawn from.
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

fn main() -> ExitCode {
    let options = Options::parse();
    cli::run(async {
        let folder = std::env::temp_dir().join(format!("kvs-chaos-{}", std::process::id()));
        let outcome = chaos::run(&folder, Duration::from_secs(options.seconds), options.seed).await;
        let removed = std::fs::remove_dir_all(&folder);
        let outcome = outcome.map_err(|error| Failure::run(error).about(format!("seed {}", options.seed)))?;
        removed.map_err(Failure::of_run)?;
        say(format_args!("{outcome}"));
        Ok(())
    })
}

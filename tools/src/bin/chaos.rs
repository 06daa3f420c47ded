//! Streams over real sockets through a proxy that cuts, stalls, throttles and refuses connections, to a service that is killed
//! and restarted, and checks in its data folder that every submitted frame is stored or was reported lost.

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use kvs_tools::chaos;
use kvs_tools::program::{self, BoxError};

/// Streams under faults, then checks that submitted = persisted + reported lost.
#[derive(Debug, Parser)]
struct Options {
    /// Duration in seconds.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Seed of the faults.
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    program::exit_code(run(&options).await)
}

async fn run(options: &Options) -> Result<(), BoxError> {
    let folder = std::env::temp_dir().join(format!("kvs-chaos-{}", std::process::id()));
    let outcome = chaos::run(&folder, Duration::from_secs(options.seconds), options.seed).await;
    std::fs::remove_dir_all(&folder)?;
    println!("{}", outcome.map_err(|error| format!("seed {}: {error}", options.seed))?);
    Ok(())
}

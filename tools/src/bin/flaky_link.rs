//! Forwards connections to a service and resets them now and then, for any program that sends.
//!
//! `cargo run -p kvs-tools --bin flaky_link -- --to 127.0.0.1:4567 --bytes 1500000 --seed 1`
//!
//! Start kvs-local with `--one-port`: GetDataEndpoint then returns the address of the proxy.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use kvs_tools::flaky::{FlakyLink, LinkPlan, Resets};
use kvs_tools::program::{self, BoxError};

/// A proxy that resets connections after an exponentially distributed number of bytes or time. Runs until it is killed.
#[derive(Debug, Parser)]
struct Options {
    /// Address and port to listen on; port 0 means a free port.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// The service.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:4567")]
    to: SocketAddr,
    /// Reset a connection after this many bytes from the client, on average.
    #[arg(long, value_name = "MEAN", conflicts_with = "seconds")]
    bytes: Option<u64>,
    /// Reset a connection after this many seconds, on average.
    #[arg(long, value_name = "MEAN")]
    seconds: Option<f64>,
    /// Bytes per second from the clients to the service.
    #[arg(long, value_name = "BYTES")]
    uplink: Option<u64>,
    /// Delay in each direction in ms.
    #[arg(long, value_name = "MS", default_value_t = 0)]
    delay: u64,
    /// Seed of the distances.
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

#[tokio::main]
async fn main() -> ExitCode {
    program::exit_code(run(&Options::parse()).await)
}

async fn run(options: &Options) -> Result<(), BoxError> {
    let resets = match (options.bytes, options.seconds) {
        (Some(mean), _) => Resets::Bytes(mean),
        (None, Some(mean)) => Resets::Time(Duration::try_from_secs_f64(mean)?),
        (None, None) => Resets::Never,
    };
    let plan = LinkPlan::new(resets, options.seed).with_delay(Duration::from_millis(options.delay));
    let plan = options.uplink.map_or(plan, |uplink| plan.with_uplink(uplink));
    let link = FlakyLink::listen(options.listen, options.to, plan).await?;
    println!("listening on {}", link.address());
    let mut reported = 0;
    loop {
        tokio::time::sleep(Duration::from_millis(200)).await;
        if link.resets() > reported {
            reported = link.resets();
            println!("{reported} resets");
        }
    }
}

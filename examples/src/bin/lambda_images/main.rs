//! A Lambda function that gets images and notifications as types: from S3, SNS, SQS or EventBridge, whichever is wired to it.
//!
//! ```text
//! # on this machine, on recorded events (or `-` for standard input):
//! lambda_images examples/events/*.json
//!
//! # as a function (runtime provided.al2023): this binary, named `bootstrap`, zipped. STREAM=name takes only that stream's.
//! ```
//!
//! Prints one line of JSON for each image and each fragment. For an event of SQS it answers which messages shall come again, so that one
//! bad message does not bring back its whole batch.

mod handler;
mod runtime;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser as _;
use kvs_examples::cli::{self, Failure, say};

use crate::handler::{Handler, Outcome};

/// Reads recorded events as the function would.
#[derive(clap::Parser)]
struct Arguments {
    /// Files of one event each; `-` is standard input.
    events: Vec<PathBuf>,
    /// Only images and fragments of this stream.
    #[arg(long, env = "STREAM")]
    stream: Option<String>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let handler = Handler::new(arguments.stream);
    cli::end(match std::env::var("AWS_LAMBDA_RUNTIME_API") {
        Ok(address) => runtime::run(&address, |event| print_all(&handler, event)).map_err(Failure::of_run),
        Err(_) => local(&handler, &arguments.events),
    })
}

fn local(handler: &Handler, events: &[PathBuf]) -> Result<(), Failure> {
    if events.is_empty() {
        return Err(Failure::input("no events: name files of recorded events, or - for standard input"));
    }
    for path in events {
        let event = read(path).map_err(|error| Failure::input(error).about(path.display()))?;
        let response = print_all(handler, &event).map_err(|error| Failure::input(error).about(path.display()))?;
        say(response);
    }
    Ok(())
}

fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    if path != Path::new("-") {
        return std::fs::read(path);
    }
    let mut event = Vec::new();
    std::io::stdin().take(kvs_notify::limits::DOCUMENT_BYTES as u64 + 1).read_to_end(&mut event)?;
    Ok(event)
}

/// Handles one event: what it found on standard output (CloudWatch's log in Lambda), the answer to whoever asked.
fn print_all(handler: &Handler, event: &[u8]) -> Result<String, String> {
    let Outcome { found, response } = handler.handle(event).map_err(|error| error.to_string())?;
    for line in found {
        say(line);
    }
    Ok(response.to_string())
}

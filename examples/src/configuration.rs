//! What the programs for a stream's configurations share: get, put and delete, in the JSON files that the AWS CLI takes.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use kvs_aws::StreamId;
use kvs_images::{DescribeConfiguration, StreamConfiguration, UpdateConfiguration};

use crate::cli::{self, Failure, Service, say};

/// What such a program is asked to do.
#[derive(Debug, Args)]
pub struct Request {
    #[command(flatten)]
    service: Service,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Prints the configuration as the JSON that `put` and `aws kinesisvideo ... --cli-input-json` take.
    Get {
        /// Name or ARN.
        stream: StreamId,
    },
    /// Sets the configuration of a JSON file.
    Put {
        /// The file, as for `aws kinesisvideo update-...-configuration --cli-input-json`.
        file: PathBuf,
    },
    /// Deletes the configuration.
    Delete {
        /// Name or ARN.
        stream: StreamId,
    },
}

/// What a program says of its configuration.
#[derive(Debug)]
#[expect(clippy::exhaustive_structs, reason = "two programs fill it in")]
pub struct Words {
    /// What the configuration is called: "image generation".
    pub name: &'static str,
    /// What the stream does by it: "generates images".
    pub does: &'static str,
    /// What it does without: "generates no images".
    pub does_not: &'static str,
}

/// Does what was asked for.
pub fn run<C: StreamConfiguration>(request: Request, words: &Words) -> ExitCode {
    cli::run(async {
        match request.command {
            Command::Get { stream } => get::<C>(&request.service, stream, words).await,
            Command::Put { file } => put::<C>(&request.service, &file, words).await,
            Command::Delete { stream } => {
                request.service.client()?.send(UpdateConfiguration::<C>::delete(stream.clone())).await?;
                say(format_args!("{stream} {} any more", words.does_not));
                Ok(())
            }
        }
    })
}

async fn get<C: StreamConfiguration>(service: &Service, stream: StreamId, words: &Words) -> Result<(), Failure> {
    let found = service.client()?.send(DescribeConfiguration::<C>::new(stream.clone())).await?;
    let found = found.ok_or_else(|| Failure::run(format!("{stream} has no {} configuration", words.name)))?;
    say(UpdateConfiguration::new(stream, found).to_json().trim_end());
    Ok(())
}

async fn put<C: StreamConfiguration>(service: &Service, file: &Path, words: &Words) -> Result<(), Failure> {
    // The file is read first: a mistake in it should not need a service to be found.
    let text = std::fs::read_to_string(file).map_err(|error| {
        let failure = match error.kind() {
            std::io::ErrorKind::InvalidData => Failure::input("is not JSON but binary data"),
            _ => Failure::input(error),
        };
        failure.about(file.display())
    })?;
    let update = UpdateConfiguration::<C>::from_json(&text);
    let update = update.map_err(|error| Failure::input(error).about(file.display()))?;
    let stream = update.stream().clone();
    service.client()?.send(update).await?;
    say(format_args!("{stream} {} as said, about a minute from now", words.does));
    Ok(())
}

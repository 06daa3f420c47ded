//! Gets, sets and deletes a stream's image generation, in the JSON files that the AWS CLI takes.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use kvs_aws::StreamId;
use kvs_examples::cli::{self, Failure, Service, say};
use kvs_images::{DescribeImageGenerationConfiguration, UpdateImageGenerationConfiguration};

/// Gets, sets and deletes a stream's image generation.
#[derive(Debug, Parser)]
struct Options {
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
        /// The file, as for `aws kinesisvideo update-image-generation-configuration --cli-input-json`.
        file: PathBuf,
    },
    /// Deletes the configuration.
    Delete {
        /// Name or ARN.
        stream: StreamId,
    },
}

fn main() -> ExitCode {
    let options = Options::parse();
    cli::run(async {
        // The file is read first: a mistake in it should not need a service to be found.
        let update = match &options.command {
            Command::Put { file } => Some(read(file)?),
            Command::Get { .. } | Command::Delete { .. } => None,
        };
        let client = options.service.client()?;
        match (options.command, update) {
            (Command::Get { stream }, _) => {
                let found = client.send(DescribeImageGenerationConfiguration::new(stream.clone())).await?;
                let Some(found) = found else {
                    return Err(Failure::run(format!("{stream} has no image generation configuration")));
                };
                say(UpdateImageGenerationConfiguration::new(stream, found).to_json().trim_end());
            }
            (Command::Delete { stream }, _) => {
                client.send(UpdateImageGenerationConfiguration::delete(stream.clone())).await?;
                say(format_args!("{stream} generates no images any more"));
            }
            (Command::Put { .. }, Some(update)) => {
                let stream = update.stream().clone();
                client.send(update).await?;
                say(format_args!("{stream} generates images as said, about a minute from now"));
            }
            (Command::Put { .. }, None) => unreachable!("the file of a put was read"),
        }
        Ok(())
    })
}

fn read(file: &Path) -> Result<UpdateImageGenerationConfiguration, Failure> {
    let text = std::fs::read_to_string(file).map_err(|error| Failure::input(error).about(file.display()))?;
    UpdateImageGenerationConfiguration::from_json(&text).map_err(|error| Failure::input(error).about(file.display()))
}

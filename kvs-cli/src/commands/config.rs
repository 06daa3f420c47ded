//! `kvs config`: gets, sets and deletes a stream's configurations, as the JSON files that the AWS CLI takes.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use kvs_aws::{
    DescribeConfiguration, ImageGenerationConfiguration, NotificationConfiguration, StreamConfiguration, StreamId,
    UpdateConfiguration,
};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::options::GlobalOptions;
use crate::output::print_json;

/// Gets, sets and deletes the image generation and notifications of a stream.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    subject: Subject,
}

#[derive(Debug, Subcommand)]
enum Subject {
    /// Image generation: which images the service writes to S3, and how.
    Image {
        #[command(subcommand)]
        action: Action,
    },
    /// Notifications: the SNS topic that the service posts to.
    Notification {
        #[command(subcommand)]
        action: Action,
    },
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Prints the configuration as the JSON that `put` and `aws kinesisvideo ... --cli-input-json` take.
    Get {
        /// Name or ARN of the stream.
        stream: StreamId,
    },
    /// Sets the configuration that a JSON file describes.
    Put {
        /// The file, as for `aws kinesisvideo update-...-configuration --cli-input-json`.
        file: PathBuf,
    },
    /// Deletes the configuration.
    Delete {
        /// Name or ARN of the stream.
        stream: StreamId,
    },
}

/// How messages name a configuration.
struct Wording {
    /// "image generation".
    name: &'static str,
    /// "generates images".
    enabled: &'static str,
    /// "generates no images".
    disabled: &'static str,
}

const IMAGE: Wording =
    Wording { name: "image generation", enabled: "generates images", disabled: "generates no images" };
const NOTIFICATION: Wording =
    Wording { name: "notification", enabled: "sends notifications", disabled: "sends no notifications" };

/// Runs one of the configuration commands.
pub(crate) async fn run(options: Options, global: &GlobalOptions) -> Result<(), Failure> {
    match options.subject {
        Subject::Image { action } => act::<ImageGenerationConfiguration>(action, global, &IMAGE).await,
        Subject::Notification { action } => act::<NotificationConfiguration>(action, global, &NOTIFICATION).await,
    }
}

async fn act<C: StreamConfiguration>(action: Action, global: &GlobalOptions, wording: &Wording) -> Result<(), Failure> {
    match action {
        Action::Get { stream } => get::<C>(global, stream, wording).await,
        Action::Put { file } => put::<C>(global, &file, wording).await,
        Action::Delete { stream } => delete::<C>(global, stream, wording).await,
    }
}

async fn get<C: StreamConfiguration>(
    global: &GlobalOptions,
    stream: StreamId,
    wording: &Wording,
) -> Result<(), Failure> {
    let found = global.connection.client().await?.send(DescribeConfiguration::<C>::new(stream.clone())).await?;
    let found = found.ok_or_else(|| Failure::run(format!("{stream} has no {} configuration", wording.name)))?;
    let json = UpdateConfiguration::new(stream, found).to_json();
    let object: Value = serde_json::from_str(&json).map_err(Failure::of_run)?;
    match global.output().is_json() {
        true => print_json(&object),
        false => print_json(json.trim_end()),
    }
    Ok(())
}

async fn put<C: StreamConfiguration>(global: &GlobalOptions, file: &Path, wording: &Wording) -> Result<(), Failure> {
    // The file is read first, so that a mistake in it is found without a service.
    let bytes = std::fs::read(file).map_err(|error| Failure::input(error).about(file.display()))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let failure = match error.as_bytes() {
            [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Failure::input("is in UTF-16; save it in UTF-8"),
            _ => Failure::input("is not JSON but binary data"),
        };
        failure.about(file.display())
    })?;
    let update = UpdateConfiguration::<C>::from_json(&text);
    let update = update.map_err(|error| Failure::of_input(error).about(file.display()))?;
    let stream = update.stream().clone();
    global.connection.client().await?.send(update).await?;
    // The documentation of UpdateNotificationConfiguration asks to wait a minute before sending media.
    let text = format!("{stream} {} by this configuration in about a minute", wording.enabled);
    let object = json!({"event": "updated", "stream": stream.to_string(), "configuration": wording.name});
    global.output().result(text, &object);
    Ok(())
}

async fn delete<C: StreamConfiguration>(
    global: &GlobalOptions,
    stream: StreamId,
    wording: &Wording,
) -> Result<(), Failure> {
    global.connection.client().await?.send(UpdateConfiguration::<C>::delete(stream.clone())).await?;
    let text = format!("{stream} {} any more", wording.disabled);
    let object = json!({"event": "deleted", "stream": stream.to_string(), "configuration": wording.name});
    global.output().result(text, &object);
    Ok(())
}

//! `kvs streams`: lists, creates, describes and deletes streams.

use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use kvs_aws::{
    Client, CreateStream, DeleteStream, DescribeStream, ListStreams, StreamArn, StreamId, StreamInfo, StreamName,
    StreamStatus,
};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::options::GlobalOptions;
use crate::output::Output;
use crate::values::show_time;

/// Lists, creates, describes and deletes streams.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Lists all streams, or those whose names begin with a prefix.
    List {
        /// Start of the names.
        prefix: Option<StreamName>,
    },
    /// Creates a stream and waits until it is active.
    Create {
        /// Name of the stream.
        name: StreamName,
        /// Hours to keep media for. 0 keeps none, and a stream without media has no images.
        #[arg(long, default_value_t = 24)]
        retention_hours: u32,
        /// Media type of the stream.
        #[arg(long, default_value = "video/h264")]
        media_type: String,
    },
    /// Describes a stream.
    Describe {
        /// Name or ARN of the stream.
        stream: StreamId,
    },
    /// Deletes a stream and its media.
    Delete {
        /// Name or ARN of the stream.
        stream: StreamId,
    },
}

/// How long a created stream may take to become active; the service takes a few seconds.
const ACTIVE_WITHIN: Duration = Duration::from_secs(60);
/// Time between two looks at its status.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// Runs one of the stream commands.
pub(crate) async fn run(options: Options, global: &GlobalOptions) -> Result<(), Failure> {
    let (client, output) = (global.connection.client().await?, global.output());
    match options.command {
        Command::List { prefix } => list(&client, prefix, output).await,
        Command::Create { name, retention_hours, media_type } => {
            let stream = StreamId::from(name.clone());
            let create = CreateStream::new(name).data_retention_in_hours(retention_hours).media_type(media_type);
            let created = async {
                client.send(create).await?;
                wait_until_active(&client, stream.clone(), output).await
            };
            created.await.map_err(|failure| failure.about(stream.clone()))
        }
        Command::Describe { stream } => {
            describe(&client, stream.clone(), output).await.map_err(|failure| failure.about(stream))
        }
        Command::Delete { stream } => {
            delete(&client, stream.clone(), output).await.map_err(|failure| failure.about(stream))
        }
    }
}

async fn list(client: &Client, prefix: Option<StreamName>, output: Output) -> Result<(), Failure> {
    let first = prefix.map_or_else(ListStreams::new, |prefix| ListStreams::new().name_begins_with(prefix));
    let (mut pages, mut streams) = (client.pages(first), 0);
    while let Some(page) = pages.next().await? {
        page.streams.iter().for_each(|stream| output.result(line(stream), &object(stream)));
        streams += page.streams.len();
    }
    if streams == 0 {
        output.note("no streams");
    }
    Ok(())
}

fn line(stream: &StreamInfo) -> String {
    let status = stream.status.as_ref().map_or("?", StreamStatus::as_str);
    let hours = stream.data_retention_in_hours.unwrap_or_default();
    let created = stream.creation_time.map(show_time).unwrap_or_default();
    format!("{:<32} {status:<8} {hours:>5} h  {created}", stream.stream_name.as_deref().unwrap_or("?"))
}

fn object(stream: &StreamInfo) -> Value {
    json!({
        "event": "stream", "name": stream.stream_name, "arn": stream.stream_arn,
        "status": stream.status.as_ref().map(StreamStatus::as_str),
        "retention_hours": stream.data_retention_in_hours, "media_type": stream.media_type,
        "created": stream.creation_time.map(show_time), "version": stream.version,
    })
}

async fn describe(client: &Client, stream: StreamId, output: Output) -> Result<(), Failure> {
    let info = client.send(DescribeStream::new(stream)).await?;
    let text = |value: Option<&str>| value.unwrap_or("-").to_owned();
    let lines = [
        format!("name       {}", text(info.stream_name.as_deref())),
        format!("arn        {}", text(info.stream_arn.as_deref())),
        format!("status     {}", text(info.status.as_ref().map(StreamStatus::as_str))),
        format!("retention  {} h", info.data_retention_in_hours.unwrap_or_default()),
        format!("media type {}", text(info.media_type.as_deref())),
        format!("created    {}", text(info.creation_time.map(show_time).as_deref())),
        format!("version    {}", text(info.version.as_deref())),
    ];
    output.result_lines(&lines, &object(&info));
    Ok(())
}

/// Waits until a stream is active and prints its ARN.
async fn wait_until_active(client: &Client, stream: StreamId, output: Output) -> Result<(), Failure> {
    let begun = Instant::now();
    loop {
        let info = client.send(DescribeStream::new(stream.clone())).await?;
        if info.status == Some(StreamStatus::Active) {
            output.result(info.stream_arn.as_deref().unwrap_or_default(), &object(&info));
            return Ok(());
        }
        if begun.elapsed() > ACTIVE_WITHIN {
            let status = info.status.as_ref().map_or("unknown", StreamStatus::as_str);
            let seconds = ACTIVE_WITHIN.as_secs();
            return Err(Failure::run(format!("created, but its status is still {status} after {seconds} s")));
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

async fn delete(client: &Client, stream: StreamId, output: Output) -> Result<(), Failure> {
    let arn = match stream {
        StreamId::Arn(arn) => arn,
        name => {
            let info = client.send(DescribeStream::new(name)).await?;
            StreamArn::new(info.stream_arn.unwrap_or_default())?
        }
    };
    client.send(DeleteStream::new(arn.clone())).await?;
    output.result(format_args!("deleted {arn}"), &json!({"event": "deleted", "arn": arn.to_string()}));
    Ok(())
}

//! Lists, creates, describes and deletes streams.

use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use kvs_aws::{
    Client, CreateStream, DeleteStream, DescribeStream, ListStreams, StreamArn, StreamId, StreamInfo, StreamName,
    StreamStatus,
};

use crate::failure::Failure;
use crate::options::GlobalOptions;
use crate::terminal::say;
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
        /// How names begin.
        prefix: Option<StreamName>,
    },
    /// Creates a stream and waits until it is active.
    Create {
        /// The name.
        name: StreamName,
        /// For how many hours media is kept; 0 keeps none, and then there are no images.
        #[arg(long, default_value_t = 24)]
        retention_hours: u32,
        /// The media type.
        #[arg(long, default_value = "video/h264")]
        media_type: String,
    },
    /// Describes a stream.
    Describe {
        /// Name or ARN.
        stream: StreamId,
    },
    /// Deletes a stream and its media.
    Delete {
        /// Name or ARN.
        stream: StreamId,
    },
}

/// Runs one of the stream commands.
pub(crate) async fn run(options: Options, global: &GlobalOptions) -> Result<(), Failure> {
    let client = global.connection.client()?;
    match options.command {
        Command::List { prefix } => list(&client, prefix).await,
        Command::Create { name, retention_hours, media_type } => {
            let stream = StreamId::from(name.clone());
            let create = CreateStream::new(name).data_retention_in_hours(retention_hours).media_type(media_type);
            match client.send(create).await {
                Ok(_) => active(&client, stream.clone()).await,
                Err(error) => Err(error.into()),
            }
            .map_err(|failure| failure.about(stream))
        }
        Command::Describe { stream } => {
            describe(&client, stream.clone()).await.map_err(|failure| failure.about(stream))
        }
        Command::Delete { stream } => delete(&client, stream.clone()).await.map_err(|failure| failure.about(stream)),
    }
}

async fn list(client: &Client, prefix: Option<StreamName>) -> Result<(), Failure> {
    let first = prefix.map_or_else(ListStreams::new, |prefix| ListStreams::new().name_begins_with(prefix));
    let mut token = None;
    let mut streams = 0;
    loop {
        let call = match token {
            Some(token) => first.clone().next_token(token),
            None => first.clone(),
        };
        let page = client.send(call).await?;
        page.streams.iter().for_each(|stream| say(line(stream)));
        streams += page.streams.len();
        let Some(next) = page.next_token else { break };
        token = Some(next);
    }
    if streams == 0 {
        eprintln!("no streams");
    }
    Ok(())
}

fn line(stream: &StreamInfo) -> String {
    let status = stream.status.as_ref().map_or("?", StreamStatus::as_str);
    let hours = stream.data_retention_in_hours.unwrap_or_default();
    let created = stream.creation_time.map(show_time).unwrap_or_default();
    format!("{:<32} {status:<8} {hours:>5} h  {created}", stream.stream_name.as_deref().unwrap_or("?"))
}

async fn describe(client: &Client, stream: StreamId) -> Result<(), Failure> {
    let info = client.send(DescribeStream::new(stream)).await?;
    let text = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    say(format_args!("name       {}", text(info.stream_name)));
    say(format_args!("arn        {}", text(info.stream_arn)));
    say(format_args!("status     {}", text(info.status.map(|status| status.to_string()))));
    say(format_args!("retention  {} h", info.data_retention_in_hours.unwrap_or_default()));
    say(format_args!("media type {}", text(info.media_type)));
    say(format_args!("created    {}", text(info.creation_time.map(show_time))));
    say(format_args!("version    {}", text(info.version)));
    Ok(())
}

/// Waits until a stream is active, and says its ARN.
async fn active(client: &Client, stream: StreamId) -> Result<(), Failure> {
    /// Real streams take a few seconds.
    const PATIENCE: Duration = Duration::from_secs(60);
    let begun = Instant::now();
    loop {
        let info = client.send(DescribeStream::new(stream.clone())).await?;
        if info.status == Some(StreamStatus::Active) {
            say(info.stream_arn.unwrap_or_default());
            return Ok(());
        }
        if begun.elapsed() > PATIENCE {
            return Err(Failure::run(format!("{stream} was created but is not active after 60 s: {:?}", info.status)));
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

async fn delete(client: &Client, stream: StreamId) -> Result<(), Failure> {
    let arn = match stream {
        StreamId::Arn(arn) => arn,
        name => {
            let info = client.send(DescribeStream::new(name)).await?;
            StreamArn::new(info.stream_arn.unwrap_or_default())?
        }
    };
    client.send(DeleteStream::new(arn.clone())).await?;
    say(format_args!("deleted {arn}"));
    Ok(())
}

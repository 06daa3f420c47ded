//! The program around a detector: where images come from, and where alerts go.

use std::process::ExitCode;
use std::time::Duration;

use bytes::Bytes;
use kvs_images::{Client, ClientConfig};
use lambda_runtime::{LambdaEvent, service_fn};
use lexopt::prelude::*;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::detector::{CameraImage, Detector};
use crate::folder::Folder;
use crate::message::images;
use crate::rule::Rule;
use crate::sns::{self, Endpoint};
use crate::watch::Watch;
use crate::webhook::Webhook;
use crate::{BoxError, with_causes};

/// What the program says about itself.
const HELP: &str = "\
usage: kvs-alert [--webhook URL] [--hits N] [--of N] [--quiet SECONDS] SOURCE

SOURCE is one of
  folder DATA_DIR                       the images that kvs-local writes
  sns ADDRESS TOPIC_ARN ROOTS [ORIGIN]  notifications that SNS posts to ADDRESS, signed by a certificate of ROOTS (PEM)
  lambda                                events of a Lambda function: notifications, S3 events, directly or through SQS;
                                        inside Lambda it is the default

Prints a line of JSON for each alert. `sns` and `lambda` take the Region and credentials from the environment.
";
/// How often the folder is looked at.
const LOOK: Duration = Duration::from_millis(200);
/// The most messages that wait for the detector; then their senders wait.
const WAITING: usize = 100;

enum Source {
    Folder(Folder),
    Sns(Endpoint),
    Lambda,
}

/// Reads the command line and looks at images until Ctrl-C. Prints why it ended, if the command line is wrong or the source of
/// images fails.
pub async fn run<D: Detector>(detector: D) -> ExitCode {
    match look_at_images(detector).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("kvs-alert: {}", with_causes(&*error));
            ExitCode::FAILURE
        }
    }
}

async fn look_at_images<D: Detector>(detector: D) -> Result<(), BoxError> {
    let Some((source, rule, webhook)) = options(lexopt::Parser::from_env())? else {
        print!("{HELP}");
        return Ok(());
    };
    let program = Program { watch: Watch::new(detector, rule), webhook: webhook.map(Webhook::new) };
    match source {
        Source::Folder(folder) => program.watch_folder(folder).await,
        Source::Sns(endpoint) => program.take_notifications(endpoint).await,
        Source::Lambda => program.take_events().await,
    }
}

type Options = (Source, Rule, Option<String>);

/// `None` asks for help.
fn options(mut parser: lexopt::Parser) -> Result<Option<Options>, BoxError> {
    let (mut webhook, mut words) = (None, Vec::new());
    let (mut hits, mut of, mut quiet) = (2, 3, 60);
    while let Some(argument) = parser.next()? {
        match argument {
            Long("webhook") => webhook = Some(parser.value()?.string()?),
            Long("hits") => hits = parser.value()?.parse()?,
            Long("of") => of = parser.value()?.parse()?,
            Long("quiet") => quiet = parser.value()?.parse()?,
            Long("help") | Short('h') => return Ok(None),
            Value(word) => words.push(word.string()?),
            other => return Err(other.unexpected().into()),
        }
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let source = match words[..] {
        ["folder", path] => Source::Folder(Folder::of_service(path)),
        ["sns", address, topic, roots, ref origin @ ..] if origin.len() <= 1 => Source::Sns(Endpoint {
            address: address.to_owned(),
            topic: topic.to_owned(),
            roots: roots.to_owned(),
            origin: origin.first().map(|origin| (*origin).to_owned()),
        }),
        ["lambda"] => Source::Lambda,
        // Lambda starts the program `bootstrap` without arguments.
        [] if std::env::var_os("AWS_LAMBDA_RUNTIME_API").is_some() => Source::Lambda,
        _ => return Err(format!("no source of images\n{HELP}").into()),
    };
    Ok(Some((source, Rule::new(hits, of, Duration::from_secs(quiet)), webhook)))
}

struct Program<D> {
    watch: Watch<D>,
    webhook: Option<Webhook>,
}

impl<D: Detector> Program<D> {
    async fn watch_folder(mut self, mut folder: Folder) -> Result<(), BoxError> {
        loop {
            for image in folder.new_images()? {
                self.look(image).await;
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                _ = tokio::signal::ctrl_c() => return Ok(()),
            }
        }
    }

    async fn take_notifications(mut self, endpoint: Endpoint) -> Result<(), BoxError> {
        let client = Client::new(ClientConfig::from_env()?)?;
        let (sender, mut bodies) = mpsc::channel::<Bytes>(WAITING);
        let server = sns::serve(endpoint, sender);
        let looking = async {
            while let Some(body) = bodies.recv().await {
                if let Err(error) = self.take(&client, &body).await {
                    eprintln!("a message gave no image: {}", with_causes(&*error));
                }
            }
        };
        tokio::select! {
            ended = server => ended,
            () = looking => Ok(()),
            _ = tokio::signal::ctrl_c() => Ok(()),
        }
    }

    /// Answers an event when its images were looked at, so that Lambda does not stop the function before.
    async fn take_events(mut self) -> Result<(), BoxError> {
        let client = Client::new(ClientConfig::from_env()?)?;
        // The detector is in one place, and the runtime calls its handler from others.
        let (sender, mut events) = mpsc::channel::<(Box<RawValue>, mpsc::Sender<Result<usize, String>>)>(WAITING);
        let handler = service_fn(move |event: LambdaEvent<Box<RawValue>>| {
            let sender = sender.clone();
            async move {
                let (answer, mut answered) = mpsc::channel(1);
                sender.send((event.payload, answer)).await?;
                let looked_at = answered.recv().await.ok_or("the detector has ended")??;
                Ok::<Value, BoxError>(json!({"images": looked_at}))
            }
        });
        let looking = async {
            while let Some((event, answer)) = events.recv().await {
                let taken = self.take(&client, event.get().as_bytes()).await.map_err(|error| with_causes(&*error));
                // Nobody waits any more: the event comes again.
                let _ = answer.send(taken).await;
            }
        };
        tokio::select! {
            ended = lambda_runtime::run(handler) => ended,
            () = looking => Ok(()),
        }
    }

    /// Looks at the images that a message speaks of; returns how many.
    async fn take(&mut self, client: &Client, body: &[u8]) -> Result<usize, BoxError> {
        let images = images(client, body).await?;
        let count = images.len();
        for image in images {
            self.look(image).await;
        }
        Ok(count)
    }

    /// An image that cannot be looked at is named, and the next one is taken.
    async fn look(&mut self, image: CameraImage) {
        let place = image.place.clone();
        match self.watch.look(image).await {
            Ok(Some(alert)) => {
                println!("{}", alert.to_json());
                if let Some(webhook) = &self.webhook
                    && let Err(error) = webhook.post(&alert).await
                {
                    eprintln!("the alert was not posted: {}", with_causes(&*error));
                }
            }
            Ok(None) => {}
            Err(error) => eprintln!("{place}: {}", with_causes(&*error)),
        }
    }
}

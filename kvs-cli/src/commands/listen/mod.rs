//! `kvs listen`: an HTTP endpoint for SNS that confirms its subscription, verifies every message and prints what it says.

mod certificates;
mod endpoint;
mod fetch;
mod inbox;
mod save;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use kvs_notify::{Content, ObjectEvent, SnsMessage, TrustRoots, UrlPolicy, Verifier};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::output::{Output, print_json};
use endpoint::{CERTIFICATE_NAME, Delivery, SnsAddress};

/// Receives SNS messages over HTTP, verifies them and prints each notification as a line of JSON.
///
/// Confirms the subscription to the topic. A post that cannot be verified is answered with 403 and reported on stderr. SNS itself
/// posts to https only: put a proxy with a certificate in front, and give --intermediates.
///
/// Beside kvs-local, started with --subscribe TOPIC_ARN=http://127.0.0.1:8080/:
///
/// kvs listen --topic TOPIC_ARN --origin http://127.0.0.1:4567 --roots DATA_DIR/keys/sns-authority.pem
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Address to listen on.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// ARN of a topic whose messages are accepted; may be repeated.
    #[arg(long, value_name = "ARN", required = true)]
    topic: Vec<String>,
    /// PEM file with trusted roots of signing certificates. Default: Mozilla's.
    #[arg(long, value_name = "FILE")]
    roots: Option<PathBuf>,
    /// PEM file with intermediate certificates. SNS serves only its own certificate; Amazon publishes the intermediate ones at
    /// <https://www.amazontrust.com/repository/>.
    #[arg(long, value_name = "FILE")]
    intermediates: Option<PathBuf>,
    /// Service other than SNS that may sign messages, for example http://127.0.0.1:4567; may be repeated.
    #[arg(long, value_name = "URL")]
    origin: Vec<String>,
    /// Greatest age of a message in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
    max_age: u64,
    /// Also save each message as DIR/MESSAGE_ID.json.
    #[arg(long, value_name = "DIR")]
    save: Option<PathBuf>,
    /// Stop after this many notifications.
    #[arg(long, value_name = "N")]
    count: Option<usize>,
}

/// Prints notifications until Ctrl-C, or until --count.
pub(crate) async fn run(options: Options, output: Output) -> Result<(), Failure> {
    let verifier = verifier(&options)?;
    let address = SnsAddress::listen(options.listen).await;
    let address =
        address.map_err(|error| Failure::input(error).about(format!("cannot listen on {}", options.listen)))?;
    output.note(format_args!("listening on {}", address.url()));
    let mut endpoint = address.serve(verifier, options.save).map_err(Failure::of_run)?;
    let mut left = options.count;
    while left != Some(0) {
        let Some(delivery) = endpoint.next().await else { break };
        print_json(line(&delivery));
        left = left.map(|left| left.saturating_sub(1));
    }
    Ok(())
}

fn verifier(options: &Options) -> Result<Verifier, Failure> {
    let read = |path: &PathBuf| std::fs::read(path).map_err(|error| Failure::input(error).about(path.display()));
    let mut roots = TrustRoots::new();
    roots = match &options.roots {
        Some(path) => roots.roots_pem(&read(path)?).map_err(|error| Failure::input(error).about(path.display()))?,
        None => roots.anchors(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
    };
    if let Some(path) = &options.intermediates {
        roots = roots.intermediates_pem(&read(path)?).map_err(|error| Failure::input(error).about(path.display()))?;
    }
    let urls = options.origin.iter().fold(UrlPolicy::aws(), |urls, origin| urls.and_origin(origin, CERTIFICATE_NAME));
    let max_age = Duration::from_secs(options.max_age);
    Ok(Verifier::new(roots, options.topic.clone()).urls(urls).max_age(max_age))
}

/// The content of a notification as one object.
fn line(delivery: &Delivery) -> Value {
    let text = match &delivery.message {
        SnsMessage::Notification(notification) => notification.message.as_str(),
        _ => "",
    };
    match &delivery.content {
        Content::Fragment(notification) => json!({"fragment": notification}),
        Content::Objects(events) => {
            let object = |event: &ObjectEvent| json!({"bucket": event.bucket, "key": event.key, "size": event.size});
            json!({"objects": events.iter().map(object).collect::<Vec<_>>()})
        }
        Content::TestEvent(event) => json!({"test": event}),
        Content::Refused(error) => json!({"other": text, "why": error.to_string()}),
        _ => json!({"other": text}),
    }
}

//! An HTTP endpoint for SNS: agrees to the subscription, verifies every message, prints or saves what it says.
//!
//! ```text
//! # beside kvs-local on this machine, started with --subscribe arn:aws:sns:us-west-2:111122223333:cameras=http://127.0.0.1:8080/ :
//! sns_listener --listen 127.0.0.1:8080 --topic arn:aws:sns:us-west-2:111122223333:cameras \
//!     --origin http://127.0.0.1:4567 --roots DATA_DIR/keys/sns-authority.pem
//!
//! # behind a proxy that takes https from SNS; the intermediates are those of https://www.amazontrust.com/repository/
//! sns_listener --listen 127.0.0.1:8080 --topic arn:aws:sns:us-west-2:111122223333:cameras --intermediates amazon-rsa-2048.pem
//! ```
//!
//! Each notification is one line of JSON on standard output. Posts that do not verify are answered with 403 and said on standard error.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser as _;
use kvs_examples::cli::{self, Failure, say};
use kvs_examples::sns_endpoint::{CERTIFICATE_NAME, Delivery, SnsAddress};
use kvs_notify::{Content, ObjectEvent, SnsMessage, TrustRoots, UrlPolicy, Verifier};
use serde_json::{Value, json};

/// Takes messages of SNS, verifies them and prints what they say.
#[derive(clap::Parser)]
struct Arguments {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// A topic whose messages are taken, by its ARN; may be given several times.
    #[arg(long, required = true)]
    topic: Vec<String>,
    /// A PEM file of roots that vouch for signing certificates, instead of Mozilla's.
    #[arg(long)]
    roots: Option<PathBuf>,
    /// A PEM file of certificates between the roots and what SNS serves.
    #[arg(long)]
    intermediates: Option<PathBuf>,
    /// A service other than SNS that may post, as http://127.0.0.1:4567; may be given several times.
    #[arg(long)]
    origin: Vec<String>,
    /// How old a message may be, in seconds.
    #[arg(long, default_value_t = 3600)]
    max_age: u64,
    /// Also save each message as DIR/MESSAGE_ID.json.
    #[arg(long)]
    save: Option<PathBuf>,
    /// Stop after so many notifications.
    #[arg(long)]
    count: Option<usize>,
}

fn main() -> ExitCode {
    cli::run(listen(Arguments::parse()))
}

async fn listen(arguments: Arguments) -> Result<(), Failure> {
    let verifier = verifier(&arguments)?;
    let address = SnsAddress::listen(arguments.listen).await;
    let address = address.map_err(|error| Failure::input(error).about(arguments.listen))?;
    eprintln!("listening on {}", address.url());
    let mut endpoint = address.serve(verifier, arguments.save).map_err(Failure::of_run)?;
    let mut left = arguments.count;
    while left != Some(0) {
        let Some(delivery) = endpoint.next().await else { break };
        say(line(&delivery));
        left = left.map(|left| left.saturating_sub(1));
    }
    Ok(())
}

fn verifier(arguments: &Arguments) -> Result<Verifier, Failure> {
    let read = |path: &PathBuf| std::fs::read(path).map_err(|error| Failure::input(error).about(path.display()));
    let mut roots = TrustRoots::new();
    roots = match &arguments.roots {
        Some(path) => roots.roots_pem(&read(path)?).map_err(|error| Failure::input(error).about(path.display()))?,
        None => roots.anchors(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
    };
    if let Some(path) = &arguments.intermediates {
        roots = roots.intermediates_pem(&read(path)?).map_err(|error| Failure::input(error).about(path.display()))?;
    }
    let urls = arguments.origin.iter().fold(UrlPolicy::aws(), |urls, origin| urls.and_origin(origin, CERTIFICATE_NAME));
    let max_age = Duration::from_secs(arguments.max_age);
    Ok(Verifier::new(roots, arguments.topic.clone()).urls(urls).max_age(max_age))
}

/// What a notification says, on one line.
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

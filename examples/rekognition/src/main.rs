//! `kvs-alert` with Amazon Rekognition as its detector: a message when a camera sees a person, or whatever `LABEL` names.
//!
//! The command line is that of `kvs-alert`; Region and credentials come from the environment or an AWS profile.

use std::process::ExitCode;

use kvs_alert_rekognition::{Rekognition, config};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let label = std::env::var("LABEL").unwrap_or_else(|_| "Person".to_owned());
    kvs_alert::run(Rekognition::new(&config().await, label)).await
}

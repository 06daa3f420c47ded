//! Gets, sets and deletes a stream's notifications, in the JSON files that the AWS CLI takes.

use std::process::ExitCode;

use clap::Parser;
use kvs_examples::configuration::{self, Request, Words};
use kvs_images::NotificationConfiguration;

/// Gets, sets and deletes a stream's notifications.
#[derive(Debug, Parser)]
struct Options {
    #[command(flatten)]
    request: Request,
}

const WORDS: Words = Words { name: "notification", does: "sends notifications", does_not: "sends no notifications" };

fn main() -> ExitCode {
    configuration::run::<NotificationConfiguration>(Options::parse().request, &WORDS)
}

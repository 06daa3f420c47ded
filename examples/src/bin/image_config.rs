//! Gets, sets and deletes a stream's image generation, in the JSON files that the AWS CLI takes.

use std::process::ExitCode;

use clap::Parser;
use kvs_examples::configuration::{self, Request, Words};
use kvs_images::ImageGenerationConfiguration;

/// Gets, sets and deletes a stream's image generation.
#[derive(Debug, Parser)]
struct Options {
    #[command(flatten)]
    request: Request,
}

const WORDS: Words = Words { name: "image generation", does: "generates images", does_not: "generates no images" };

fn main() -> ExitCode {
    configuration::run::<ImageGenerationConfiguration>(Options::parse().request, &WORDS)
}

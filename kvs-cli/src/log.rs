//! Logging to stderr.

use std::fmt::Debug;

use kvs_types::__internal::Printable;
use tracing::field::Field;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::{Writer, debug_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::failure::Failure;

/// The crates whose logs `-v` shows.
const TARGETS: [&str; 7] = ["kvs", "kvs_aws", "kvs_images", "kvs_media", "kvs_mkv", "kvs_notify", "kvs_producer"];

/// Values come from outside: each is written so that it can neither control the terminal nor begin a line.
fn write_field(writer: &mut Writer<'_>, field: &Field, value: &dyn Debug) -> std::fmt::Result {
    match field.name() {
        "message" => write!(writer, "{}", Printable(format_args!("{value:?}"))),
        name => write!(writer, " {name}={}", Printable(format_args!("{value:?}"))),
    }
}

/// Starts logging at the level of so many `-v`, or as `RUST_LOG` says if it is set.
pub(crate) fn start(verbose: u8) -> Result<(), Failure> {
    let level = match verbose {
        0 => LevelFilter::OFF,
        1 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    let targets = match std::env::var("RUST_LOG") {
        Ok(text) => text.parse().map_err(|error| Failure::of_input(error).about("RUST_LOG"))?,
        Err(_) => Targets::new().with_targets(TARGETS.map(|target| (target, level))),
    };
    let lines = tracing_subscriber::fmt::layer().fmt_fields(debug_fn(write_field)).with_writer(std::io::stderr);
    tracing_subscriber::registry().with(targets).with(lines).init();
    Ok(())
}

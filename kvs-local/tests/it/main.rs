//! The integration tests in one program: linking each file alone costs more than compiling it.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../judge/mod.rs"]
mod judge;
#[path = "../suite/mod.rs"]
mod suite;
#[path = "../support/mod.rs"]
mod support;

mod aws_endpoints;
mod boto3;
mod browsers;
mod c_producer;
mod container;
mod contract;
mod delivery;
mod faults;
mod ffmpeg_decoder;
mod fixtures;
mod foreign;
mod hostile;
mod images;
mod log;
mod playback_sessions;
mod put_media;
mod service;
mod status_page;
mod status_page_browser;
mod stopping;
mod strict;
mod tagged;
mod test_double;
mod tls;

//! What the tests of this package share.

#![allow(dead_code, reason = "each test uses a part of it")]

pub(crate) mod runtime_api;

use std::path::{Path, PathBuf};
use std::process::Command;

use kvs_aws::{Client, ClientConfig, Credentials, Region};
use kvs_local::LocalKvs;

/// The bundled recording.
pub(crate) fn recording() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("media/clock.mp4")
}

/// A client of an embedded service.
pub(crate) fn client_of(local: &LocalKvs) -> Client {
    let credentials = Credentials::from_keys(local.access_key(), local.secret_key(), None);
    let config = ClientConfig::new(Region::new(local.region()).expect("a Region"), credentials);
    Client::new(config.endpoint_url(local.endpoint_url()).expect("a URL")).expect("a client")
}

/// An example of this package. `cargo test` builds the examples before it runs a test, into the directory next to that of
/// the test binaries.
pub(crate) fn example(name: &str) -> Command {
    let test = std::env::current_exe().expect("the path of this test");
    let target = test.ancestors().nth(2).expect("tests are in target/PROFILE/deps");
    let path = target.join("examples").join(name).with_extension(std::env::consts::EXE_EXTENSION);
    assert!(path.is_file(), "{} is missing: run cargo build -p kvs-examples --examples", path.display());
    Command::new(path)
}

/// An example that calls an embedded service.
pub(crate) fn example_at(local: &LocalKvs, name: &str) -> Command {
    let mut command = example(name);
    command
        .env("AWS_ENDPOINT_URL", local.endpoint_url())
        .env("AWS_REGION", local.region())
        .env("AWS_ACCESS_KEY_ID", local.access_key())
        .env("AWS_SECRET_ACCESS_KEY", local.secret_key())
        .env_remove("AWS_ENDPOINT_URL_KINESIS_VIDEO")
        .env_remove("AWS_SESSION_TOKEN");
    command
}

//! The options of every command, shell completions and manual pages.

use std::path::Path;
use std::process::{Command, Output};

use kvs_local::LocalKvs;
use serde_json::Value;

fn kvs(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kvs"));
    command.args(arguments);
    for name in ["AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"] {
        command.env_remove(name);
    }
    command.env_remove("AWS_ENDPOINT_URL").env_remove("AWS_ENDPOINT_URL_KINESIS_VIDEO").env_remove("RUST_LOG");
    command
}

async fn run(mut command: Command) -> Output {
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn json_quiet_and_verbose_apply_to_every_command() {
    let local = LocalKvs::builder().start().await.unwrap();
    let at = ["--endpoint", local.endpoint_url()];
    let created = run(kvs(&[&at[..], &["--json", "streams", "create", "door"]].concat())).await;
    let created: Value = serde_json::from_slice(&created.stdout).unwrap();
    assert_eq!((&created["event"], &created["status"]), (&Value::from("stream"), &Value::from("ACTIVE")));
    let listed = run(kvs(&[&["streams", "list", "--json"], &at[..]].concat())).await;
    assert_eq!(serde_json::from_slice::<Value>(&listed.stdout).unwrap(), created);

    let loud = run(kvs(&[&["doctor", "door"], &at[..]].concat())).await;
    let quiet = run(kvs(&[&["doctor", "door", "-q"], &at[..]].concat())).await;
    assert!(text(&loud.stdout).contains("ok    stream") && text(&quiet.stdout).contains("BAD   persisted fragments"));
    assert!(!text(&quiet.stdout).contains("ok    "), "{}", text(&quiet.stdout));
    let findings = run(kvs(&[&["doctor", "door", "--json"], &at[..]].concat())).await;
    let findings: Vec<Value> = text(&findings.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(findings.last().unwrap()["event"], "report");
    assert!(findings.iter().any(|finding| finding["level"] == "bad" && finding["fix"].is_string()), "{findings:?}");

    let silent = run(kvs(&[&["streams", "list"], &at[..]].concat())).await;
    let verbose = run(kvs(&[&["streams", "list", "-v"], &at[..]].concat())).await;
    assert!(silent.stderr.is_empty(), "{}", text(&silent.stderr));
    assert!(text(&verbose.stderr).contains("keys of kvs-local"), "{}", text(&verbose.stderr));
    local.shutdown().await;
}

#[cfg(feature = "aws-config")]
#[tokio::test(flavor = "multi_thread")]
async fn profile_supplies_credentials_and_region() {
    let local = LocalKvs::builder().start().await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("config");
    let (region, key, secret) = (local.region(), local.access_key(), local.secret_key());
    let profile = |name: &str, secret: &str| {
        format!("[profile {name}]\nregion = {region}\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n")
    };
    std::fs::write(&config, profile("cameras", secret) + &profile("stale", "wrong")).unwrap();
    let list = |profile: &str| {
        let mut command = kvs(&["--profile", profile, "--endpoint", local.endpoint_url(), "streams", "list"]);
        command.env("AWS_CONFIG_FILE", &config).env("AWS_SHARED_CREDENTIALS_FILE", directory.path().join("none"));
        command.env("AWS_EC2_METADATA_DISABLED", "true");
        // A profile that is named goes before keys in the environment.
        command.env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE").env("AWS_SECRET_ACCESS_KEY", "unused");
        run(command)
    };
    let output = list("cameras").await;
    assert!(output.status.success(), "{}", text(&output.stderr));
    let output = list("stale").await;
    assert_eq!(output.status.code(), Some(1), "a signature with another key: {}", text(&output.stderr));
    let output = list("nobody").await;
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
    assert_eq!(text(&output.stderr).lines().count(), 1);
    assert!(text(&output.stderr).contains("nobody"), "{}", text(&output.stderr));
    local.shutdown().await;
}

/// Keys of kvs-local would be refused by AWS, and the reason would not be seen.
#[cfg(feature = "aws-config")]
#[tokio::test(flavor = "multi_thread")]
async fn keys_of_kvs_local_replace_no_credentials_that_are_named_and_never_reach_aws() {
    let local = LocalKvs::builder().start().await.unwrap();
    let container = ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:1/credentials");
    let private = "https://vpce-0a1b-2c3d.kinesisvideo.eu-west-1.vpce.amazonaws.com";
    for (endpoint, variable) in [(local.endpoint_url(), container), (private, ("UNUSED", ""))] {
        let mut command = kvs(&["--endpoint", endpoint, "--region", "us-west-2", "streams", "list", "-v"]);
        command.env("AWS_EC2_METADATA_DISABLED", "true").env(variable.0, variable.1);
        command.env("AWS_CONFIG_FILE", "none").env("AWS_SHARED_CREDENTIALS_FILE", "none");
        let output = run(command).await;
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains("default chain of the AWS SDK") && said.contains("credentials"), "{said}");
        assert!(!said.contains("keys of kvs-local"), "{said}");
    }
    local.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_pair_of_keys_is_reported() {
    let mut command = kvs(&["--endpoint", "http://127.0.0.1:1", "streams", "list"]);
    command.env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE");
    let output = run(command).await;
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("AWS_SECRET_ACCESS_KEY"), "{}", text(&output.stderr));
}

#[test]
fn completions_exist_for_every_shell() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let output = kvs(&["completions", shell]).output().unwrap();
        assert!(output.status.success() && text(&output.stdout).contains("timelapse"), "{shell}");
    }
    assert_eq!(kvs(&["completions", "csh"]).output().unwrap().status.code(), Some(2));
}

#[test]
fn manual_pages_cover_every_command() {
    let page = kvs(&["man"]).output().unwrap();
    assert!(text(&page.stdout).contains(".TH kvs 1"));
    let directory = tempfile::tempdir().unwrap();
    let pages = directory.path().join("man1");
    assert!(kvs(&["man", "--out", pages.to_str().unwrap()]).output().unwrap().status.success());
    for name in ["kvs.1", "kvs-put.1", "kvs-streams-create.1", "kvs-config-image-put.1", "kvs-man.1"] {
        let page = std::fs::read_to_string(pages.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(page.contains("\\-\\-endpoint"), "{name}");
    }
}

#[test]
fn every_command_describes_itself() {
    let help = kvs(&["--help"]).output().unwrap();
    let help = text(&help.stdout);
    for command in ["put", "images", "timelapse", "get", "streams", "config", "doctor", "listen", "mkv", "remux"] {
        assert!(help.contains(&format!("  {command} ")), "{command} in\n{help}");
        let output = kvs(&[command, "--help"]).output().unwrap();
        assert!(text(&output.stdout).contains("Global options:"), "{command}");
    }
    assert_eq!(kvs(&[]).output().unwrap().status.code(), Some(2));
    assert!(Path::new(env!("CARGO_BIN_EXE_kvs")).ends_with(format!("kvs{}", std::env::consts::EXE_SUFFIX)));
}

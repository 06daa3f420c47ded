//! Each short example, run once as a user runs it.

use crate::support;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use kvs_aws::{CreateStream, NotificationConfiguration, UpdateNotificationConfiguration};
use kvs_local::LocalKvs;
use support::{client_of, example, example_at, recording};

/// Runs a program to its end and returns its standard output.
async fn run(mut command: Command) -> String {
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn camera_sends_annex_b_and_adts_and_follow_decodes_them() {
    let local = LocalKvs::builder().start().await.unwrap();
    let mut camera = example_at(&local, "camera");
    camera.arg("front-door");
    let text = run(camera).await;
    // 100 video frames, and a frame of audio every 64 ms up to the last one at 3.96 s.
    assert_eq!(text.trim(), "162 of 162 frames persisted");

    let mut follow = example_at(&local, "follow");
    follow.args(["front-door", "100"]);
    let text = run(follow).await;
    let pictures: Vec<&str> = text.lines().filter(|line| line.contains(": 320x240, mean luma ")).collect();
    assert_eq!(pictures.len(), 100, "{text}");
    local.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pipe_sends_what_an_encoder_writes() {
    let local = LocalKvs::builder().start().await.unwrap();
    let mut pipe = example_at(&local, "pipe");
    // 25 key frames that all have the same number.
    let stream = concat!(env!("CARGO_MANIFEST_DIR"), "/../kvs-mkv/tests/cases/sameidr.h264");
    pipe.arg("front-door").stdin(Stdio::from(std::fs::File::open(stream).unwrap()));
    assert_eq!(run(pipe).await.trim(), "25 of 25 frames persisted");
    local.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn device_sends_at_the_speed_of_a_camera_with_a_spool() {
    let (local, folder) = (LocalKvs::builder().start().await.unwrap(), tempfile::tempdir().unwrap());
    // Three seconds.
    let recording = concat!(env!("CARGO_MANIFEST_DIR"), "/../kvs-media/tests/cases/rot90.mp4");
    let mut device = example_at(&local, "device");
    device.args(["front-door", recording]).arg(folder.path().join("spool"));
    device.env_remove("AWS_IOT_CORE_CREDENTIAL_ENDPOINT");
    let text = run(device).await;
    let (persisted, rest) = text.split_once(" of ").unwrap();
    assert!(persisted.parse::<u32>().unwrap() > 50 && rest.starts_with(persisted), "{text}");
    local.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_request_images_and_images_saves_them() {
    let local = LocalKvs::builder().start().await.unwrap();
    let mut events = example_at(&local, "events");
    events.arg("front-door").arg(recording());
    let text = run(events).await;
    assert!(!text.contains("lost"), "{text}");
    let fragments = local.fragments("front-door").await.unwrap();
    assert_eq!(
        (fragments.len(), text.lines().filter(|line| line.starts_with("persisted")).count()),
        (10, 10),
        "{text}"
    );

    let directory = tempfile::tempdir().unwrap();
    let mut images = example_at(&local, "images");
    images.arg("front-door").arg(directory.path());
    let text = run(images).await;
    let saved: Vec<_> = std::fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(saved.len(), text.lines().filter(|line| line.ends_with("bytes")).count());
    assert!(!saved.is_empty(), "{text}");
    for path in saved {
        assert!(std::fs::read(&path).unwrap().starts_with(&[0xff, 0xd8]), "{}", path.display());
    }
    local.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sns_webhook_verifies_notifications_of_the_local_service() {
    const TOPIC: &str = "arn:aws:sns:us-west-2:111122223333:cameras";
    let directory = tempfile::tempdir().unwrap();
    // The webhook needs the address and the certificate of the service, and the service the address of the webhook.
    let free = |_| std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let address = free(());
    let builder = LocalKvs::builder().data_dir(directory.path().join("data")).account("111122223333");
    let local = builder.subscribe(TOPIC, format!("http://{address}/")).start().await.unwrap();
    let roots = directory.path().join("roots.pem");
    std::fs::write(&roots, local.message_authority().await.unwrap()).unwrap();
    let mut webhook = example("sns_webhook");
    webhook.args([&address.to_string(), TOPIC]).arg(&roots).arg(local.endpoint_url());
    let mut webhook = webhook.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(webhook.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), format!("listening on http://{address}/"));

    let client = client_of(&local);
    client.send(CreateStream::new("front-door".parse().unwrap()).data_retention_in_hours(24)).await.unwrap();
    let notifications = NotificationConfiguration::new(TOPIC);
    client.send(UpdateNotificationConfiguration::new("front-door".parse().unwrap(), notifications)).await.unwrap();
    let mut events = example_at(&local, "events");
    events.arg("front-door").arg(recording());
    run(events).await;
    let printed = tokio::task::spawn_blocking(move || [lines.next().unwrap().unwrap(), lines.next().unwrap().unwrap()]);
    let [subscribed, fragment] = printed.await.unwrap();
    webhook.kill().unwrap();
    webhook.wait().unwrap();
    assert_eq!(subscribed, format!("subscribed to {TOPIC}"));
    assert!(fragment.starts_with("front-door: fragment "), "{fragment}");
    local.shutdown().await;
}

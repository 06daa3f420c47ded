//! `kvs gateway`: cameras and services that go away, bad cameras beside good ones, reload, drain, metrics and status.

#![cfg(target_os = "linux")]

mod gstreamer;
mod support;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use kvs_local::LocalKvs;
use rustix::process::Signal;
use serde_json::Value;

use support::{CLOCK, Camera, Gateway, Manager, kvs, stored_pictures};

/// The service, at the address that it had before.
async fn service(folder: &Path, address: Option<SocketAddr>) -> LocalKvs {
    let listen = address.unwrap_or_else(|| "127.0.0.1:0".parse().unwrap());
    LocalKvs::builder().data_dir(folder.join("service")).one_port().listen(listen).start().await.unwrap()
}

fn write_config(folder: &Path, endpoint: &str, rest: &str) -> PathBuf {
    write_config_with(folder, endpoint, "", rest)
}

/// The same with more settings of the gateway.
fn write_config_with(folder: &Path, endpoint: &str, more: &str, rest: &str) -> PathBuf {
    let path = folder.join("cameras.toml");
    let head = format!("[gateway]\nlisten = '127.0.0.1:0'\nmemory = '64M'\n{more}[aws]\nendpoint = '{endpoint}'\n");
    std::fs::write(&path, head + rest).unwrap();
    path
}

async fn blocking<T: Send + 'static>(test: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(test).await.unwrap()
}

fn is_state(line: &Value, camera: &str, state: &str) -> bool {
    line["camera"] == camera && line["event"] == "state" && line["state"] == state
}

fn dead_endpoint() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

/// Two good cameras and three bad ones.
const GOOD_AND_BAD: &str = "\
[camera.door]
url = 'file:door'
stream = 'door'
image_every = '1s'
tags = { site = 'north' }
[camera.yard]
url = 'file:yard'
stream = 'yard'
[camera.ends]
url = 'exec:exit 3 # s3cret'
stream = 'ends'
[camera.noise]
url = 'exec:head -c 200000 /dev/urandom'
stream = 'noise'
[camera.nobody]
url = 'rtsp://127.0.0.1:1/main'
user = 'kvs'
password = 's3cret'
stream = 'nobody'
";

/// Takes about 9 s: cameras have a speed, and are tried again after 1 s and 2 s.
#[tokio::test]
async fn no_received_frame_is_missing_when_cameras_and_the_service_come_and_go() {
    if !test_judges::available("no_received_frame_is_missing_when_cameras_and_the_service_come_and_go", &["ffprobe"]) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().to_owned();
    let local = service(&folder, None).await;
    let (endpoint, address) = (local.endpoint_url().to_owned(), local.address());
    let config = write_config(&folder, &endpoint, GOOD_AND_BAD);
    let (mut door, mut yard) = (Camera::new(folder.join("door")), Camera::new(folder.join("yard")));
    let begun = std::time::SystemTime::now();
    let (mut gateway, mut door, mut yard) = blocking(move || {
        let mut gateway = Gateway::start(&config, None);
        door.start();
        yard.start();
        gateway.wait_for(|line| is_state(line, "door", "live"));
        gateway.wait_until("door", |camera| camera["persisted_frames"].as_u64() > Some(0));
        door.stop();
        gateway.wait_for(|line| is_state(line, "door", "lost"));
        door.start();
        gateway.wait_for(|line| line["camera"] == "door" && line["event"] == "back");
        (gateway, door, yard)
    })
    .await;
    // The service is killed while both send.
    local.shutdown().await;
    let mut gateway = blocking(move || {
        gateway.wait_for(|line| line["camera"] == "yard" && line["upload"] == "retrying");
        gateway
    })
    .await;
    let local = service(&folder, Some(address)).await;
    let (gateway, door, yard) = blocking(move || {
        let before = gateway.camera("yard")["persisted_frames"].as_u64();
        gateway.wait_until("yard", |camera| camera["persisted_frames"].as_u64() > before);
        door.stop();
        // A pipe that is opened again before its reader has closed it loses what is written.
        gateway.wait_until("door", |camera| camera["disconnects"] == 2);
        door.start();
        gateway.wait_until("door", |camera| camera["state"] == "live");
        // The bad cameras are told, each with its reason, and have disturbed nobody.
        for (camera, says) in
            [("ends", "exit"), ("noise", "looks like"), ("nobody", "cannot connect to rtsp://127.0.0.1:1/main")]
        {
            let health = gateway.camera(camera);
            assert_eq!(health["state"], "lost", "{health}");
            assert!(health["reason"].as_str().unwrap().contains(says), "{health}");
        }
        let yard_health = gateway.camera("yard");
        assert_eq!((&yard_health["disconnects"], &yard_health["state"]), (&Value::from(0), &Value::from("live")));
        metrics_say_what_health_says(&gateway);
        status_prints_a_table(&gateway);
        yard.stop();
        door.stop();
        // What is in the pipes is read to its end.
        for camera in ["yard", "door"] {
            gateway.wait_until(camera, |camera| camera["state"] == "lost");
        }
        (gateway, door, yard)
    })
    .await;
    let (written, log) = blocking(move || {
        let (code, errors, log) = gateway.stop();
        assert_eq!((code, errors.as_str()), (Some(0), ""), "{log:?}");
        ((door.written, yard.written), log)
    })
    .await;
    let texts: Vec<_> = log.iter().map(ToString::to_string).collect();
    assert!(texts.iter().all(|line| !line.contains("s3cret") && !line.contains("\"loss\"")), "{texts:#?}");
    let gaps = log.iter().filter(|line| line["camera"] == "door" && line["event"] == "back").count();
    assert_eq!(gaps, 2, "{texts:#?}");
    let stored =
        blocking(move || (stored_pictures(&endpoint, "door", &folder), stored_pictures(&endpoint, "yard", &folder)))
            .await;
    assert_eq!(stored, written);
    // Times are those of this machine, and tags and events are on the fragments.
    let fragments = local.fragments("door").await.unwrap();
    assert!(fragments.iter().all(|fragment| fragment.producer_timestamp >= begun));
    local.shutdown().await;
}

/// The judge is the parser of Prometheus' own client library.
fn metrics_say_what_health_says(gateway: &Gateway) {
    let Some(python) = test_judges::python("metrics_say_what_health_says", &["prometheus_client"]) else { return };
    let page = gateway.page("/metrics");
    let mut parser =
        Command::new(python).args(["-c", PARSE]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut parser.stdin.take().unwrap(), page.as_bytes()).unwrap();
    let output = parser.wait_with_output().unwrap();
    assert!(output.status.success(), "{page}");
    let parsed: Value = serde_json::from_slice(&output.stdout).unwrap();
    let of = |name: &str, label: &str| {
        let samples = parsed.as_array().unwrap().iter();
        let mut found = samples.filter(|sample| sample["name"] == name && sample["labels"].to_string().contains(label));
        found.next().unwrap_or_else(|| panic!("{name} {label} in {parsed}"))["value"].as_f64().unwrap()
    };
    assert_eq!(of("kvs_gateway_cameras", ""), 5.0);
    assert_eq!(of("kvs_camera_disconnects_total", "door"), 2.0);
    assert_eq!(of("kvs_camera_disconnects_total", "yard"), 0.0);
    assert_eq!(of("kvs_camera_well", "nobody"), 0.0);
    let rate = of("kvs_camera_frame_rate", "yard");
    assert!((80.0..=110.0).contains(&rate), "100 frames per second are written, {rate} are told");
    let health = gateway.camera("yard");
    assert!(of("kvs_camera_persisted_frames_total", "yard") <= health["persisted_frames"].as_f64().unwrap());
    assert!(of("kvs_camera_ack_latency_seconds_count", "yard") > 0.0);
    assert!(of("kvs_camera_reconnects_total", "yard") >= 1.0, "the service was killed");
    let lost = parsed.as_array().unwrap().iter().filter(|sample| sample["name"] == "kvs_camera_lost_frames_total");
    assert!(lost.clone().count() == 5 * 11 && lost.into_iter().all(|sample| sample["value"] == 0.0));
}

const PARSE: &str = "
import json, sys
from prometheus_client.parser import text_string_to_metric_families
samples = []
for family in text_string_to_metric_families(sys.stdin.read()):
    assert family.documentation and family.type in ('counter', 'gauge', 'histogram'), family
    samples += [{'name': s.name, 'labels': s.labels, 'value': s.value} for s in family.samples]
keys = [(s['name'], tuple(sorted(s['labels'].items()))) for s in samples]
assert len(keys) == len(set(keys)), 'a sample is there twice'
print(json.dumps(samples))
";

fn status_prints_a_table(gateway: &Gateway) {
    let (code, table, errors) = gateway.status(&[]);
    assert_eq!(code, Some(1), "{errors}");
    assert!(errors.contains("3 of 5 cameras are not live or not sent"), "{errors}");
    let row = table.lines().find(|line| line.starts_with("yard ")).unwrap();
    assert!(row.contains("live") && row.contains("sending"), "{table}");
    assert!(table.contains("cannot connect to rtsp://127.0.0.1:1/main"), "{table}");
    let (_, json, _) = gateway.status(&["--json"]);
    let health: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&health["status"], health["cameras"].as_array().unwrap().len()), (&Value::from("degraded"), 5));
}

#[tokio::test]
async fn a_reload_touches_only_what_has_changed_and_the_service_manager_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().to_owned();
    let local = service(&folder, None).await;
    let endpoint = local.endpoint_url().to_owned();
    blocking(move || {
        let camera = |name: &str, more: &str| {
            format!("[camera.{name}]\nurl = 'file:{CLOCK}'\nstream = '{name}'\naudio = false\n{more}")
        };
        let before = camera("same", "") + &camera("changed", "") + &camera("gone", "");
        let config = write_config(&folder, &endpoint, &before);
        let manager = Manager::new(&folder);
        let mut gateway = Gateway::start(&config, Some(&manager.path));
        assert_eq!(manager.next(false), "READY=1\nSTATUS=3 cameras\n");
        for name in ["same", "changed", "gone"] {
            gateway.wait_until(name, |camera| camera["upload"] == "sending");
        }
        let after = camera("same", "") + &camera("changed", "tags = { site = 'north' }\n") + &camera("new", "");
        write_config(&folder, &endpoint, &after);
        gateway.signal(Signal::HUP);
        let reloaded = gateway.wait_for(|line| line["event"] == "reloaded");
        assert_eq!(reloaded["started"], serde_json::json!(["new"]));
        assert_eq!(reloaded["restarted"], serde_json::json!(["changed"]));
        assert_eq!((&reloaded["stopped"], &reloaded["unchanged"]), (&serde_json::json!(["gone"]), &Value::from(1)));
        assert!(manager.next(false).starts_with("RELOADING=1\nMONOTONIC_USEC="));
        assert_eq!(manager.next(false), "READY=1\nSTATUS=3 cameras\n");
        assert_eq!(manager.next(true), "WATCHDOG=1\n");
        gateway.wait_for(|line| line["camera"] == "gone" && line["event"] == "stopped" && line["lost_frames"] == 0);
        gateway.wait_for(|line| line["camera"] == "changed" && line["event"] == "stopped" && line["lost_frames"] == 0);
        gateway.wait_until("new", |camera| camera["upload"] == "sending");
        gateway.wait_until("changed", |camera| camera["upload"] == "sending" && camera["sessions"] == 2);
        let same = gateway.camera("same");
        assert_eq!((&same["sessions"], &same["disconnects"]), (&Value::from(1), &Value::from(0)));
        assert!(gateway.lines_of("same").iter().all(|line| line["event"] != "stopped"));

        // A wrong configuration is refused whole.
        write_config(&folder, &endpoint, &(camera("new", "") + &camera("same", "image_every = 'soon'\n")));
        gateway.signal(Signal::HUP);
        let refused = gateway.wait_for(|line| line["event"] == "reload_refused");
        let reason = refused["reason"].as_str().unwrap();
        assert!(reason.contains("cameras.toml:14: camera.same.image_every: invalid duration \"soon\""), "{reason}");
        let health = gateway.health();
        assert_eq!((health["cameras"].as_array().unwrap().len(), &health["reloads"]), (3, &Value::from(1)));
        assert_eq!(health["reload_refused"].as_str(), Some(reason));

        let (code, errors, _) = gateway.stop();
        assert_eq!((code, errors.as_str()), (Some(0), ""));
        let mut last = Vec::new();
        while last.last().is_none_or(|message: &String| message != "STOPPING=1\n") {
            last.push(manager.next(false));
        }
    })
    .await;
    local.shutdown().await;
}

#[tokio::test]
async fn sigterm_ends_within_the_drain_timeout_and_says_what_is_lost_or_in_the_spool() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().to_owned();
    let (folder, spooled) = blocking(move || {
        let camera = format!("[camera.door]\nurl = 'file:{CLOCK}'\nstream = 'door'\naudio = false\n");
        let run = |more: &str| {
            let config = write_config_with(&folder, &dead_endpoint(), more, &camera);
            let mut gateway = Gateway::start(&config, None);
            gateway.wait_until("door", |camera| camera["submitted_frames"].as_u64() > Some(30));
            assert_eq!(gateway.camera("door")["upload"], "retrying");
            let begun = Instant::now();
            let (code, errors, log) = gateway.stop();
            assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
            let stopped = log.iter().rfind(|line| line["event"] == "stopped").unwrap().clone();
            (code, errors, stopped["lost_frames"].as_u64().unwrap(), stopped["spooled_frames"].as_u64().unwrap())
        };
        let (code, errors, lost, spooled) = run("drain_timeout = '1s'\n");
        assert_eq!((code, spooled), (Some(1), 0), "{errors}");
        assert!(
            lost > 30 && errors.contains(&format!("{lost} frames were not persisted within the drain timeout")),
            "{errors}"
        );
        let (code, errors, lost, spooled) = run("drain_timeout = '1s'\nspool = 'spool'\n");
        assert_eq!((code, errors.as_str(), lost), (Some(0), "", 0));
        assert!(spooled > 30);
        (folder, spooled)
    })
    .await;
    // The next run sends what is in the spool.
    let local = service(&folder, None).await;
    let endpoint = local.endpoint_url().to_owned();
    blocking(move || {
        let camera = format!("[camera.door]\nurl = 'file:{CLOCK}'\nstream = 'door'\naudio = false\n");
        let config = write_config_with(&folder, &endpoint, "spool = 'spool'\n", &camera);
        let mut gateway = Gateway::start(&config, None);
        gateway.wait_for(|line| line["camera"] == "door" && line["event"] == "recovered" && line["frames"] == spooled);
        gateway.wait_until("door", |camera| camera["persisted_frames"].as_u64() >= Some(spooled));
        let (code, errors, _) = gateway.stop();
        assert_eq!((code, errors.as_str()), (Some(0), ""));
    })
    .await;
    local.shutdown().await;
}

#[test]
fn a_wrong_configuration_is_exit_code_2_with_file_line_and_field() {
    let dir = tempfile::tempdir().unwrap();
    let config = write_config(
        dir.path(),
        "http://127.0.0.1:1",
        "[camera.door]\nurl = 'exec:x'\nstream = 'door'\npassword = 's3cret'\nimage_every = 1\n",
    );
    let run = |more: &[&str]| {
        let output = kvs(&["gateway", "--config", config.to_str().unwrap()]).args(more).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    for more in [&[][..], &["--check"]] {
        let (code, out, errors) = run(more);
        assert_eq!((code, out.as_str()), (Some(2), ""));
        let wanted = format!("error: {}:9: camera.door.password: is for rtsp:// only\n", config.display());
        assert_eq!(errors, wanted);
    }
    let text = std::fs::read_to_string(&config).unwrap().replace("password = 's3cret'\n", "");
    std::fs::write(&config, text).unwrap();
    let (code, out, errors) = run(&["--check"]);
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    assert!(out.contains("1 camera; 64 MiB of memory for media, of which each camera is guaranteed 32.0 MiB"), "{out}");
    assert!(out.contains("door: exec -> door, at most 32 MiB in memory"), "{out}");
    let (code, _, errors) = run(&["--drain-timeout", "soon"]);
    assert_eq!(code, Some(2), "{errors}");
    let missing = kvs(&["gateway", "--config", "/nonexistent/cameras.toml"]).output().unwrap();
    assert_eq!(missing.status.code(), Some(2));
}

#[test]
fn the_configuration_of_the_help_is_right() {
    let help = kvs(&["gateway", "--help"]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let example = help.split_once("Configuration:\n").unwrap().1;
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("cameras.toml");
    std::fs::write(&config, example).unwrap();
    std::fs::write(dir.path().join("door"), "s3cret\n").unwrap();
    let check = kvs(&["gateway", "--check", "--config", config.to_str().unwrap()])
        .env("CREDENTIALS_DIRECTORY", dir.path())
        .output()
        .unwrap();
    assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stderr));
    let out = String::from_utf8(check.stdout).unwrap();
    assert!(out.contains("door: rtsp://10.0.0.5 -> front-door") && out.contains("pi: exec -> pi"), "{out}");
}

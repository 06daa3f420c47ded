//! Each source of credentials in front of a service that takes nothing else.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use gst::prelude::*;
use kvs_local::LocalKvs;

use crate::helpers;
use crate::support::{Run, SINK, Service, VIDEO, number, wait_until};

const KEYS: [&str; 3] = ["AKIDTEST", "test-secret", "test-token"];

/// A service that takes these temporary keys only.
fn service() -> Service {
    Service::with(LocalKvs::builder().session_credentials(KEYS[0], KEYS[1], KEYS[2]))
}

/// Sends a second of video with gst-launch, whose settings are those of `environment`.
fn launch(service: &Service, properties: &[&str], environment: &[(&str, &str)]) -> std::process::Output {
    let line = "videotestsrc num-buffers=25 ! x264enc key-int-max=25 speed-preset=ultrafast ! h264parse ! ";
    let endpoint = format!("endpoint={}", service.endpoint());
    let words = line.split_whitespace().chain([SINK, "stream-name=s", &endpoint]).chain(properties.iter().copied());
    helpers::gst_launch(&words.collect::<Vec<_>>(), environment)
}

fn assert_sent(service: &Service, done: &std::process::Output) {
    assert!(done.status.success(), "{done:?}");
    assert_eq!(service.starts("s").len(), 1, "{done:?}");
}

#[test]
fn keys_in_the_environment_are_used() {
    let service = service();
    let keys = [("AWS_ACCESS_KEY_ID", KEYS[0]), ("AWS_SECRET_ACCESS_KEY", KEYS[1]), ("AWS_SESSION_TOKEN", KEYS[2])];
    assert_sent(&service, &launch(&service, &[], &keys));
}

/// The file of the AWS CLI with the keys under this name.
fn credentials_file(folder: &Path, profile: &str) -> String {
    let path = folder.join("credentials");
    let [key, secret, token] = KEYS;
    let keys = format!("aws_access_key_id={key}\naws_secret_access_key={secret}\naws_session_token={token}\n");
    std::fs::write(&path, format!("[{profile}]\n{keys}")).unwrap();
    path.display().to_string()
}

#[test]
fn the_profile_of_the_environment_is_used() {
    let (service, folder) = (service(), tempfile::tempdir().unwrap());
    let file = credentials_file(folder.path(), "camera");
    let environment = [("AWS_SHARED_CREDENTIALS_FILE", file.as_str()), ("AWS_PROFILE", "camera")];
    assert_sent(&service, &launch(&service, &[], &environment));
}

#[test]
fn a_profile_that_the_property_names_wins_over_keys_in_the_environment() {
    let (service, folder) = (service(), tempfile::tempdir().unwrap());
    let file = credentials_file(folder.path(), "camera");
    let environment = [
        ("AWS_SHARED_CREDENTIALS_FILE", file.as_str()),
        ("AWS_ACCESS_KEY_ID", "AKIDOTHER"),
        ("AWS_SECRET_ACCESS_KEY", "other"),
    ];
    assert_sent(&service, &launch(&service, &["profile=camera"], &environment));
}

#[test]
fn the_region_of_the_profile_is_used() {
    let builder = LocalKvs::builder().region("eu-central-1").session_credentials(KEYS[0], KEYS[1], KEYS[2]);
    let (service, folder) = (Service::with(builder), tempfile::tempdir().unwrap());
    let (file, config) = (credentials_file(folder.path(), "camera"), folder.path().join("config"));
    std::fs::write(&config, "[profile camera]\nregion = eu-central-1\n").unwrap();
    let config = config.display().to_string();
    let environment = [("AWS_SHARED_CREDENTIALS_FILE", file.as_str()), ("AWS_CONFIG_FILE", &config)];
    assert_sent(&service, &launch(&service, &["profile=camera"], &environment));
}

#[test]
fn a_profile_that_does_not_exist_is_named() {
    let service = service();
    let done = launch(&service, &["profile=nobody", "streaming-type=offline", "drain-timeout=1"], &[]);
    let text = String::from_utf8_lossy(&done.stderr);
    assert!(!done.status.success() && text.contains("nobody"), "{text}");
}

/// Answers each request with the same body, as the container endpoint of AWS does.
fn container(body: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/keys", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
                head.extend(byte);
            }
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            let _ = stream.write_all((head + &body).as_bytes());
        }
    });
    url
}

#[test]
fn the_container_endpoint_is_used() {
    let service = service();
    let [key, secret, token] = KEYS;
    let until = in_iso(SystemTime::now() + Duration::from_secs(3_600));
    let url = container(format!(
        r#"{{"AccessKeyId":"{key}","SecretAccessKey":"{secret}","Token":"{token}","Expiration":"{until}"}}"#
    ));
    assert_sent(&service, &launch(&service, &[], &[("AWS_CONTAINER_CREDENTIALS_FULL_URI", &url)]));
}

fn in_iso(time: SystemTime) -> String {
    let seconds = i64::try_from(time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()).unwrap();
    let time = gst::glib::DateTime::from_unix_utc(seconds).unwrap();
    time.format("%Y-%m-%dT%H:%M:%SZ").unwrap().to_string()
}

#[test]
fn a_device_certificate_is_used_and_the_refusal_of_one_is_told() {
    let test = "a_device_certificate_is_used_and_the_refusal_of_one_is_told";
    let Some(python) = test_judges::python(test, &["cryptography"]) else { return };
    let (service, folder) = (service(), tempfile::tempdir().unwrap());
    let (endpoint, address) = helpers::iot_endpoint(&python, folder.path(), KEYS);
    let device = |alias: &str| {
        let property = helpers::iot_certificate(&address, folder.path(), &format!(",role-aliases={alias}"));
        let sink = service.sink("s");
        sink.set_property_from_str("iot-certificate", &property);
        sink
    };
    let mut run = Run::with_sink(VIDEO, &device("uploads"));
    run.play();
    run.finish().unwrap();
    assert_eq!(number(&run.stats(), "persisted-frames"), 75);
    // As with kvssink, the name of the thing is that of the stream unless it is given.
    assert_eq!(endpoint.lines(), ["/role-aliases/uploads/credentials s"]);

    // The role may be allowed later: a camera goes on.
    let sink = device("refused");
    sink.set_property("drain-timeout", 1_u32);
    let mut run = Run::with_sink(VIDEO, &sink);
    run.play();
    run.finish().unwrap();
    let reasons = run.fields("kvs-retrying", "reason");
    assert!(reasons.iter().any(|reason| reason.contains("Access Denied")), "{reasons:?}");
}

#[test]
fn a_certificate_authority_is_taken_from_a_file() {
    let service = Service::with(LocalKvs::builder().tls());
    let file = service.local.data_dir().join("ca.pem");
    let line = |more: &str| format!("{VIDEO} ! {SINK} name=sink stream-name=s endpoint={} {more}", service.endpoint());
    let mut run = Run::new(&line(&format!("ca-file={}", file.display())));
    run.play();
    run.finish().unwrap();
    assert_eq!(number(&run.stats(), "persisted-frames"), 75);
    // Without it the certificate is unknown: told, and tried again.
    let mut run = Run::new(&line("drain-timeout=1"));
    run.play();
    run.finish().unwrap();
    let reasons = run.fields("kvs-retrying", "reason");
    assert!(reasons.iter().any(|reason| reason.contains("certificate")), "{reasons:?}");
}

/// Passes connections on to the service, and notes the access key of each request.
struct Wire {
    address: String,
    keys: Arc<Mutex<Vec<String>>>,
    open: Arc<Mutex<Vec<TcpStream>>>,
}

impl Wire {
    fn start(listener: TcpListener, service: &str) -> Self {
        let address = listener.local_addr().unwrap().to_string();
        let wire = Self { address, keys: Arc::default(), open: Arc::default() };
        let (keys, open) = (Arc::clone(&wire.keys), Arc::clone(&wire.open));
        let service = service.trim_start_matches("http://").to_owned();
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (client, server) = (client.unwrap(), TcpStream::connect(&service).unwrap());
                open.lock().unwrap().extend([client.try_clone().unwrap(), server.try_clone().unwrap()]);
                let (from, to, keys) = (client.try_clone().unwrap(), server.try_clone().unwrap(), Arc::clone(&keys));
                std::thread::spawn(move || copy(from, to, |bytes| keys.lock().unwrap().extend(key_of(bytes))));
                std::thread::spawn(move || copy(server, client, |_| ()));
            }
        });
        wire
    }

    fn keys(&self) -> Vec<String> {
        self.keys.lock().unwrap().clone()
    }

    /// Ends all connections.
    fn cut(&self) {
        for stream in self.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
    }
}

fn copy(mut from: TcpStream, mut to: TcpStream, see: impl Fn(&[u8])) {
    let mut bytes = [0; 16_384];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        see(&bytes[..count]);
        if to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Both);
}

/// The access key in the head of a request.
fn key_of(bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    let (_, rest) = text.split_once("Credential=")?;
    Some(rest.split('/').next()?.to_owned())
}

#[test]
fn a_credential_file_that_is_replaced_is_read_again() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let builder = LocalKvs::builder().public_url(url);
    let builder = builder.session_credentials("AKIDONE", "secret-1", "token-1");
    let service = Service::with(builder.session_credentials("AKIDTWO", "secret-2", "token-2"));
    let wire = Wire::start(listener, service.endpoint());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("credential");
    let write = |number: &str, key: &str, seconds: u64| {
        let until = in_iso(SystemTime::now() + Duration::from_secs(seconds));
        std::fs::write(&file, format!("CREDENTIALS {key} {until} secret-{number} token-{number}")).unwrap();
    };
    write("1", "AKIDONE", 5);
    let live =
        VIDEO.replace("num-buffers=75", "num-buffers=200 is-live=true").replace("x264enc", "x264enc tune=zerolatency");
    let mut run = Run::new(&format!(
        "{live} ! {SINK} name=sink stream-name=s endpoint=http://{} credential-path={}",
        wire.address,
        file.display()
    ));
    run.play();
    wait_until("persisted frames", || number(&run.stats(), "persisted-frames") > 0);
    assert!(wire.keys().iter().all(|key| key == "AKIDONE"), "{:?}", wire.keys());
    write("2", "AKIDTWO", 3_600);
    wire.cut();
    run.finish().unwrap();
    assert!(wire.keys().iter().any(|key| key == "AKIDTWO"), "{:?}", wire.keys());
    let stats = run.stats();
    assert_eq!((number(&stats, "persisted-frames"), number(&stats, "lost-frames")), (200, 0), "{stats}");
}

#[test]
fn a_credential_file_with_wrong_keys_is_an_error() {
    let service = service();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("credential");
    std::fs::write(&file, "CREDENTIALS AKIDTEST wrong").unwrap();
    let done = launch(&service, &[&format!("credential-path={}", file.display())], &[]);
    let text = String::from_utf8_lossy(&done.stderr);
    assert!(!done.status.success());
    assert!(text.contains("stream s: access denied: "), "{text}");
    assert!(!text.contains("wrong"), "{text}");
}

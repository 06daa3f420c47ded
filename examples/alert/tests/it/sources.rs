//! The program as a user runs it: beside the folder of kvs-local, and as the subscriber of its topic.

use std::convert::Infallible;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use kvs_local::LocalKvs;
use serde_json::Value;

use crate::camera::{TOPIC, send};

/// How long an alert may take on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// The program; ends with the test.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Program {
    fn start(local: &LocalKvs, arguments: &[&str]) -> (Self, mpsc::Receiver<Value>) {
        let mut child = Command::new(env!("CARGO_BIN_EXE_kvs-alert"))
            .args(arguments)
            .env_remove("AWS_SESSION_TOKEN")
            .env_remove("AWS_ENDPOINT_URL_KINESIS_VIDEO")
            .env("AWS_ENDPOINT_URL", local.endpoint_url())
            .env("AWS_REGION", local.region())
            .env("AWS_ACCESS_KEY_ID", local.access_key())
            .env("AWS_SECRET_ACCESS_KEY", local.secret_key())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, alerts) = mpsc::channel();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        std::thread::spawn(move || {
            lines.map_while(Result::ok).try_for_each(|line| sender.send(serde_json::from_str(&line).unwrap()))
        });
        (Self(child), alerts)
    }
}

/// A receiver of posts.
async fn webhook() -> (String, tokio::sync::mpsc::Receiver<Value>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/alerts", listener.local_addr().unwrap());
    let (sender, posts) = tokio::sync::mpsc::channel(10);
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let sender = sender.clone();
            let service = service_fn(move |request: Request<Incoming>| {
                let sender = sender.clone();
                async move {
                    let body = request.into_body().collect().await.unwrap().to_bytes();
                    sender.send(serde_json::from_slice(&body).unwrap()).await.unwrap();
                    Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
                }
            });
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), service));
        }
    });
    (url, posts)
}

fn next(alerts: mpsc::Receiver<Value>) -> impl Future<Output = (Value, mpsc::Receiver<Value>)> {
    let wait = move || (alerts.recv_timeout(PATIENCE).expect("an alert"), alerts);
    async { tokio::task::spawn_blocking(wait).await.unwrap() }
}

#[tokio::test(flavor = "multi_thread")]
async fn images_in_the_folder_alert_on_stdout_and_by_webhook() {
    let local = LocalKvs::builder().start().await.unwrap();
    let (url, mut posts) = webhook().await;
    let folder = local.data_dir().to_str().unwrap().to_owned();
    let (_program, alerts) = Program::start(&local, &["--webhook", &url, "folder", &folder]);
    send(&local, "cat", "cat.mp4").await;
    send(&local, "person", "person.mp4").await;
    let (alert, alerts) = next(alerts).await;
    // The images of the cat came first.
    assert_eq!((&alert["type"], &alert["stream"]), (&"alert".into(), &"person".into()), "{alert}");
    assert_eq!(tokio::time::timeout(PATIENCE, posts.recv()).await.unwrap().unwrap(), alert);
    assert!(alerts.try_recv().is_err(), "quiet for a minute");
    local.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn notifications_of_the_topic_alert() {
    let directory = tempfile::tempdir().unwrap();
    // The program needs the certificate of the service, and the service the address of the program.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let builder = LocalKvs::builder().data_dir(directory.path().join("data")).account("111122223333");
    let local = builder.subscribe(TOPIC, format!("http://{address}/")).start().await.unwrap();
    let roots = directory.path().join("roots.pem");
    std::fs::write(&roots, local.message_authority().await.unwrap()).unwrap();
    let (_program, alerts) =
        Program::start(&local, &["sns", &address, TOPIC, roots.to_str().unwrap(), local.endpoint_url()]);
    send(&local, "person", "person.mp4").await;
    let (alert, _alerts) = next(alerts).await;
    assert_eq!((&alert["label"], &alert["stream"]), (&"face".into(), &"person".into()), "{alert}");
    assert!(alert["image"].as_str().unwrap().starts_with("fragment "), "{alert}");
    local.shutdown().await;
}

//! `kvs listen` with the SNS delivery of kvs-local: subscription, verification, and forged posts.

use std::convert::Infallible;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http_body_util::Full;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use kvs_local::__internal::deliver::{Delivery, DeliverySettings, PersistedFragment, Subscription, Topic};
use kvs_local::__internal::images::{FragmentMedia, FragmentSpan, MediaSource};
use kvs_mkv::{FragmentNumber, Tag};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::OnceCell;

const TOPIC: &str = "arn:aws:sns:us-west-2:111122223333:door";

/// A fragment without media: enough for a notification.
struct NoFootage;

impl MediaSource for NoFootage {
    fn media(&self, _: &FragmentNumber) -> Result<FragmentMedia, Box<dyn std::error::Error + Send + Sync>> {
        Err("there is no media".into())
    }
}

fn fragment() -> PersistedFragment {
    PersistedFragment {
        stream: "door".to_owned(),
        stream_arn: "arn:aws:kinesisvideo:us-west-2:111122223333:stream/door/1705489836421".parse().unwrap(),
        source: Arc::new(NoFootage),
        spans: vec![FragmentSpan {
            number: "91343852333181432392682062607743920146159169392".parse().unwrap(),
            producer_timestamp: Duration::from_secs(1_700_000_000),
            server_timestamp: Duration::from_secs(1_700_000_001),
            duration: Duration::from_secs(2),
        }],
        index: 0,
        tags: vec![vec![Tag::new("AWS_KINESISVIDEO_NOTIFICATION", ""), Tag::new("door", "open")]],
    }
}

/// The command as its own process, killed at the end of the test.
struct Listener {
    process: Child,
    url: String,
    errors: BufReader<std::process::ChildStderr>,
}

impl Listener {
    fn start(origins: [&str; 2], roots: &Path, save: &Path) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_kvs"))
            .args(["listen", "--listen", "127.0.0.1:0", "--topic", TOPIC, "--count", "1"])
            .args(["--origin", origins[0], "--origin", origins[1]])
            .arg("--roots")
            .arg(roots)
            .arg("--save")
            .arg(save)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut errors = BufReader::new(process.stderr.take().unwrap());
        let mut line = String::new();
        errors.read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("listening on ").unwrap().to_owned();
        Self { process, url, errors }
    }

    fn next_error(&mut self) -> String {
        let mut line = String::new();
        self.errors.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Serves the pages of a delivery that is set later.
async fn serve(listener: TcpListener, delivery: Arc<OnceCell<Arc<Delivery>>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let delivery = Arc::clone(&delivery);
        let service = service_fn(move |request: Request<hyper::body::Incoming>| {
            let delivery = Arc::clone(&delivery);
            async move {
                let page =
                    delivery.get().unwrap().handle_sns_request(request.uri().path(), request.uri().query()).await;
                let response = Response::builder().status(page.status).body(Full::<Bytes>::from(page.body)).unwrap();
                Ok::<_, Infallible>(response)
            }
        });
        tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

async fn post(url: &str, body: &str) -> StatusCode {
    try_post(url, body).await.unwrap()
}

/// Returns nothing if the connection ends without an answer.
async fn try_post(url: &str, body: &str) -> Option<StatusCode> {
    let request = Request::post(url).body(Full::<Bytes>::from(body.to_owned())).unwrap();
    let answer = Client::builder(TokioExecutor::new()).build_http().request(request).await;
    answer.ok().map(|answer| answer.status())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subscribes_verifies_and_prints() {
    let dir = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}", listener.local_addr().unwrap());
    let mut settings = DeliverySettings {
        decoders: Arc::default(),
        data_dir: dir.path().to_owned(),
        region: "us-west-2".to_owned(),
        account: "111122223333".to_owned(),
        base_url: base_url.clone(),
        subscriptions: Vec::new(),
    };
    // The keys are made before the listener starts, because it needs the trusted roots.
    let authority = Delivery::start(&settings, SystemTime::now).unwrap().authority().await.unwrap();
    let (roots, save) = (dir.path().join("roots.pem"), dir.path().join("saved"));
    std::fs::write(&roots, authority).unwrap();
    let cell: Arc<OnceCell<Arc<Delivery>>> = Arc::default();
    tokio::spawn(serve(listener, Arc::clone(&cell)));

    // A server that takes connections and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent_url = format!("http://{}", silent.local_addr().unwrap());
    let mut listener = Listener::start([&base_url, &silent_url], &roots, &save);
    assert_eq!(post(&listener.url, "not json").await, StatusCode::BAD_REQUEST);
    let error = listener.next_error();
    assert!(error.contains("invalid JSON at line 1, column 2"), "{error}");
    let forged = format!(
        r#"{{"Type":"Notification","MessageId":"1","TopicArn":"{TOPIC}","Message":"x","Timestamp":"2030-01-01T00:00:00Z",
        "SignatureVersion":"1","Signature":"AAAA","SigningCertURL":"https://evil.example/x.pem"}}"#
    );
    assert_eq!(post(&listener.url, &forged).await, StatusCode::FORBIDDEN);
    assert!(listener.next_error().contains("not sns.REGION.amazonaws.com"));
    let escapes = forged.replace(TOPIC, "\\u001b[2Jarn\\nsubscribed to all");
    assert_eq!(post(&listener.url, &escapes).await, StatusCode::FORBIDDEN);
    let error = listener.next_error();
    assert!(
        error.starts_with("refused: ") && !error.contains('\x1b') && error.contains("subscribed to all"),
        "{error}"
    );

    // Its certificate is being fetched from the silent server while all that follows goes on.
    let waiting = forged.replace("https://evil.example", &silent_url);
    let waiting = {
        let url = listener.url.clone();
        tokio::spawn(async move { try_post(&url, &waiting).await })
    };
    let (_held, _) = silent.accept().await.unwrap();
    let unfinished = TcpStream::connect(listener.url.trim_start_matches("http://").trim_end_matches('/')).await;
    let mut unfinished = unfinished.unwrap();
    unfinished.write_all(b"POST / HTTP/1.1\r\nHost: ").await.unwrap();
    let closed = tokio::spawn(async move {
        let begun = Instant::now();
        let mut rest = Vec::new();
        let _ = unfinished.read_to_end(&mut rest).await;
        begun.elapsed()
    });

    settings.subscriptions = vec![Subscription::new(TOPIC, &listener.url).unwrap()];
    let delivery = Arc::new(Delivery::start(&settings, SystemTime::now).unwrap());
    cell.set(Arc::clone(&delivery)).unwrap();
    assert_eq!(listener.next_error(), format!("subscribed to {TOPIC}"));
    assert!(closed.await.unwrap() < Duration::from_secs(9), "a request head has a deadline");
    delivery.fragment_persisted(&fragment(), None, Some(&Topic::parse(TOPIC).unwrap())).await;

    let mut lines = BufReader::new(listener.process.stdout.take().unwrap()).lines();
    let line: serde_json::Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!(line["fragment"]["NotificationPayload"]["door"], "open");
    assert!(listener.process.wait().unwrap().success());
    assert_eq!(waiting.await.unwrap(), None, "one slow fetch does not hold up the others");
    assert_eq!(std::fs::read_dir(save).unwrap().count(), 1);
}

/// Answers every connection with this head, and then with bytes until it is closed if `endless`. Returns the URL and the number of
/// bytes written.
async fn certificates(head: String, endless: bool) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let written = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&written);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 1000];
            assert!(stream.read(&mut request).await.unwrap() > 0);
            stream.write_all(head.as_bytes()).await.unwrap();
            count.fetch_add(1, Ordering::Relaxed);
            while endless && let Ok(bytes) = stream.write(&[b'x'; 64 << 10]).await {
                count.fetch_add(bytes, Ordering::Relaxed);
            }
        }
    });
    (url, written)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_come_from_the_checked_address_only_and_are_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let (other, asked) = certificates("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_owned(), false).await;
    let redirect = format!("HTTP/1.1 302 Found\r\nLocation: {other}/x.pem\r\nContent-Length: 0\r\n\r\n");
    let (redirecting, _) = certificates(redirect, false).await;
    let (endless, written) = certificates("HTTP/1.1 200 OK\r\n\r\n".to_owned(), true).await;
    let roots = Path::new(env!("CARGO_MANIFEST_DIR")).join("../kvs-notify/tests/vectors/openssl/root.pem");
    let mut listener = Listener::start([&redirecting, &endless], &roots, &dir.path().join("saved"));
    for (from, reason) in [(&redirecting, "302"), (&endless, "length limit")] {
        let message = format!(
            r#"{{"Type":"Notification","MessageId":"1","TopicArn":"{TOPIC}","Message":"x","Timestamp":"2030-01-01T00:00:00Z",
            "SignatureVersion":"1","Signature":"AAAA","SigningCertURL":"{from}/x.pem"}}"#
        );
        assert_eq!(post(&listener.url, &message).await, StatusCode::SERVICE_UNAVAILABLE, "SNS tries again later");
        let error = listener.next_error();
        assert!(error.contains(reason), "{error}");
    }
    assert_eq!(asked.load(Ordering::Relaxed), 0, "the other address was not checked");
    // What the sockets hold comes on top of the limit.
    assert!(
        written.load(Ordering::Relaxed) < 16 << 20,
        "{} bytes of an endless certificate",
        written.load(Ordering::Relaxed)
    );
}

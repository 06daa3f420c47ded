//! Delivery for tagged fragments: object keys, metadata, signatures, subscription confirmation and retries.
#![cfg(feature = "server")]

use crate::judge;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use kvs_local::__internal::deliver::{
    AwsEndpoint, AwsEndpoints, AwsKeys, Delivery, DeliveryEvent, DeliveryEvents, DeliverySettings, ImageSettings,
    PersistedFragment, SNS_PATH, Subscription, Topic,
};
use kvs_local::__internal::images::{FragmentMedia, ImageEncoding, ImageSize, MediaSource, RenderOptions};
use kvs_mkv::Tag;
use kvs_notify::{
    FragmentNotification, ImageObjectKey, SigningCertificate, SnsMessage, TrustRoots, UrlPolicy, Verifier, VerifyError,
};
use kvs_types::{FragmentNumber, TimestampOrigin};
use tokio::net::TcpListener;
use tokio::sync::{Notify, OnceCell};

use judge::{EPOCH, Fragments, Recording};
use test_judges::available;

const TOPIC: &str = "arn:aws:sns:us-west-2:111122223333:door";
const IMAGE: &str = "AWS_KINESISVIDEO_IMAGE_GENERATION";
const PREFIX: &str = "AWS_KINESISVIDEO_IMAGE_PREFIX";
const NOTIFICATION: &str = "AWS_KINESISVIDEO_NOTIFICATION";

/// Longest wait for any event.
const TIMEOUT: Duration = Duration::from_secs(120);

/// An HTTP server with only [`Delivery`] behind it.
struct DeliveryServer {
    dir: tempfile::TempDir,
    base_url: String,
    delivery: Arc<Delivery>,
    events: DeliveryEvents,
}

impl DeliveryServer {
    async fn start(subscriptions: Vec<Subscription>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}", listener.local_addr().unwrap());
        let cell: Arc<OnceCell<Arc<Delivery>>> = Arc::default();
        let served = Arc::clone(&cell);
        serve(listener, move |request: Request<Incoming>| {
            let cell = Arc::clone(&served);
            async move {
                assert!(request.uri().path().starts_with(SNS_PATH));
                let page = cell.get().unwrap().handle_sns_request(request.uri().path(), request.uri().query()).await;
                Response::builder().status(page.status).body(Full::from(page.body)).unwrap()
            }
        });
        let settings = delivery_settings(dir.path(), &base_url, subscriptions);
        let delivery = Arc::new(Delivery::start(&settings, SystemTime::now).unwrap());
        let events = delivery.events();
        cell.set(Arc::clone(&delivery)).unwrap();
        Self { dir, base_url, delivery, events }
    }

    async fn next_event(&mut self, wanted: impl Fn(&DeliveryEvent) -> bool) -> DeliveryEvent {
        let search = async {
            loop {
                let event = self.events.next().await.unwrap();
                if wanted(&event) {
                    return event;
                }
            }
        };
        tokio::time::timeout(TIMEOUT, search).await.expect("the event arrives")
    }
}

fn delivery_settings(data_dir: &Path, base_url: &str, subscriptions: Vec<Subscription>) -> DeliverySettings {
    DeliverySettings {
        decoders: Arc::default(),
        data_dir: data_dir.to_owned(),
        region: "us-west-2".to_owned(),
        account: "111122223333".to_owned(),
        base_url: base_url.to_owned(),
        subscriptions,
    }
}

/// A received post.
#[derive(Clone, Debug)]
struct ReceivedPost {
    headers: http::HeaderMap,
    body: String,
}

/// Receives posts. Responds with the given statuses in order, then with 200.
#[derive(Clone)]
struct Endpoint {
    url: String,
    posts: Arc<Mutex<Vec<ReceivedPost>>>,
    received: Arc<Notify>,
    silent: Arc<AtomicBool>,
}

impl Endpoint {
    async fn start(statuses: &[u16]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/sns", listener.local_addr().unwrap());
        let endpoint = Self { url, posts: Arc::default(), received: Arc::default(), silent: Arc::default() };
        let (receiver, statuses) = (endpoint.clone(), Arc::new(Mutex::new(VecDeque::from(statuses.to_vec()))));
        serve(listener, move |request: Request<Incoming>| {
            let (receiver, statuses) = (receiver.clone(), Arc::clone(&statuses));
            async move {
                let (parts, body) = request.into_parts();
                let body = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
                let status = statuses.lock().unwrap().pop_front().unwrap_or(200);
                receiver.posts.lock().unwrap().push(ReceivedPost { headers: parts.headers, body });
                receiver.received.notify_one();
                if receiver.silent.load(Ordering::Relaxed) {
                    std::future::pending::<()>().await;
                }
                Response::builder().status(status).body(Full::from("")).unwrap()
            }
        });
        endpoint
    }

    /// Takes posts from now on without an answer.
    fn stop_answering(&self) {
        self.silent.store(true, Ordering::Relaxed);
    }

    /// Waits for the post with this index and returns it.
    async fn post(&self, number: usize) -> ReceivedPost {
        let search = async {
            loop {
                if let Some(post) = self.posts.lock().unwrap().get(number) {
                    return post.clone();
                }
                self.received.notified().await;
            }
        };
        tokio::time::timeout(TIMEOUT, search).await.expect("the post arrives")
    }

    /// Visits the `SubscribeURL` of the first post.
    async fn confirm(&self) {
        let confirmation = self.post(0).await;
        assert_eq!(confirmation.headers["x-amz-sns-message-type"], "SubscriptionConfirmation");
        assert!(!confirmation.headers.contains_key("x-amz-sns-subscription-arn"));
        let SnsMessage::SubscriptionConfirmation(confirmation) = serde_json::from_str(&confirmation.body).unwrap()
        else {
            panic!("not a subscription confirmation")
        };
        let (status, page) = get(confirmation.subscribe_url.expose()).await;
        assert_eq!(status, StatusCode::OK);
        assert!(page.contains("<SubscriptionArn>arn:aws:sns:us-west-2:111122223333:"), "{page}");
    }
}

fn serve<H, F>(listener: TcpListener, handle: H)
where
    H: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Response<Full<Bytes>>> + Send + 'static,
{
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let handle = handle.clone();
            let service = service_fn(move |request| {
                let response = handle(request);
                async move { Ok::<_, Infallible>(response.await) }
            });
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
}

async fn get(url: &str) -> (StatusCode, String) {
    let client = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new());
    let response = client.build_http::<Full<Bytes>>().get(url.parse().unwrap()).await.unwrap();
    let status = response.status();
    (status, String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap())
}

/// Media that cannot be read. Notifications do not need it.
struct NoMedia;

impl MediaSource for NoMedia {
    fn media(&self, _: &FragmentNumber) -> Result<FragmentMedia, Box<dyn std::error::Error + Send + Sync>> {
        Err("no media".into())
    }
}

fn fragment(fragments: Option<Fragments>, tags: &[(&str, &str)]) -> PersistedFragment {
    let empty = kvs_local::__internal::images::FragmentSpan {
        number: "91343852333181432392682062607743920146159169392".parse().unwrap(),
        producer_timestamp: EPOCH,
        server_timestamp: EPOCH + Duration::from_secs(100),
        duration: Duration::from_secs(2),
    };
    let spans = fragments.as_ref().map_or_else(|| vec![empty], |fragments| fragments.spans.clone());
    PersistedFragment {
        stream: "demo_stream.1".to_owned(),
        stream_arn: "arn:aws:kinesisvideo:us-west-2:111122223333:stream/demo_stream.1/1705489836421".parse().unwrap(),
        source: match fragments {
            Some(fragments) => Arc::new(fragments),
            None => Arc::new(NoMedia),
        },
        spans,
        index: 0,
        tags: vec![tags.iter().map(|(name, value)| Tag::new(*name, *value)).collect()],
    }
}

fn image_settings() -> ImageSettings {
    ImageSettings {
        origin: TimestampOrigin::Producer,
        interval: Duration::from_millis(500),
        rendering: RenderOptions { format: ImageEncoding::default(), size: ImageSize::new(64, 48) },
        bucket: "my-pics".to_owned(),
        folder: "a/b".to_owned(),
    }
}

fn topic() -> Topic {
    Topic::parse(TOPIC).unwrap()
}

#[tokio::test]
async fn confirmed_subscriber_receives_signed_messages() {
    let endpoint = Endpoint::start(&[]).await;
    let mut server = DeliveryServer::start(vec![Subscription::new(TOPIC, &endpoint.url).unwrap()]).await;
    let fragment = fragment(None, &[(NOTIFICATION, ""), ("door", "open")]);
    server.delivery.fragment_persisted(&fragment, None, Some(&topic())).await;
    let published = server.next_event(|event| matches!(event, DeliveryEvent::MessagePublished { .. })).await;
    endpoint.post(0).await;
    assert_eq!(endpoint.posts.lock().unwrap().len(), 1, "only the subscription confirmation");

    endpoint.confirm().await;
    let post = endpoint.post(1).await;
    server.next_event(|event| matches!(event, DeliveryEvent::MessageDelivered { attempts: 1, .. })).await;
    let SnsMessage::Notification(message) = serde_json::from_str(&post.body).unwrap() else {
        panic!("not a notification")
    };
    let headers = |name: &str| post.headers[name].to_str().unwrap();
    assert_eq!(headers("x-amz-sns-message-type"), "Notification");
    assert_eq!(headers("x-amz-sns-message-id"), message.message_id);
    assert_eq!(headers("x-amz-sns-topic-arn"), TOPIC);
    assert!(headers("x-amz-sns-subscription-arn").starts_with(TOPIC));
    assert_eq!(headers("content-type"), "text/plain; charset=UTF-8");
    assert_eq!(headers("user-agent"), "Amazon Simple Notification Service Agent");
    assert_eq!(message.subject.as_deref(), Some("Kinesis Video Streams Notification"));

    let notification: FragmentNotification = serde_json::from_str(&message.message).unwrap();
    assert_eq!(notification.fragment_number, fragment.spans[0].number);
    assert_eq!(notification.producer_timestamp, UNIX_EPOCH + EPOCH);
    assert_eq!(notification.payload["door"], "open");

    let DeliveryEvent::MessagePublished { path, .. } = published else { unreachable!() };
    assert_eq!(path, server.dir.path().join(format!("sns/door/{}.json", message.message_id)));
    let SnsMessage::Notification(stored) = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap() else {
        panic!("not a notification")
    };
    assert_eq!((&stored.message, stored.signature.is_some()), (&message.message, true));

    // The UnsubscribeURL of the message ends the subscription.
    assert_eq!(get(message.unsubscribe_url.unwrap().expose()).await.0, StatusCode::OK);
    server.delivery.fragment_persisted(&fragment, None, Some(&topic())).await;
    server.delivery.settled().await;
    assert_eq!(endpoint.posts.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn raw_subscriber_receives_the_message_without_envelope() {
    let endpoint = Endpoint::start(&[]).await;
    let server = DeliveryServer::start(vec![Subscription::new(TOPIC, &endpoint.url).unwrap().raw()]).await;
    endpoint.confirm().await;
    server.delivery.fragment_persisted(&fragment(None, &[(NOTIFICATION, "")]), None, Some(&topic())).await;
    let post = endpoint.post(1).await;
    assert_eq!(post.headers["x-amz-sns-rawdelivery"], "true");
    let notification: FragmentNotification = serde_json::from_str(&post.body).unwrap();
    assert!(notification.payload.is_empty());
}

#[tokio::test(start_paused = true)]
async fn retries_server_errors_and_429_but_no_other_client_errors() {
    let endpoint = Endpoint::start(&[200, 500, 503, 429, 200, 404]).await;
    let mut server = DeliveryServer::start(vec![Subscription::new(TOPIC, &endpoint.url).unwrap()]).await;
    endpoint.confirm().await;
    let fragment = fragment(None, &[(NOTIFICATION, "")]);
    server.delivery.fragment_persisted(&fragment, None, Some(&topic())).await;
    let delivered = server.next_event(|event| matches!(event, DeliveryEvent::MessageDelivered { .. })).await;
    assert!(matches!(delivered, DeliveryEvent::MessageDelivered { attempts: 4, .. }), "{delivered:?}");
    server.delivery.fragment_persisted(&fragment, None, Some(&topic())).await;
    let failed = server.next_event(|event| matches!(event, DeliveryEvent::MessageFailed { .. })).await;
    assert!(matches!(failed, DeliveryEvent::MessageFailed { reason, .. } if reason.contains("404")));
    assert_eq!(endpoint.posts.lock().unwrap().len(), 6);
}

#[tokio::test(start_paused = true)]
async fn reports_unreachable_subscriber() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", closed.local_addr().unwrap());
    drop(closed);
    let mut server = DeliveryServer::start(vec![Subscription::new(TOPIC, &url).unwrap()]).await;
    let event = server.next_event(|event| matches!(event, DeliveryEvent::ConfirmationFailed { .. })).await;
    assert!(matches!(event, DeliveryEvent::ConfirmationFailed { url: at, .. } if at == url));
}

#[tokio::test]
async fn rejects_forged_confirmations_and_unknown_paths() {
    let endpoint = Endpoint::start(&[]).await;
    let server = DeliveryServer::start(vec![Subscription::new(TOPIC, &endpoint.url).unwrap()]).await;
    for (path, status) in [
        ("/sns/?Action=ConfirmSubscription&TopicArn=arn:aws:sns:us-west-2:111122223333:door&Token=guess", 400),
        ("/sns/?Action=ConfirmSubscription&TopicArn=%00&Token=%ff", 400),
        ("/sns/?Action=Unsubscribe&SubscriptionArn=x", 404),
        ("/sns/?Action=Publish", 400),
        ("/sns/../keys/sns-key.pem", 404),
        ("/sns/sns-key.pem", 404),
        ("/sns/", 400),
    ] {
        assert_eq!(get(&format!("{}{path}", server.base_url)).await.0.as_u16(), status, "{path}");
    }
}

#[tokio::test]
async fn stores_images_with_key_and_metadata() {
    if !available("stores_images_with_key_and_metadata", &["ffmpeg"]) {
        return;
    }
    let x264 = ["-c:v", "libx264", "-g", "25", "-pix_fmt", "yuv420p"];
    let recording = Recording::make("testsrc2=size=160x96:rate=25:duration=2", &x264);
    let bucket_endpoint = Endpoint::start(&[]).await;
    let subscription = Subscription::new("arn:aws:s3:::my-pics", &bucket_endpoint.url).unwrap();
    let mut server = DeliveryServer::start(vec![subscription]).await;
    bucket_endpoint.confirm().await;
    let tags = [(IMAGE, ""), (PREFIX, "gate/6"), ("Camera", "Tür"), ("AWS_OTHER", "x")];
    let fragment = fragment(Some(Fragments::cut(&recording.path)), &tags);
    server.delivery.fragment_persisted(&fragment, Some(&image_settings()), None).await;
    for offset in [0, 500] {
        let event = server.next_event(|event| matches!(event, DeliveryEvent::ImageStored { .. })).await;
        let DeliveryEvent::ImageStored { object, path, .. } = event else { unreachable!() };
        let at = EPOCH + Duration::from_millis(offset);
        let key = object.key.to_string();
        assert_eq!(path, server.dir.path().join("s3/my-pics").join(&key));
        let start = format!("a/b/gate/6_111122223333_demo_stream.1_{}_", at.as_millis());
        assert!(key.starts_with(&start) && key.ends_with(".jpg"), "{key}");
        assert_eq!(object.key.timecode(), UNIX_EPOCH + at);
        assert!(std::fs::read(&path).unwrap().starts_with(b"\xff\xd8\xff"));
        let metadata: serde_json::Value =
            serde_json::from_slice(&std::fs::read(format!("{}.metadata.json", path.display())).unwrap()).unwrap();
        assert_eq!(
            metadata,
            serde_json::json!({
                "Content-Type": "image/jpeg",
                "aws_kinesisvideo_fragment_number": "1",
                "aws_kinesisvideo_producer_timestamp": at.as_millis().to_string(),
                "aws_kinesisvideo_server_timestamp": (at + Duration::from_secs(100)).as_millis().to_string(),
                "camera": "Tür",
            })
        );
    }
    let post = bucket_endpoint.post(1).await;
    let SnsMessage::Notification(message) = serde_json::from_str(&post.body).unwrap() else {
        panic!("not a notification")
    };
    assert_eq!(message.subject.as_deref(), Some("Amazon S3 Notification"));
    let event: serde_json::Value = serde_json::from_str(&message.message).unwrap();
    let key = event["Records"][0]["s3"]["object"]["key"].as_str().unwrap();
    assert!(ImageObjectKey::parse(key).is_ok(), "{key}");
}

#[tokio::test]
async fn hostile_prefix_is_escaped_and_stays_inside_the_bucket() {
    if !available("hostile_prefix_is_escaped_and_stays_inside_the_bucket", &["ffmpeg"]) {
        return;
    }
    let recording =
        Recording::make("testsrc2=size=160x96:rate=25:duration=0.4", &["-c:v", "libx264", "-pix_fmt", "yuv420p"]);
    let mut server = DeliveryServer::start(Vec::new()).await;
    for prefix in ["../../../x", "/etc/x", "a\\..\\b", "a/../../b", "C:\\x", "nul\0", "a//b", "con/x"] {
        let fragment = fragment(Some(Fragments::cut(&recording.path)), &[(IMAGE, ""), (PREFIX, prefix)]);
        let mut settings = image_settings();
        settings.folder = String::new();
        server.delivery.fragment_persisted(&fragment, Some(&settings), None).await;
        let event = server.next_event(|event| matches!(event, DeliveryEvent::ImageStored { .. })).await;
        let DeliveryEvent::ImageStored { object, path, .. } = event else { unreachable!() };
        let key = object.key.to_string();
        assert!(key.starts_with(&format!("{prefix}_111122223333_")), "{key:?}");
        let bucket = server.dir.path().join("s3/my-pics").canonicalize().unwrap();
        assert!(path.canonicalize().unwrap().starts_with(&bucket), "{prefix:?}: {path:?}");
        let metadata = std::fs::read(format!("{}.metadata.json", path.display())).unwrap();
        let metadata: serde_json::Value = serde_json::from_slice(&metadata).unwrap();
        assert_eq!(metadata["Object-Key"], *key, "{prefix:?}");
    }
    let written: Vec<_> =
        std::fs::read_dir(server.dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(written, ["s3"]);
}

#[tokio::test]
async fn nothing_happens_without_tags_or_configuration() {
    let server = DeliveryServer::start(Vec::new()).await;
    let untagged = fragment(None, &[("door", "open"), (PREFIX, "x")]);
    server.delivery.fragment_persisted(&untagged, Some(&image_settings()), Some(&topic())).await;
    let tagged = fragment(None, &[(IMAGE, ""), (NOTIFICATION, "")]);
    server.delivery.fragment_persisted(&tagged, None, None).await;
    server.delivery.settled().await;
    assert_eq!(std::fs::read_dir(server.dir.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn finish_delivers_queued_messages() {
    let endpoint = Endpoint::start(&[]).await;
    let server = DeliveryServer::start(vec![Subscription::new(TOPIC, &endpoint.url).unwrap()]).await;
    endpoint.confirm().await;
    let fragment = fragment(None, &[(NOTIFICATION, "")]);
    for _ in 0..20 {
        server.delivery.fragment_persisted(&fragment, None, Some(&topic())).await;
    }
    server.delivery.finish(TIMEOUT).await;
    assert_eq!(endpoint.posts.lock().unwrap().len(), 21);
}

/// Media that is being read until the sender of the channel is dropped, as a picture that takes long to decode.
struct StuckMedia(Mutex<std::sync::mpsc::Receiver<()>>);

impl MediaSource for StuckMedia {
    fn media(&self, _: &FragmentNumber) -> Result<FragmentMedia, Box<dyn std::error::Error + Send + Sync>> {
        let _ = self.0.lock().unwrap().recv();
        Err("stuck".into())
    }
}

/// More fragments than there are tasks: some images are in progress and never end, others were not begun.
#[tokio::test]
async fn finish_reports_every_image_and_message_that_is_left() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let topics = AwsEndpoint {
        url: format!("http://{}", silent.local_addr().unwrap()),
        keys: AwsKeys { id: "AKIDEXAMPLE".to_owned(), secret: "secret".to_owned(), token: None },
        create_missing: false,
    };
    let dir = tempfile::tempdir().unwrap();
    let settings = delivery_settings(dir.path(), "http://127.0.0.1:1", Vec::new());
    let endpoints = AwsEndpoints { sns: Some(topics), ..AwsEndpoints::default() };
    let delivery = Delivery::start_with(&settings, endpoints, SystemTime::now).unwrap();
    let mut events = delivery.events();
    let (release, stuck) = std::sync::mpsc::channel();
    let mut fragment = fragment(None, &[(IMAGE, ""), (NOTIFICATION, "")]);
    fragment.source = Arc::new(StuckMedia(Mutex::new(stuck)));
    let fragments = std::thread::available_parallelism().unwrap().get() + 2;
    for _ in 0..fragments {
        delivery.fragment_persisted(&fragment, Some(&image_settings()), Some(&topic())).await;
    }
    delivery.finish(Duration::ZERO).await;
    drop(release);
    let (mut images, mut messages) = (0, 0);
    while let Some(event) = events.try_next() {
        match event {
            DeliveryEvent::ImageFailed { reason, .. } if reason == "request canceled" => images += 1,
            DeliveryEvent::PublishFailed { reason, .. } if reason == "the service is stopping" => messages += 1,
            other => panic!("{other:?}"),
        }
    }
    // Every 500 ms of 2 s, both ends included.
    assert_eq!((images, messages), (5 * fragments, fragments));
}

/// A subscriber that has confirmed and then does not answer.
#[tokio::test]
async fn finish_reports_every_message_that_was_not_posted() {
    let endpoint = Endpoint::start(&[]).await;
    let mut server = DeliveryServer::start(vec![Subscription::new(TOPIC, &endpoint.url).unwrap()]).await;
    endpoint.confirm().await;
    endpoint.stop_answering();
    let fragment = fragment(None, &[(NOTIFICATION, "")]);
    for _ in 0..3 {
        server.delivery.fragment_persisted(&fragment, None, Some(&topic())).await;
    }
    server.delivery.settled().await;
    server.delivery.finish(Duration::ZERO).await;
    let mut reasons = Vec::new();
    while let Some(event) = server.events.try_next() {
        if let DeliveryEvent::MessageFailed { reason, .. } = event {
            reasons.push(reason);
        }
    }
    assert_eq!(reasons, ["the service is stopping"; 3]);
}

/// Returns the subscription confirmation and the notification of a subscriber for each signature version.
async fn messages_in_both_versions() -> (DeliveryServer, Vec<String>) {
    let (one, two) = (Endpoint::start(&[]).await, Endpoint::start(&[]).await);
    let subscription = |endpoint: &Endpoint| Subscription::new(TOPIC, &endpoint.url).unwrap();
    let versions = vec![subscription(&one), subscription(&two).signature_version(kvs_notify::SignatureVersion::V2)];
    let server = DeliveryServer::start(versions).await;
    let mut bodies = Vec::new();
    let fragment = fragment(None, &[(NOTIFICATION, ""), ("Tür", "öffen")]);
    server.delivery.fragment_persisted(&fragment, None, Some(&topic())).await;
    for endpoint in [&one, &two] {
        endpoint.confirm().await;
        bodies.extend([endpoint.post(0).await.body, endpoint.post(1).await.body]);
    }
    (server, bodies)
}

const CHECK: &str = r#"
import base64, json, sys
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
message = json.load(open(sys.argv[1]))
leaf, authority = x509.load_pem_x509_certificates(open(sys.argv[2], "rb").read())
leaf.verify_directly_issued_by(authority)
names = ["Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
text = "".join(f"{name}\n{message[name]}\n" for name in names if name in message)
digest = {"1": hashes.SHA1(), "2": hashes.SHA256()}[message["SignatureVersion"]]
leaf.public_key().verify(base64.b64decode(message["Signature"]), text.encode(), padding.PKCS1v15(), digest)
print("verified", message["SignatureVersion"], message["Type"])
"#;

fn check(python: &str, dir: &Path, body: &str) -> String {
    std::fs::write(dir.join("message.json"), body).unwrap();
    let output = Command::new(python).args(["-c", CHECK, "message.json", "certificate.pem"]).current_dir(dir).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[tokio::test]
async fn cryptography_verifies_the_signatures() {
    let Some(python) = test_judges::python("cryptography_verifies_the_signatures", &["cryptography"]) else {
        return;
    };
    let (_server, bodies) = messages_in_both_versions().await;
    let dir = tempfile::tempdir().unwrap();
    let mut verified = Vec::new();
    for body in &bodies {
        let url = serde_json::from_str::<serde_json::Value>(body).unwrap()["SigningCertURL"].clone();
        let (status, certificate) = get(url.as_str().unwrap()).await;
        assert_eq!(status, StatusCode::OK);
        std::fs::write(dir.path().join("certificate.pem"), certificate).unwrap();
        verified.push(check(&python, dir.path(), body));
    }
    let kinds = ["1 SubscriptionConfirmation", "1 Notification", "2 SubscriptionConfirmation", "2 Notification"];
    assert_eq!(verified, kinds.map(|kind| format!("verified {kind}")));
}

#[tokio::test(flavor = "multi_thread")]
async fn message_validators_accept_messages_and_reject_changed_ones() {
    let test = "message_validators_accept_messages_and_reject_changed_ones";
    let modules = ["sns_message_validator", "aws_sns_verifier"];
    let Some(python) = test_judges::python(test, &modules) else { return };
    let (_server, bodies) = messages_in_both_versions().await;
    let mut judge = Command::new(python)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sns/validators.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    judge.stdin.take().unwrap().write_all(bodies.join("\n").as_bytes()).unwrap();
    let verdicts = tokio::task::spawn_blocking(|| judge.wait_with_output().unwrap()).await.unwrap();
    assert!(verdicts.status.success(), "the output of the validators has the reason");
    let verdicts = String::from_utf8(verdicts.stdout).unwrap();
    assert_eq!(
        verdicts.lines().collect::<Vec<_>>(),
        [
            "aws-sns-message-validator: 2 accepted, 13 changed ones rejected",
            "aws-sns-verifier: 4 accepted, 26 changed ones rejected",
        ]
    );
}

#[tokio::test]
async fn kvs_notify_accepts_messages_and_rejects_changed_ones() {
    let (server, bodies) = messages_in_both_versions().await;
    let roots = TrustRoots::new().roots_pem(server.delivery.authority().await.unwrap().as_bytes()).unwrap();
    let urls = UrlPolicy::aws().and_origin(&server.base_url, "sns.amazonaws.com");
    let verifier = Verifier::new(roots, [TOPIC]).urls(urls);
    for body in &bodies {
        let message: SnsMessage = serde_json::from_str(body).unwrap();
        let url = verifier.certificate_url(&message).unwrap();
        let pem = get(url.as_str()).await.1;
        let certificate = SigningCertificate::from_pem(url, pem.as_bytes()).unwrap();
        let verified = verifier.verify(&message, &certificate, SystemTime::now()).unwrap();
        let confirmation = matches!(message, SnsMessage::SubscriptionConfirmation(_));
        assert_eq!(verifier.subscription_url(&verified).unwrap().is_some(), confirmation);

        let mut changed: serde_json::Value = serde_json::from_str(body).unwrap();
        changed["Message"] = format!("{} ", changed["Message"].as_str().unwrap()).into();
        let changed: SnsMessage = serde_json::from_str(&changed.to_string()).unwrap();
        let result = verifier.verify(&changed, &certificate, SystemTime::now());
        assert_eq!(result, Err(VerifyError::Signature));
    }
}

//! Images and messages of tagged fragments: keys, metadata, signatures, handshake, repeats.
#![cfg(feature = "server")]
#![expect(clippy::unwrap_used, reason = "tests only")]

mod judge;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use kvs_local::__internal::deliver::{
    Delivery, DeliveryEvent, DeliverySettings, ImageSettings, PersistedFragment, SNS_PATH, Subscription, Topic,
};
use kvs_local::__internal::images::{FragmentMedia, ImageEncoding, ImageSize, MediaSource, RenderOptions};
use kvs_mkv::Tag;
use kvs_notify::{
    FragmentNotification, ImageObjectKey, SigningCertificate, SnsMessage, TrustRoots, UrlPolicy, Verifier, VerifyError,
};
use kvs_types::{FragmentNumber, TimestampOrigin};
use tokio::net::TcpListener;
use tokio::sync::{Notify, OnceCell, broadcast};

use judge::{EPOCH, Fragments, Recording};
use test_judges::available;

const TOPIC: &str = "arn:aws:sns:us-west-2:111122223333:door";
const IMAGE: &str = "AWS_KINESISVIDEO_IMAGE_GENERATION";
const PREFIX: &str = "AWS_KINESISVIDEO_IMAGE_PREFIX";
const NOTIFICATION: &str = "AWS_KINESISVIDEO_NOTIFICATION";

/// Waits at most this long for anything.
const SOON: Duration = Duration::from_secs(120);

/// A service with nothing but delivery behind its GETs.
struct Stand {
    dir: tempfile::TempDir,
    base_url: String,
    delivery: Arc<Delivery>,
    events: broadcast::Receiver<DeliveryEvent>,
}

impl Stand {
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
        let settings = DeliverySettings {
            data_dir: dir.path().to_owned(),
            region: "us-west-2".to_owned(),
            account: "111122223333".to_owned(),
            base_url: base_url.clone(),
            subscriptions,
        };
        let delivery = Arc::new(Delivery::start(&settings, SystemTime::now).unwrap());
        let events = delivery.events();
        cell.set(Arc::clone(&delivery)).unwrap();
        Self { dir, base_url, delivery, events }
    }

    async fn until(&mut self, wanted: impl Fn(&DeliveryEvent) -> bool) -> DeliveryEvent {
        let search = async {
            loop {
                let event = self.events.recv().await.unwrap();
                if wanted(&event) {
                    return event;
                }
            }
        };
        tokio::time::timeout(SOON, search).await.expect("the event comes soon")
    }
}

/// One post as it arrived.
#[derive(Clone, Debug)]
struct Arrived {
    headers: http::HeaderMap,
    body: String,
}

/// Takes posts, answers with the statuses it was told, then with 200.
#[derive(Clone)]
struct Endpoint {
    url: String,
    posts: Arc<Mutex<Vec<Arrived>>>,
    came: Arc<Notify>,
}

impl Endpoint {
    async fn start(statuses: &[u16]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/sns", listener.local_addr().unwrap());
        let endpoint = Self { url, posts: Arc::default(), came: Arc::default() };
        let (taker, statuses) = (endpoint.clone(), Arc::new(Mutex::new(VecDeque::from(statuses.to_vec()))));
        serve(listener, move |request: Request<Incoming>| {
            let (taker, statuses) = (taker.clone(), Arc::clone(&statuses));
            async move {
                let (parts, body) = request.into_parts();
                let body = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
                let status = statuses.lock().unwrap().pop_front().unwrap_or(200);
                taker.posts.lock().unwrap().push(Arrived { headers: parts.headers, body });
                taker.came.notify_one();
                Response::builder().status(status).body(Full::from("")).unwrap()
            }
        });
        endpoint
    }

    /// The post of this number, once it came.
    async fn post(&self, number: usize) -> Arrived {
        let arrival = async {
            loop {
                if let Some(post) = self.posts.lock().unwrap().get(number) {
                    return post.clone();
                }
                self.came.notified().await;
            }
        };
        tokio::time::timeout(SOON, arrival).await.expect("the post comes soon")
    }

    /// Visits the URL that the first post asks to visit.
    async fn confirm(&self) {
        let question = self.post(0).await;
        assert_eq!(question.headers["x-amz-sns-message-type"], "SubscriptionConfirmation");
        assert!(!question.headers.contains_key("x-amz-sns-subscription-arn"));
        let SnsMessage::SubscriptionConfirmation(question) = serde_json::from_str(&question.body).unwrap() else {
            panic!("not a question")
        };
        let (status, page) = get(question.subscribe_url.expose()).await;
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
                let answer = handle(request);
                async move { Ok::<_, Infallible>(answer.await) }
            });
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
}

async fn get(url: &str) -> (StatusCode, String) {
    let client = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new());
    let answer = client.build_http::<Full<Bytes>>().get(url.parse().unwrap()).await.unwrap();
    let status = answer.status();
    (status, String::from_utf8(answer.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap())
}

/// A fragment without media, enough for a notification.
struct NoFootage;

impl MediaSource for NoFootage {
    fn media(&self, _: &FragmentNumber) -> Result<FragmentMedia, Box<dyn std::error::Error + Send + Sync>> {
        Err("there is no media".into())
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
            None => Arc::new(NoFootage),
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
async fn a_subscriber_gets_signed_messages_once_it_agreed() {
    let endpoint = Endpoint::start(&[]).await;
    let mut stand = Stand::start(vec![Subscription::new(TOPIC, &endpoint.url).unwrap()]).await;
    let fragment = fragment(None, &[(NOTIFICATION, ""), ("door", "open")]);
    stand.delivery.fragment_persisted(&fragment, None, Some(&topic())).await;
    let published = stand.until(|event| matches!(event, DeliveryEvent::MessagePublished { .. })).await;
    endpoint.post(0).await;
    assert_eq!(endpoint.posts.lock().unwrap().len(), 1, "the question only");

    endpoint.confirm().await;
    let post = endpoint.post(1).await;
    stand.until(|event| matches!(event, DeliveryEvent::MessageDelivered { attempts: 1, .. })).await;
    let SnsMessage::Notification(message) = serde_json::from_str(&post.body).unwrap() else { panic!("not a message") };
    let headers = |name: &str| post.headers[name].to_str().unwrap();
    assert_eq!(headers("x-amz-sns-message-type"), "Notification");
    assert_eq!(headers("x-amz-sns-message-id"), message.message_id);
    assert_eq!(headers("x-amz-sns-topic-arn"), TOPIC);
    assert!(headers("x-amz-sns-subscription-arn").starts_with(TOPIC));
    assert_eq!(headers("content-type"), "text/plain; charset=UTF-8");
    assert_eq!(headers("user-agent"), "Amazon Simple Notification Service Agent");
    assert_eq!(message.subject.as_deref(), Some("Kinesis Video Streams Notification"));

    let told: FragmentNotification = serde_json::from_str(&message.message).unwrap();
    assert_eq!(told.fragment_number, fragment.spans[0].number);
    assert_eq!(told.producer_timestamp, UNIX_EPOCH + EPOCH);
    assert_eq!(told.payload["door"], "open");

    let DeliveryEvent::MessagePublished { path, .. } = published else { unreachable!() };
    assert_eq!(path, stand.dir.path().join(format!("sns/door/{}.json", message.message_id)));
    let SnsMessage::Notification(kept) = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap() else {
        panic!("not a message")
    };
    assert_eq!((&kept.message, kept.signature.is_some()), (&message.message, true));

    // It ends by the URL in the message, and cannot begin again.
    assert_eq!(get(message.unsubscribe_url.unwrap().expose()).await.0, StatusCode::OK);
    stand.delivery.fragment_persisted(&fragment, None, Some(&topic())).await;
    stand.delivery.settled().await;
    assert_eq!(endpoint.posts.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn a_raw_subscriber_gets_the_message_alone() {
    let endpoint = Endpoint::start(&[]).await;
    let stand = Stand::start(vec![Subscription::new(TOPIC, &endpoint.url).unwrap().raw()]).await;
    endpoint.confirm().await;
    stand.delivery.fragment_persisted(&fragment(None, &[(NOTIFICATION, "")]), None, Some(&topic())).await;
    let post = endpoint.post(1).await;
    assert_eq!(post.headers["x-amz-sns-rawdelivery"], "true");
    let told: FragmentNotification = serde_json::from_str(&post.body).unwrap();
    assert!(told.payload.is_empty());
}

#[tokio::test(start_paused = true)]
async fn posts_are_repeated_while_that_may_help() {
    let endpoint = Endpoint::start(&[200, 500, 503, 429, 200, 404]).await;
    let mut stand = Stand::start(vec![Subscription::new(TOPIC, &endpoint.url).unwrap()]).await;
    endpoint.confirm().await;
    let fragment = fragment(None, &[(NOTIFICATION, "")]);
    stand.delivery.fragment_persisted(&fragment, None, Some(&topic())).await;
    let delivered = stand.until(|event| matches!(event, DeliveryEvent::MessageDelivered { .. })).await;
    assert!(matches!(delivered, DeliveryEvent::MessageDelivered { attempts: 4, .. }), "{delivered:?}");
    stand.delivery.fragment_persisted(&fragment, None, Some(&topic())).await;
    let refused = stand.until(|event| matches!(event, DeliveryEvent::MessageFailed { .. })).await;
    assert!(matches!(refused, DeliveryEvent::MessageFailed { reason, .. } if reason.contains("404")));
    assert_eq!(endpoint.posts.lock().unwrap().len(), 6);
}

#[tokio::test(start_paused = true)]
async fn a_subscriber_that_is_not_there_is_given_up_and_reported() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", closed.local_addr().unwrap());
    drop(closed);
    let mut stand = Stand::start(vec![Subscription::new(TOPIC, &url).unwrap()]).await;
    let event = stand.until(|event| matches!(event, DeliveryEvent::ConfirmationFailed { .. })).await;
    assert!(matches!(event, DeliveryEvent::ConfirmationFailed { url: at, .. } if at == url));
}

#[tokio::test]
async fn forged_confirmations_and_strange_pages_are_refused() {
    let endpoint = Endpoint::start(&[]).await;
    let stand = Stand::start(vec![Subscription::new(TOPIC, &endpoint.url).unwrap()]).await;
    for (path, status) in [
        ("/sns/?Action=ConfirmSubscription&TopicArn=arn:aws:sns:us-west-2:111122223333:door&Token=guess", 400),
        ("/sns/?Action=ConfirmSubscription&TopicArn=%00&Token=%ff", 400),
        ("/sns/?Action=Unsubscribe&SubscriptionArn=x", 404),
        ("/sns/?Action=Publish", 400),
        ("/sns/../keys/sns-key.pem", 404),
        ("/sns/sns-key.pem", 404),
        ("/sns/", 400),
    ] {
        assert_eq!(get(&format!("{}{path}", stand.base_url)).await.0.as_u16(), status, "{path}");
    }
}

#[tokio::test]
async fn images_lie_under_their_keys_with_their_metadata() {
    if !available("images_lie_under_their_keys_with_their_metadata", &["ffmpeg"]) {
        return;
    }
    let x264 = ["-c:v", "libx264", "-g", "25", "-pix_fmt", "yuv420p"];
    let recording = Recording::make("testsrc2=size=160x96:rate=25:duration=2", &x264);
    let bucket_endpoint = Endpoint::start(&[]).await;
    let subscription = Subscription::new("arn:aws:s3:::my-pics", &bucket_endpoint.url).unwrap();
    let mut stand = Stand::start(vec![subscription]).await;
    bucket_endpoint.confirm().await;
    let tags = [(IMAGE, ""), (PREFIX, "gate/6"), ("Camera", "Tür"), ("AWS_OTHER", "x")];
    let fragment = fragment(Some(Fragments::cut(&recording.path)), &tags);
    stand.delivery.fragment_persisted(&fragment, Some(&image_settings()), None).await;
    for offset in [0, 500] {
        let event = stand.until(|event| matches!(event, DeliveryEvent::ImageStored { .. })).await;
        let DeliveryEvent::ImageStored { object, path, .. } = event else { unreachable!() };
        let at = EPOCH + Duration::from_millis(offset);
        let key = object.key.to_string();
        assert_eq!(path, stand.dir.path().join("s3/my-pics").join(&key));
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
    let SnsMessage::Notification(message) = serde_json::from_str(&post.body).unwrap() else { panic!("not a message") };
    assert_eq!(message.subject.as_deref(), Some("Amazon S3 Notification"));
    let event: serde_json::Value = serde_json::from_str(&message.message).unwrap();
    let key = event["Records"][0]["s3"]["object"]["key"].as_str().unwrap();
    assert!(ImageObjectKey::parse(key).is_ok(), "{key}");
}

#[tokio::test]
async fn a_hostile_prefix_writes_nothing_and_is_reported() {
    if !available("a_hostile_prefix_writes_nothing_and_is_reported", &["ffmpeg"]) {
        return;
    }
    let recording =
        Recording::make("testsrc2=size=160x96:rate=25:duration=0.4", &["-c:v", "libx264", "-pix_fmt", "yuv420p"]);
    let mut stand = Stand::start(Vec::new()).await;
    for prefix in ["../../../x", "/etc/x", "a\\..\\b", "a/../../b", "C:\\x", "nul\0", "a//b", "con/x"] {
        let fragment = fragment(Some(Fragments::cut(&recording.path)), &[(IMAGE, ""), (PREFIX, prefix)]);
        let mut settings = image_settings();
        settings.folder = String::new();
        stand.delivery.fragment_persisted(&fragment, Some(&settings), None).await;
        let event = stand.until(|event| matches!(event, DeliveryEvent::ImageFailed { .. })).await;
        let DeliveryEvent::ImageFailed { reason, .. } = event else { unreachable!() };
        assert!(reason.contains("cannot be the name of a file"), "{prefix:?}: {reason}");
    }
    let written: Vec<_> = std::fs::read_dir(stand.dir.path()).unwrap().collect();
    assert!(written.is_empty(), "{written:?}");
}

#[tokio::test]
async fn untagged_fragments_and_missing_configuration_do_nothing() {
    let stand = Stand::start(Vec::new()).await;
    let untagged = fragment(None, &[("door", "open"), (PREFIX, "x")]);
    stand.delivery.fragment_persisted(&untagged, Some(&image_settings()), Some(&topic())).await;
    let tagged = fragment(None, &[(IMAGE, ""), (NOTIFICATION, "")]);
    stand.delivery.fragment_persisted(&tagged, None, None).await;
    stand.delivery.settled().await;
    assert_eq!(std::fs::read_dir(stand.dir.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn finishing_lets_what_is_queued_go_out() {
    let endpoint = Endpoint::start(&[]).await;
    let stand = Stand::start(vec![Subscription::new(TOPIC, &endpoint.url).unwrap()]).await;
    endpoint.confirm().await;
    let fragment = fragment(None, &[(NOTIFICATION, "")]);
    for _ in 0..20 {
        stand.delivery.fragment_persisted(&fragment, None, Some(&topic())).await;
    }
    stand.delivery.finish(SOON).await;
    assert_eq!(endpoint.posts.lock().unwrap().len(), 21);
}

/// The question and the message that subscribers of both versions of signatures get, one body after the other.
async fn in_both_versions() -> (Stand, Vec<String>) {
    let (one, two) = (Endpoint::start(&[]).await, Endpoint::start(&[]).await);
    let subscription = |endpoint: &Endpoint| Subscription::new(TOPIC, &endpoint.url).unwrap();
    let versions = vec![subscription(&one), subscription(&two).signature_version(kvs_notify::SignatureVersion::V2)];
    let stand = Stand::start(versions).await;
    let mut bodies = Vec::new();
    let fragment = fragment(None, &[(NOTIFICATION, ""), ("Tür", "öffen")]);
    stand.delivery.fragment_persisted(&fragment, None, Some(&topic())).await;
    for endpoint in [&one, &two] {
        endpoint.confirm().await;
        bodies.extend([endpoint.post(0).await.body, endpoint.post(1).await.body]);
    }
    (stand, bodies)
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
async fn another_implementation_verifies_the_signatures() {
    let Some(python) = test_judges::python("another_implementation_verifies_the_signatures", &["cryptography"]) else {
        return;
    };
    let (_stand, bodies) = in_both_versions().await;
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
async fn the_validators_of_others_accept_what_is_delivered_and_nothing_that_was_changed() {
    let test = "the_validators_of_others_accept_what_is_delivered";
    let modules = ["sns_message_validator", "aws_sns_verifier"];
    let Some(python) = test_judges::python(test, &modules) else { return };
    let (_stand, bodies) = in_both_versions().await;
    let mut judge = Command::new(python)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sns/validators.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    judge.stdin.take().unwrap().write_all(bodies.join("\n").as_bytes()).unwrap();
    let verdicts = tokio::task::spawn_blocking(|| judge.wait_with_output().unwrap()).await.unwrap();
    assert!(verdicts.status.success(), "the validators say why");
    let verdicts = String::from_utf8(verdicts.stdout).unwrap();
    assert_eq!(
        verdicts.lines().collect::<Vec<_>>(),
        [
            "aws-sns-message-validator: 2 accepted, 13 changed ones refused",
            "aws-sns-verifier: 4 accepted, 26 changed ones refused",
        ]
    );
}

#[tokio::test]
async fn the_receiving_side_accepts_what_is_delivered_and_nothing_that_was_changed() {
    let (stand, bodies) = in_both_versions().await;
    let roots = TrustRoots::new().roots_pem(stand.delivery.authority().await.unwrap().as_bytes()).unwrap();
    let urls = UrlPolicy::aws().and_origin(&stand.base_url, "sns.amazonaws.com");
    let verifier = Verifier::new(roots, [TOPIC]).urls(urls);
    for body in &bodies {
        let message: SnsMessage = serde_json::from_str(body).unwrap();
        let url = verifier.certificate_url(&message).unwrap();
        let pem = get(url.as_str()).await.1;
        let certificate = SigningCertificate::from_pem(url, pem.as_bytes()).unwrap();
        let verified = verifier.verify(&message, &certificate, SystemTime::now()).unwrap();
        let question = matches!(message, SnsMessage::SubscriptionConfirmation(_));
        assert_eq!(verifier.subscription_url(&verified).unwrap().is_some(), question);

        let mut changed: serde_json::Value = serde_json::from_str(body).unwrap();
        changed["Message"] = format!("{} ", changed["Message"].as_str().unwrap()).into();
        let changed: SnsMessage = serde_json::from_str(&changed.to_string()).unwrap();
        let refused = verifier.verify(&changed, &certificate, SystemTime::now());
        assert_eq!(refused, Err(VerifyError::Signature));
    }
}

//! The tokio driver over real sockets, against a minimal hyper server.
#![cfg(feature = "tokio")]

use crate::support;
use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_credential_types::Credentials;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Channel, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use kvs_aws::Client;
use kvs_mkv::{Event as Mkv, Limits, Parser};
use kvs_producer::{Event, ImageGeneration, NewStream, OpenError, Overflow, Producer, StreamLookup, Timestamps};
use support::*;
use tokio::net::TcpListener;

#[derive(Default)]
struct Fake {
    paths: Mutex<Vec<String>>,
    created: AtomicUsize,
    fragments: AtomicUsize,
    /// Sessions that break after their first fragment.
    break_first: AtomicUsize,
}

type Reply = Response<BoxBody<Bytes, Infallible>>;

fn json(status: u16, text: String) -> Reply {
    Response::builder().status(status).body(Full::new(Bytes::from(text)).boxed()).unwrap()
}

async fn answer(fake: Arc<Fake>, address: String, request: Request<Incoming>) -> Result<Reply, Infallible> {
    let path = request.uri().path().to_owned();
    fake.paths.lock().unwrap().push(path.clone());
    Ok(match path.as_str() {
        "/describeStream" if fake.created.load(Ordering::SeqCst) == 0 => {
            json(404, r#"{"__type":"ResourceNotFoundException","Message":"no"}"#.to_owned())
        }
        "/describeStream" => json(200, r#"{"StreamInfo":{"Status":"ACTIVE","DataRetentionInHours":24}}"#.to_owned()),
        "/createStream" => {
            fake.created.fetch_add(1, Ordering::SeqCst);
            json(200, r#"{"StreamARN":"arn:aws:kinesisvideo:us-west-2:111122223333:stream/cam/1"}"#.to_owned())
        }
        "/getDataEndpoint" => json(200, format!(r#"{{"DataEndpoint":"{address}"}}"#)),
        "/putMedia" => put_media(fake, request.into_body()),
        _ => json(400, "{}".to_owned()),
    })
}

fn put_media(fake: Arc<Fake>, mut body: Incoming) -> Reply {
    let (mut sender, channel) = Channel::<Bytes, Infallible>::new(16);
    tokio::spawn(async move {
        let mut parser = Parser::new(Limits::default());
        let mut open = None;
        let breaks =
            fake.break_first.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        while let Some(Ok(frame)) = body.frame().await {
            let Ok(data) = frame.into_data() else { continue };
            parser.push(data);
            while let Some(event) = parser.next_event().unwrap() {
                match event {
                    Mkv::Cluster { at } => {
                        if let Some(done) = open.replace(at) {
                            if breaks {
                                return;
                            }
                            persist(&fake, &mut sender, done).await;
                        }
                    }
                    Mkv::Tags(tags) if tags[0].name.ends_with("END_OF_FRAGMENT") => {
                        if let Some(done) = open.take() {
                            persist(&fake, &mut sender, done).await;
                        }
                    }
                    _ => {}
                }
            }
        }
    });
    Response::new(channel.boxed())
}

async fn persist(fake: &Fake, acks: &mut http_body_util::channel::Sender<Bytes>, at: Duration) {
    fake.fragments.fetch_add(1, Ordering::SeqCst);
    for ack in all_acks(u64::try_from(at.as_millis()).unwrap()) {
        let _ = acks.send_data(Bytes::from(ack + "\n")).await;
    }
}

async fn serve() -> (Arc<Fake>, Client, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let fake = Arc::new(Fake::default());
    let (shared, at) = (Arc::clone(&fake), address.clone());
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let (fake, address) = (Arc::clone(&shared), at.clone());
            tokio::spawn(async move {
                let service =
                    hyper::service::service_fn(move |request| answer(Arc::clone(&fake), address.clone(), request));
                let _ =
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), service).await;
            });
        }
    });
    (fake, client(&address), address)
}

fn client(address: &str) -> Client {
    let credentials = Credentials::new("AKID", "SECRET", None, None, "test");
    let config = kvs_aws::ClientConfig::new("us-west-2".parse().unwrap(), credentials);
    Client::new(config.endpoint_url(address).unwrap()).unwrap()
}

fn live() -> kvs_producer::ProducerConfig {
    config()
        .stream_lookup(StreamLookup::CreateIfMissing(NewStream::default()))
        .timestamps(Timestamps::StartAt(start()))
        .overflow(Overflow::Refuse)
        .initial_backoff(Duration::from_millis(10))
}

#[tokio::test]
async fn a_stream_is_created_and_all_media_persisted() {
    let (fake, client, _) = serve().await;
    let stream = Producer::open(live(), client).await.unwrap();
    let mut events = stream.events();
    for ms in (0..10_000).step_by(40) {
        stream.put_frame(frame(V, ms, ms % 2000 == 0)).await.unwrap();
    }
    stream.put_event(ImageGeneration::new()).unwrap();
    let report = stream.stop(Duration::from_secs(10)).await;
    assert!(report.is_complete(), "{report:?}");
    assert_eq!(fake.fragments.load(Ordering::SeqCst), 5);
    let expected = ["/describeStream", "/createStream", "/describeStream", "/getDataEndpoint", "/putMedia"];
    assert_eq!(*fake.paths.lock().unwrap(), expected);
    let mut persisted = 0;
    while let Some(event) = events.next().await {
        persisted += usize::from(matches!(event, Event::Persisted(_)));
    }
    assert_eq!(persisted, 5);
}

#[tokio::test]
async fn a_reader_of_events_is_not_woken_by_frames() {
    let (_fake, client, _) = serve().await;
    let stream = Producer::open(live(), client).await.unwrap();
    let mut events = stream.events();
    stream.put_frame(frame(V, 0, true)).await.unwrap();
    while !matches!(events.next().await.unwrap(), Event::Opened { .. }) {}
    let polls = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&polls);
    let reader = tokio::spawn(async move {
        let mut next = std::pin::pin!(events.next());
        std::future::poll_fn(|cx| {
            counter.fetch_add(1, Ordering::SeqCst);
            next.as_mut().poll(cx)
        })
        .await
    });
    let mut sent = stream.stats().sent_bytes;
    for ms in (40..2_000).step_by(40) {
        stream.put_frame(frame(V, ms, false)).await.unwrap();
        sent = sent_within(&stream, sent, 1_000).await;
    }
    reader.abort();
    let polls = polls.load(Ordering::SeqCst);
    assert!((1..5).contains(&polls), "{polls}");
    stream.stop(Duration::from_secs(10)).await;
}

/// Lets all other tasks run until more bytes are sent, at most so many times.
async fn sent_within(stream: &Producer, before: u64, turns: usize) -> u64 {
    for _ in 0..turns {
        if stream.stats().sent_bytes > before {
            break;
        }
        tokio::task::yield_now().await;
    }
    stream.stats().sent_bytes
}

#[tokio::test]
async fn frames_within_the_send_interval_are_sent_together_and_a_key_frame_at_once() {
    let (_fake, client, _) = serve().await;
    let stream = Producer::open(live().send_interval(Duration::from_secs(1)), client).await.unwrap();
    stream.put_frame(frame(V, 0, true)).await.unwrap();
    let first = tokio::time::timeout(Duration::from_secs(10), sent_within(&stream, 0, usize::MAX)).await.unwrap();
    for ms in [40, 80, 120] {
        stream.put_frame(frame(V, ms, false)).await.unwrap();
    }
    assert_eq!(sent_within(&stream, first, 20).await, first, "the task was woken");
    let second = tokio::time::timeout(Duration::from_secs(10), sent_within(&stream, first, usize::MAX)).await.unwrap();
    assert!(second - first > 3 * 400, "{} bytes at the end of the interval", second - first);
    stream.put_frame(frame(V, 160, false)).await.unwrap();
    assert_eq!(sent_within(&stream, second, 20).await, second, "the task was woken");
    stream.put_frame(frame(V, 200, true)).await.unwrap();
    assert!(sent_within(&stream, second, 20).await > second, "a key frame waits");
    let report = stream.stop(Duration::from_secs(10)).await;
    assert!(report.is_complete(), "{report:?}");
}

#[tokio::test]
async fn broken_connections_lose_no_media() {
    let (fake, client, _) = serve().await;
    fake.break_first.store(3, Ordering::SeqCst);
    let stream = Producer::open(live(), client).await.unwrap();
    for ms in (0..20_000).step_by(40) {
        stream.put_frame(frame(V, ms, ms % 2000 == 0)).await.unwrap();
    }
    let report = stream.stop(Duration::from_secs(10)).await;
    assert!(report.is_complete(), "{report:?}");
    assert!(report.stats.reconnects >= 3);
}

/// The clock is virtual: it advances to the next deadline when nothing else happens.
#[tokio::test(start_paused = true)]
async fn an_unreachable_service_is_an_error_at_the_timeout() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let within = Duration::from_millis(1500);
    let refused = Producer::open_within(live(), client(&address), within).await.unwrap_err();
    assert!(matches!(refused, OpenError::TimedOut { .. }));
    assert_eq!(refused.to_string(), "stream endpoint not resolved within 1.5 s");
    assert!(std::error::Error::source(&refused).is_some(), "the last failure is the source");
}

#[tokio::test]
async fn dropping_a_stream_ends_its_events() {
    let (_, client, _) = serve().await;
    let stream = Producer::open(live(), client).await.unwrap();
    let mut events = stream.events();
    stream.put_frame(frame(V, 0, true)).await.unwrap();
    drop(stream);
    tokio::time::timeout(Duration::from_secs(5), async { while events.next().await.is_some() {} }).await.unwrap();
}

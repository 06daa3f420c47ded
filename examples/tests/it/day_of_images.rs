//! An image every ten seconds of a long range: the number of calls and the memory of the client, with real media.
//!
//! By default the range is two hours. A whole day, as in the table of BENCHMARKS.md:
//! `KVS_HOURS=24 cargo test --release -p kvs-examples --test day_of_images -- --nocapture`

use crate::support;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use kvs_aws::{
    Client, ClientConfig, Credentials, HttpSend, Region, ResponseBody, SendFuture, StreamId, TransportError,
};
use kvs_images::{ImagesExt, Pace};
use kvs_local::LocalKvs;
use kvs_media::Recording;
use kvs_mkv::{Frame, TrackNumber};
use kvs_producer::{NewStream, Producer, StreamLookup};

const EVERY: Duration = Duration::from_secs(10);
const HOUR: Duration = Duration::from_secs(3600);

/// Sends over plain HTTP and counts the calls.
#[derive(Debug)]
struct Counted {
    http: legacy::Client<HttpConnector, Full<Bytes>>,
    calls: Arc<AtomicU64>,
}

impl HttpSend for Counted {
    fn send(&self, request: http::Request<Bytes>) -> SendFuture<'_> {
        fn broken(error: impl std::error::Error + Send + Sync + 'static) -> TransportError {
            TransportError::Broken { source: error.into() }
        }
        self.calls.fetch_add(1, Ordering::Relaxed);
        Box::pin(async move {
            let response = self.http.request(request.map(Full::new)).await.map_err(broken)?;
            Ok(response.map(|body| ResponseBody::new(body.map_err(broken))))
        })
    }
}

/// The bundled recording's key frames, one every ten seconds, each a fragment.
async fn record(local: &LocalKvs, start: Duration, fragments: u32) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("media/clock.mp4");
    let recording = Recording::open(path).unwrap().starting_with_video();
    let tracks = recording.tracks().iter().filter(|track| track.number == TrackNumber::ONE).cloned().collect();
    let key_frames: Vec<_> =
        recording.samples().iter().filter(|sample| sample.track == TrackNumber::ONE && sample.keyframe).collect();
    // The whole recording may wait in the buffer: it is sent far faster than it would be recorded.
    let config = kvs_producer::ProducerConfig::new("cam", tracks)
        .buffer_time(HOUR * 48)
        .buffer_bytes(256 << 20)
        .stream_lookup(StreamLookup::CreateIfMissing(NewStream::new(Duration::from_secs(48 * 3600))));
    let producer = Producer::open(config, support::client_of(local)).await.unwrap();
    for (number, sample) in (0..fragments).zip(key_frames.iter().cycle()) {
        let frame = Frame::new(sample.track, start + EVERY * number, sample.data.clone()).with_keyframe(true);
        producer.put_frame(frame).await.unwrap();
    }
    let report = producer.stop(Duration::from_secs(60)).await;
    assert!(report.is_complete(), "{report:?}");
}

/// Calls and memory for the images of a range.
#[derive(Debug)]
struct Cost {
    images: u64,
    calls: u64,
    /// Most bytes that the client's thread had allocated at a time.
    peak: u64,
}

/// Gets the images on a thread of its own, so that its allocations are those of the client alone.
fn fetch(local: &LocalKvs, start: Duration, length: Duration) -> Cost {
    let (endpoint, region) = (local.endpoint_url().to_owned(), Region::new(local.region()).unwrap());
    let credentials = Credentials::from_keys(local.access_key(), local.secret_key(), None);
    let calls = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&calls);
    let client = move || {
        let http = legacy::Client::builder(TokioExecutor::new()).build_http();
        let config = ClientConfig::new(region, credentials).endpoint_url(&endpoint).unwrap();
        Client::new(config.transport(Arc::new(Counted { http, calls: counter }))).unwrap()
    };
    let start = SystemTime::UNIX_EPOCH + start;
    let work = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let stream: StreamId = "cam".parse().unwrap();
            let images = client().images(stream).range(start..start + length).every(EVERY).size(160, 90);
            let mut images = images.pace(Pace::Unlimited).stream().unwrap();
            let mut count = 0;
            while let Some(image) = images.next().await {
                assert!(image.content.is_ok(), "{image:?}");
                count += 1;
            }
            count
        })
    };
    let measured = std::thread::spawn(|| {
        let mut images = 0;
        let memory = allocation_counter::measure(|| images = work());
        (images, memory.bytes_max)
    });
    let (images, peak) = measured.join().unwrap();
    Cost { images, calls: calls.load(Ordering::Relaxed), peak }
}

#[test]
fn long_range_takes_one_call_per_20_images_and_constant_memory() {
    let hours: u32 = std::env::var("KVS_HOURS").map_or(2, |hours| hours.parse().unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let local = runtime.block_on(LocalKvs::builder().data_dir(dir.path()).start()).unwrap();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let start = Duration::from_secs(now) - HOUR * hours;
    let fragments = hours * 360;
    runtime.block_on(record(&local, start, fragments));

    // Long enough for the greatest number of concurrent calls.
    let little = fetch(&local, start, HOUR / 3);
    let all = fetch(&local, start, HOUR * hours);
    println!("| range | images | calls | images per call | most memory of the client |\n|---|---|---|---|---|");
    for (name, cost) in [("20 min".to_owned(), &little), (format!("{hours} h"), &all)] {
        let ratio = cost.images as f64 / cost.calls as f64;
        println!("| {name} | {} | {} | {ratio:.1}x | {} kB |", cost.images, cost.calls, cost.peak / 1000);
    }
    runtime.block_on(local.shutdown());
    assert_eq!((little.images, all.images), (120, u64::from(fragments)));
    assert!(all.calls * 20 <= all.images, "{all:?}");
    // The number of concurrent pages does not depend on the range; how full each is depends on the order of responses.
    assert!(all.peak <= 2 * little.peak, "{little:?} {all:?}");
}

//! The tokio driver on real sockets, through a proxy that cuts, stalls and throttles, to a service that is killed and restarted
//! on the same port with the same data folder. Afterwards the data folder is searched for every submitted frame.

mod checker;
mod proxy;
mod service;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use fastrand::Rng;
use kvs_aws::{Client, ClientConfig, CreateStream, Credentials, Region};
use kvs_mkv::{CodecId, Frame, Track, TrackKind, TrackNumber};
use kvs_producer::{BitstreamMode, Event, Events, Overflow, Producer, ProducerConfig, StopReport, StreamLookup};

use checker::FinalState;
use proxy::Proxy;
use service::Service;

/// Result of a run.
#[derive(Debug)]
#[non_exhaustive]
pub struct Outcome {
    /// Report of the producer when it stopped.
    pub report: StopReport,
    /// How often each fault was injected.
    pub faults: BTreeMap<Fault, u32>,
    /// Fragments in the data folder; a resent fragment counts each time.
    pub stored: usize,
}

/// A fault of the connection or of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Fault {
    /// All connections break.
    Cut,
    /// No bytes pass in either direction for a while.
    Stall,
    /// 20 kB/s for a while.
    Throttle,
    /// New connections are refused for a while, and open ones break.
    Refuse,
    /// The service is killed and restarted.
    Restart,
}

const FAULTS: [Fault; 5] = [Fault::Cut, Fault::Stall, Fault::Throttle, Fault::Refuse, Fault::Restart];

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (totals, stats) = (&self.report.totals, &self.report.stats);
        write!(
            f,
            "{} frames: {} persisted, {} reported lost, ",
            totals.submitted.frames, totals.persisted.frames, totals.lost.frames
        )?;
        write!(f, "{} sessions, {} reconnects, {} fragments stored;", stats.sessions, stats.reconnects, self.stored)?;
        self.faults.iter().try_for_each(|(fault, times)| write!(f, " {times} {fault:?}"))
    }
}

/// Streams for this long while faults drawn from the seed are injected, then checks the data folder.
///
/// # Errors
/// If the run cannot start, or at the first violation.
pub async fn run(folder: &Path, lasts: Duration, seed: u64) -> Result<Outcome, Box<dyn std::error::Error>> {
    let mut service = Service::start(folder).await?;
    let proxy = Proxy::start(service.address()).await?;
    let client = client(&format!("http://{}", service.address()))?;
    client.send(CreateStream::new(STREAM.parse()?).data_retention_in_hours(24)).await?;
    let stream = Producer::open(config(&format!("http://{}", proxy.address())), client).await?;
    let losses_seen = tokio::spawn(listen(stream.events()));
    let mut faults = BTreeMap::new();
    let mut rng = Rng::with_seed(seed);
    let begun = Instant::now();
    let submitted = {
        let feeding = feed(&stream, lasts);
        tokio::pin!(feeding);
        loop {
            let wait = Duration::from_millis(rng.u64(300..4_000));
            tokio::select! {
                submitted = &mut feeding => break submitted,
                () = tokio::time::sleep(wait) => {}
            }
            if begun.elapsed() + CALM_END < lasts {
                let fault = FAULTS[rng.usize(..FAULTS.len())];
                *faults.entry(fault).or_insert(0) += 1;
                let holds = Duration::from_millis(rng.u64(200..5_000));
                tokio::select! {
                    submitted = &mut feeding => break submitted,
                    made = make(fault, holds, &proxy, &mut service) => made?,
                }
            }
        }
    };
    proxy.heal();
    let report = stream.stop(STOP).await;
    let losses = losses_seen.await?;
    service.shutdown().await;
    let stored = FinalState { submitted, losses, report: &report }.check(&folder.join("media"))?;
    Ok(Outcome { report, faults, stored })
}

async fn make(fault: Fault, holds: Duration, proxy: &Proxy, service: &mut Service) -> io::Result<()> {
    match fault {
        Fault::Cut => proxy.cut(),
        Fault::Stall => proxy.stall(),
        Fault::Throttle => proxy.throttle(),
        Fault::Refuse => proxy.refuse(),
        Fault::Restart => service.kill().await,
    }
    if fault != Fault::Cut {
        tokio::time::sleep(holds).await;
    }
    if fault == Fault::Restart {
        service.restart().await?;
    }
    proxy.heal();
    Ok(())
}

/// Submits 25 frames per second in groups of one second; each payload contains its number.
async fn feed(stream: &Producer, lasts: Duration) -> Vec<u64> {
    let mut clock = tokio::time::interval(Duration::from_millis(40));
    let mut taken = Vec::new();
    for number in 0..u64::try_from(lasts.as_millis() / 40).unwrap_or(u64::MAX) {
        clock.tick().await;
        let pts = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let key = number.is_multiple_of(25);
        let frame = Frame::new(TrackNumber::ONE, pts, payload(number)).with_keyframe(key);
        if stream.put_frame(frame).await.is_ok() {
            taken.push(number);
        }
    }
    taken
}

/// Returns the payload of a frame, which depends on its number only.
fn payload(number: u64) -> Vec<u8> {
    let length = if number.is_multiple_of(25) { 12_000 } else { 1_500 };
    let mut bytes = number.to_be_bytes().to_vec();
    bytes.resize(length, u8::try_from(number % 251).unwrap_or(0));
    bytes
}

/// Counts the frames reported lost until the events end.
async fn listen(mut events: Events) -> u64 {
    let mut lost = 0;
    while let Some(event) = events.next().await {
        if let Event::Lost(loss) = event {
            lost += loss.span.frames;
        }
    }
    lost
}

fn config(endpoint: &str) -> ProducerConfig {
    let video = Track::new(TrackNumber::ONE, TrackKind::Video, CodecId::H264).with_codec_private(vec![1; 20]);
    ProducerConfig::new(STREAM, vec![video])
        .bitstream_mode(BitstreamMode::Passthrough)
        .stream_lookup(StreamLookup::FixedEndpoint(endpoint.to_owned()))
        .overflow(Overflow::DropOldest)
        .buffer_bytes(1 << 20)
        .ack_timeout(Duration::from_secs(4))
        .max_backoff(Duration::from_secs(2))
        .session_max(Duration::from_secs(20))
}

fn client(url: &str) -> Result<Client, Box<dyn std::error::Error>> {
    let credentials = Credentials::new(kvs_local::ACCESS_KEY, kvs_local::SECRET_KEY, None, None, "chaos");
    let config = ClientConfig::new(Region::new("us-west-2")?, credentials);
    Ok(Client::new(config.endpoint_url(url)?)?)
}

const STREAM: &str = "chaos";
/// No fault is injected in this last part, so that the buffer can drain.
const CALM_END: Duration = Duration::from_secs(8);
/// Deadline of the stop.
const STOP: Duration = Duration::from_secs(30);

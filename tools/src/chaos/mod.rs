//! The tokio driver on real sockets through a proxy that cuts, stalls and throttles, to a service that is torn down and comes
//! back on the same port with the same folder; afterwards the service's own folder is searched for what was submitted.

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

use checker::Evidence;
use proxy::Proxy;
use service::Service;

/// What a run came to.
#[derive(Debug)]
#[non_exhaustive]
pub struct Outcome {
    /// What the producer said at its end.
    pub report: StopReport,
    /// How often each trouble was made.
    pub troubles: BTreeMap<Trouble, u32>,
    /// Fragments found in the service's folder, resent ones as often as they came.
    pub stored: usize,
}

/// What is done to the connection and to the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Trouble {
    /// All connections break.
    Cut,
    /// Nothing gets through for a while, both ways.
    Stall,
    /// 20 kB a second for a while.
    Throttle,
    /// Connections are refused for a while, those that are open break.
    Refuse,
    /// The service is torn down without a word and started again.
    Restart,
}

const TROUBLES: [Trouble; 5] = [Trouble::Cut, Trouble::Stall, Trouble::Throttle, Trouble::Refuse, Trouble::Restart];

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (totals, stats) = (&self.report.totals, &self.report.stats);
        write!(
            f,
            "{} frames: {} persisted, {} reported lost, ",
            totals.submitted.frames, totals.persisted.frames, totals.lost.frames
        )?;
        write!(f, "{} sessions, {} reconnects, {} fragments stored;", stats.sessions, stats.reconnects, self.stored)?;
        self.troubles.iter().try_for_each(|(trouble, times)| write!(f, " {times} {trouble:?}"))
    }
}

/// Streams for so long under trouble drawn from a seed, in this folder, then checks.
///
/// # Errors
/// What keeps it from running, or the first promise found broken.
pub async fn run(folder: &Path, lasts: Duration, seed: u64) -> Result<Outcome, Box<dyn std::error::Error>> {
    let mut service = Service::start(folder).await?;
    let proxy = Proxy::start(service.address()).await?;
    let client = client(&format!("http://{}", service.address()))?;
    client.send(CreateStream::new(STREAM.parse()?).data_retention_in_hours(24)).await?;
    let stream = Producer::open(config(&format!("http://{}", proxy.address())), client).await?;
    let heard = tokio::spawn(listen(stream.events()));
    let mut troubles = BTreeMap::new();
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
                let trouble = TROUBLES[rng.usize(..TROUBLES.len())];
                *troubles.entry(trouble).or_insert(0) += 1;
                let holds = Duration::from_millis(rng.u64(200..5_000));
                tokio::select! {
                    submitted = &mut feeding => break submitted,
                    made = make(trouble, holds, &proxy, &mut service) => made?,
                }
            }
        }
    };
    proxy.heal();
    let report = stream.stop(STOP).await;
    let losses = heard.await?;
    service.shutdown().await;
    let stored = Evidence { submitted, losses, report: &report }.check(&folder.join("media"))?;
    Ok(Outcome { report, troubles, stored })
}

async fn make(trouble: Trouble, holds: Duration, proxy: &Proxy, service: &mut Service) -> io::Result<()> {
    match trouble {
        Trouble::Cut => proxy.cut(),
        Trouble::Stall => proxy.stall(),
        Trouble::Throttle => proxy.throttle(),
        Trouble::Refuse => proxy.refuse(),
        Trouble::Restart => service.kill().await,
    }
    if trouble != Trouble::Cut {
        tokio::time::sleep(holds).await;
    }
    if trouble == Trouble::Restart {
        service.restart().await?;
    }
    proxy.heal();
    Ok(())
}

/// Twenty-five frames a second in groups of one second, each with its number.
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

/// The bytes of a frame, from its number alone.
fn payload(number: u64) -> Vec<u8> {
    let length = if number.is_multiple_of(25) { 12_000 } else { 1_500 };
    let mut bytes = number.to_be_bytes().to_vec();
    bytes.resize(length, u8::try_from(number % 251).unwrap_or(0));
    bytes
}

/// All that was reported lost, until the events end.
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
/// Before the end nothing new goes wrong: what the buffer holds must be delivered.
const CALM_END: Duration = Duration::from_secs(8);
/// How long the stop may take.
const STOP: Duration = Duration::from_secs(30);

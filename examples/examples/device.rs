//! A device in the field: a certificate instead of keys, and a folder for media while the network is away.
//!
//! Sends the recording that is given, as a camera would send its frames. The certificate comes from the variables
//! `AWS_IOT_CORE_*`; without them the keys of the environment are used, for a try beside kvs-local.
//!
//! ```text
//! cargo run -p kvs-examples --example device -- front-door examples/media/clock.mp4 /var/lib/camera/spool
//! ```

use std::time::{Duration, SystemTime};

use kvs_aws::{IotConfig, IotCredentials, Region};
use kvs_media::Reader;
use kvs_producer::{
    Client, ClientConfig, Event, Frame, NewStream, Producer, ProducerConfig, SpoolConfig, StreamLookup, Timestamps,
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [stream, recording, folder] = &arguments[..] else { return Err("usage: device STREAM RECORDING SPOOL".into()) };
    let mut camera = Reader::open(recording)?.starting_with_video();

    // Keys that expire after an hour, fetched again before they do.
    let client = match IotConfig::from_env()? {
        Some(device) => {
            let region = Region::new(std::env::var("AWS_REGION")?)?;
            Client::new(ClientConfig::new(region, IotCredentials::new(device)?))?
        }
        None => Client::new(ClientConfig::from_env()?)?,
    };
    let spool = SpoolConfig::new(folder).bytes(8 << 30);
    let day = Duration::from_secs(24 * 3600);
    let config = ProducerConfig::new(stream, camera.tracks().to_vec())
        .stream_lookup(StreamLookup::CreateIfMissing(NewStream::new(day)))
        // The first frame is now, whatever the camera counts from.
        .timestamps(Timestamps::Live)
        .spool(spool);
    // Starts without a network, and sends what an earlier run left.
    let producer = Producer::open(config, client).await?;

    let mut events = producer.events();
    let watching = tokio::spawn(async move {
        while let Some(event) = events.next().await {
            match event {
                Event::Lost(loss) => eprintln!("lost {} frames: {}", loss.span.frames, loss.reason.name()),
                Event::Rejected { diagnosis, .. } => eprintln!("refused: {diagnosis}"),
                _ => {}
            }
        }
    });

    let start = SystemTime::now();
    while let Some(sample) = camera.next_sample()? {
        // A recording has all its frames at once; a camera waits for the next one here.
        let due = start + sample.pts;
        tokio::time::sleep(due.duration_since(SystemTime::now()).unwrap_or_default()).await;
        producer.put_frame(Frame::new(sample.track, sample.pts, sample.data).with_keyframe(sample.keyframe)).await?;
    }

    // Within this time; the rest stays in the spool.
    let report = producer.stop(Duration::from_secs(5)).await;
    watching.await?;
    println!("{} of {} frames persisted", report.totals.persisted.frames, report.totals.submitted.frames);
    Ok(())
}

//! What follows `kvssink` in a pipeline, property by property: reads the Matroska that GStreamer writes and sends it.
//!
//! ```text
//! before:  ... ! h264parse ! kvssink stream-name=front-door storage-size=128
//! after:   ... ! h264parse ! matroskamux streamable=true ! fdsink | cargo run -p kvs-examples --example from_kvssink -- front-door
//! ```

use std::time::{Duration, SystemTime};

use kvs_media::{Format, MediaEvent, Reader, ReaderOptions};
use kvs_producer::{
    Client, ClientConfig, Event, FragmentTag, Frame, NewStream, Producer, ProducerConfig, StreamLookup,
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // stream-name
    let stream = std::env::args().nth(1).ok_or("usage: from_kvssink STREAM <MATROSKA")?;
    let options = ReaderOptions::new().format(Format::Matroska);
    // Reads on a thread of its own in a program that does more than this.
    let mut pipeline = tokio::task::block_in_place(|| Reader::from_pipe("stdin", std::io::stdin(), &options))?;

    // access-key, secret-key, session-token, aws-region: the variables AWS_*
    let client = Client::new(ClientConfig::from_env()?)?;
    // retention-period=2 (hours)
    let created = NewStream::new(Duration::from_secs(2 * 3600));
    let config = ProducerConfig::new(&*stream, pipeline.tracks().to_vec())
        // allow-create-stream=true
        .stream_lookup(StreamLookup::CreateIfMissing(created))
        // storage-size=128 (MiB)
        .buffer_bytes(128 << 20)
        // buffer-duration=120 (seconds)
        .buffer_time(Duration::from_secs(120));
    let producer = Producer::open(config, client).await?;

    // The signals: fragment-ack, stream-error and the warnings of the element.
    let mut events = producer.events();
    let watching = tokio::spawn(async move {
        while let Some(event) = events.next().await {
            match event {
                Event::Persisted(persisted) => println!("persisted {} frames", persisted.span.frames),
                Event::Lost(loss) => eprintln!("lost {} frames: {}", loss.span.frames, loss.reason.name()),
                Event::Rejected { diagnosis, .. } => eprintln!("refused: {diagnosis}"),
                _ => {}
            }
        }
    });

    // The downstream event kvs-add-metadata with persist=true.
    producer.put_tag(FragmentTag::persistent("site", "north"))?;
    // The pipeline counts from its start; the first frame is now, as with kvssink's live sources.
    let start = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    while let Some(event) = tokio::task::block_in_place(|| pipeline.next_event())? {
        let MediaEvent::Sample(sample) = event else { continue };
        let frame = Frame::new(sample.track, start + sample.pts, sample.data).with_keyframe(sample.keyframe);
        producer.put_frame(frame).await?;
    }

    // kvssink does this at EOS.
    let report = producer.stop(Duration::from_secs(30)).await;
    watching.await?;
    println!("{} of {} frames persisted", report.totals.persisted.frames, report.totals.submitted.frames);
    if report.is_complete() { Ok(()) } else { Err("frames were lost".into()) }
}

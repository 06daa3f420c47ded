//! Events and tags: which fragments get images, which a notification, and what else is stored with them.
//!
//! Sends a recording that has just ended. The detector of this camera sees a person every six seconds.
//!
//! ```text
//! cargo run -p kvs-examples --example events -- front-door examples/media/clock.mp4
//! ```

use std::time::{Duration, SystemTime};

use kvs_media::Reader;
use kvs_producer::{
    Client, ClientConfig, Event, EventInterval, FragmentTag, Frame, ImageGeneration, NewStream, Notification, Producer,
    ProducerConfig, StreamLookup, TrackNumber,
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [stream, recording] = &arguments[..] else { return Err("usage: events STREAM RECORDING".into()) };
    let mut recording = Reader::open(recording)?.starting_with_video();

    let day = Duration::from_secs(24 * 3600);
    let config = ProducerConfig::new(stream, recording.tracks().to_vec())
        .stream_lookup(StreamLookup::CreateIfMissing(NewStream::new(day)))
        // Images of a fragment every ten seconds, whatever happens.
        .event_every(EventInterval::Time(Duration::from_secs(10)), ImageGeneration::new().with_prefix("hourly"));
    let producer = Producer::open(config, Client::new(ClientConfig::from_env()?)?).await?;
    // A persistent tag is stored with every fragment from here on.
    producer.put_tag(FragmentTag::persistent("site", "warehouse 7"))?;

    let mut events = producer.events();
    let watching = tokio::spawn(async move {
        while let Some(event) = events.next().await {
            match event {
                Event::Persisted(persisted) => println!("persisted {} frames", persisted.span.frames),
                Event::Lost(loss) => println!("lost {} frames: {}", loss.span.frames, loss.reason.name()),
                _ => {}
            }
        }
    });

    let start = SystemTime::now() - recording.duration().unwrap_or_default();
    let start = start.duration_since(SystemTime::UNIX_EPOCH)?;
    let mut next_person = Duration::ZERO;
    while let Some(sample) = recording.next_sample()? {
        let (track, pts) = (sample.track, sample.pts);
        let frame = Frame::new(track, start + pts, sample.data).with_keyframe(sample.keyframe);
        producer.put_frame(frame).await?;
        // An event belongs to the fragment of the frame that was put last.
        if track == TrackNumber::ONE && pts >= next_person {
            producer.put_event(Notification::new().with_pair("detected", "person"))?;
            producer.put_event(ImageGeneration::new().with_prefix("person").with_pair("confidence", "0.93"))?;
            next_person = pts + Duration::from_secs(6);
        }
    }

    let report = producer.stop(Duration::from_secs(10)).await;
    watching.await?;
    if report.is_complete() { Ok(()) } else { Err("frames were lost".into()) }
}

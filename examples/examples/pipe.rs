//! An encoder that writes H.264 with start codes into a pipe: a Raspberry Pi camera, ffmpeg, GStreamer.
//!
//! The splitter cuts the bytes into access units, in whatever pieces they come. Each gets the time when its first byte arrived. Run
//! it beside kvs-local, or with AWS credentials in the environment:
//!
//! ```text
//! rpicam-vid -t 0 -n --codec h264 --inline --intra 60 --flush -o - | cargo run -p kvs-examples --example pipe -- front-door
//! ```

use std::collections::VecDeque;
use std::io::Read;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use kvs_producer::codec::{AccessUnitSplitter, SplitEvent};
use kvs_producer::{Client, ClientConfig, Frame, NewStream, Producer, ProducerConfig, StreamLookup, TrackNumber};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let stream = std::env::args().nth(1).unwrap_or_else(|| "front-door".to_owned());
    let mut splitter = AccessUnitSplitter::h264(TrackNumber::ONE);
    // Offset of the first byte of each piece that was read, and when it came.
    let (mut arrivals, mut read) = (VecDeque::new(), 0);
    let (mut producer, mut last): (Option<Producer>, _) = (None, Duration::ZERO);
    loop {
        // A program that does more than this reads on a thread of its own.
        let mut buffer = vec![0; 64 << 10];
        let count = tokio::task::block_in_place(|| std::io::stdin().read(&mut buffer))?;
        buffer.truncate(count);
        arrivals.push_back((read, SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?));
        read += count as u64;
        splitter.push(Bytes::from(buffer));
        while let Some(event) = if count == 0 { splitter.finish()? } else { splitter.next_event()? } {
            match event {
                // Later ones need nothing: the producer sees new parameter sets in the access units.
                SplitEvent::Track { track, .. } if producer.is_none() => {
                    let lookup = StreamLookup::CreateIfMissing(NewStream::new(Duration::from_secs(24 * 3600)));
                    let config = ProducerConfig::new(&*stream, vec![track]).stream_lookup(lookup);
                    producer = Some(Producer::open(config, Client::new(ClientConfig::from_env()?)?).await?);
                }
                SplitEvent::AccessUnit(unit) => {
                    while arrivals.get(1).is_some_and(|(start, _)| *start <= unit.range.start) {
                        arrivals.pop_front();
                    }
                    let (Some(producer), Some((_, arrival))) = (&producer, arrivals.front()) else { continue };
                    // Frames that come together are a millisecond apart.
                    last = (*arrival).max(last + Duration::from_millis(1));
                    let keyframe = unit.is_keyframe();
                    producer.put_frame(Frame::new(TrackNumber::ONE, last, unit.data).with_keyframe(keyframe)).await?;
                }
                SplitEvent::Skipped(skipped) => eprintln!("{skipped}"),
                _ => {}
            }
        }
        if count == 0 {
            break;
        }
    }
    let report = producer.ok_or("no key frame came")?.stop(Duration::from_secs(10)).await;
    println!("{} of {} frames persisted", report.totals.persisted.frames, report.totals.submitted.frames);
    if report.is_complete() { Ok(()) } else { Err("frames were lost".into()) }
}

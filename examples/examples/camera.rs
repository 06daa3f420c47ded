//! A camera whose encoder gives H.264 with start codes (Annex B) and AAC with ADTS headers.
//!
//! The frames go to the producer as they are: it finds the codec private data in them, and replaces start codes and headers
//! by what Matroska needs. Run it beside kvs-local, or with AWS credentials in the environment:
//!
//! ```text
//! cargo run -p kvs-examples --example camera -- front-door
//! ```

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use kvs_producer::codec::{h264, nal};
use kvs_producer::{
    Client, ClientConfig, CodecId, Frame, NewStream, Producer, ProducerConfig, StreamLookup, Track, TrackKind,
    TrackNumber,
};
use rusty_h264_common::YuvFrame;
use rusty_h264_encoder::{Encoder, EncoderConfig};

const SIZE: (usize, usize) = (320, 240);
const FRAMES_PER_SECOND: u32 = 25;
/// One frame of silence: AAC-LC, 16 kHz, mono, with its ADTS header.
const SILENCE: &[u8] = &[0xff, 0xf1, 0x60, 0x40, 0x01, 0xbf, 0xfc, 0x00, 0xc8, 0x00, 0x80, 0x23, 0x80];
/// An AAC frame has 1024 samples: 64 ms at 16 kHz.
const AUDIO_FRAME: Duration = Duration::from_millis(64);

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let stream = std::env::args().nth(1).unwrap_or_else(|| "front-door".to_owned());
    let tracks = vec![
        Track::new(TrackNumber::ONE, TrackKind::Video, CodecId::H264),
        Track::new(TrackNumber::TWO, TrackKind::Audio, CodecId::AAC),
    ];
    let day = Duration::from_secs(24 * 3600);
    let config = ProducerConfig::new(stream, tracks).stream_lookup(StreamLookup::CreateIfMissing(NewStream::new(day)));
    let producer = Producer::open(config, Client::new(ClientConfig::from_env()?)?).await?;

    let mut encoder = Encoder::new(EncoderConfig::baseline(SIZE.0, SIZE.1))?;
    let start = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let mut clock = tokio::time::interval(Duration::from_secs(1) / FRAMES_PER_SECOND);
    let mut audio_sent = Duration::ZERO;
    for number in 0..4 * FRAMES_PER_SECOND {
        clock.tick().await;
        let pts = Duration::from_secs(1) * number / FRAMES_PER_SECOND;
        let access_unit = Bytes::from(encoder.try_encode(&picture(number))?);
        let keyframe = h264::is_keyframe(nal::units(&access_unit)?);
        producer.put_frame(Frame::new(TrackNumber::ONE, start + pts, access_unit).with_keyframe(keyframe)).await?;
        while audio_sent <= pts {
            producer.put_frame(Frame::new(TrackNumber::TWO, start + audio_sent, SILENCE)).await?;
            audio_sent += AUDIO_FRAME;
        }
    }

    let report = producer.stop(Duration::from_secs(10)).await;
    let totals = &report.totals;
    println!("{} of {} frames persisted", totals.persisted.frames, totals.submitted.frames);
    if report.is_complete() { Ok(()) } else { Err("frames were lost".into()) }
}

/// What the sensor sees: a bright column that moves to the right.
fn picture(number: u32) -> YuvFrame {
    let (width, height) = SIZE;
    let column = number as usize * 4 % width;
    let row: Vec<u8> = (0..width).map(|x| if x.abs_diff(column) < 8 { 220 } else { 40 }).collect();
    let grey = vec![128; width * height / 4];
    YuvFrame { width, height, y: row.repeat(height), u: grey.clone(), v: grey }
}

//! What the core costs: time a frame from put to the last ack, the same during an outage, and memory a stream.
//!
//! `cargo run --release -p kvs-producer --example core_cost`

use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use kvs_mkv::{CodecId, Frame, Track, TrackKind, TrackNumber};
use kvs_producer::{Answer, Bootstrap, Call, Config, Producer, Transmit};

const WALL: Duration = Duration::from_secs(1_714_521_600);

fn main() {
    let mix = |n: u64| if n.is_multiple_of(50) { 60_000 } else { 8_000 };
    for (name, kind, size) in [
        ("1080p mix, lengths", TrackKind::Video, &mix as &dyn Fn(u64) -> usize),
        ("sound of 200 B", TrackKind::Audio, &|_| 200),
    ] {
        let best = (0..5).map(|_| streaming(kind, size)).min().unwrap_or_default();
        println!("{name}: {} ns a frame from put to three acks a fragment", best.as_nanos());
    }
    for seconds in [10, 60, 600] {
        let best = (0..5).map(|_| outage(seconds, &mix)).min().unwrap_or_default();
        println!("{seconds:>4} s buffered in an outage: {} ns a frame", best.as_nanos());
    }
    println!("{} bytes a stream with nothing buffered", memory());
}

fn producer(kind: TrackKind, now: Instant) -> Producer {
    let codec = if kind == TrackKind::Video { CodecId::H264 } else { CodecId::AAC };
    let track = Track::new(TrackNumber::ONE, kind, codec).with_codec_private(vec![1, 0x64, 0, 0x1e]);
    let config = Config::new("cam", vec![track])
        .bootstrap(Bootstrap::FixedEndpoint("https://data".to_owned()))
        .buffer_bytes(1 << 30)
        .buffer_time(Duration::from_secs(3600));
    Producer::new(config, now, SystemTime::UNIX_EPOCH + WALL).expect("the configuration works")
}

/// A frame of one length-prefixed NAL unit; all of one size share their bytes.
fn frames(size: &dyn Fn(u64) -> usize, count: u64) -> Vec<Frame> {
    let mut made: Vec<(usize, Bytes)> = Vec::new();
    let make = |n: u64| {
        let length = size(n);
        let known = made.iter().find(|(known, _)| *known == length).map(|(_, bytes)| bytes.clone());
        let bytes = known.unwrap_or_else(|| {
            let unit = u32::try_from(length - 4).unwrap_or(0).to_be_bytes();
            let mut data = unit.to_vec();
            data.resize(length, 0x41);
            let bytes = Bytes::from(data);
            made.push((length, bytes.clone()));
            bytes
        });
        let key = n.is_multiple_of(50);
        Frame::new(TrackNumber::ONE, WALL + Duration::from_millis(n * 40), bytes).with_keyframe(key)
    };
    (0..count).map(make).collect()
}

fn streaming(kind: TrackKind, size: &dyn Fn(u64) -> usize) -> Duration {
    const FRAMES: u64 = 100_000;
    let now = Instant::now();
    let mut producer = producer(kind, now);
    let frames = frames(size, FRAMES);
    // The fragment whose acks come next.
    let mut due = u64::try_from(WALL.as_millis()).unwrap_or(0);
    let begun = Instant::now();
    for frame in frames {
        let ms = u64::try_from(frame.pts.as_millis()).unwrap_or(0);
        producer.put_frame(frame, now).expect("there is room");
        while let Some(transmit) = producer.poll_transmit(now) {
            match transmit {
                Transmit::Call { id, call: Call::Credentials(_) } => {
                    producer.handle_answer(id, Answer::Credentials { lasts: None }, now);
                }
                Transmit::Open { session, .. } => producer.handle_opened(session, now),
                Transmit::Body { session, chunks } => {
                    producer.handle_sent(session, chunks.len(), now);
                    // A fragment is complete with the next one's beginning, two seconds later.
                    if ms.saturating_sub(due) >= 4000 {
                        let acked = due;
                        due += 2000;
                        for kind in ["BUFFERING", "RECEIVED", "PERSISTED"] {
                            let ack = format!(
                                r#"{{"EventType":"{kind}","FragmentTimecode":{acked},"FragmentNumber":"91343852333181432392682062607743920146159169392"}}"#
                            );
                            producer.handle_ack(session, ack.as_bytes(), now);
                        }
                    }
                }
                _ => {}
            }
        }
        while let Some(event) = producer.poll_event() {
            drop(event);
        }
    }
    let took = begun.elapsed() / u32::try_from(FRAMES).unwrap_or(1);
    assert!(producer.stats().totals.persisted.frames > FRAMES * 9 / 10, "acks are found");
    took
}

/// The time of a put and a poll when so much is buffered and nothing goes out.
fn outage(seconds: u64, size: &dyn Fn(u64) -> usize) -> Duration {
    const MEASURED: u64 = 5_000;
    let now = Instant::now();
    let mut producer = producer(TrackKind::Video, now);
    let before = seconds * 25;
    let mut begun = now;
    for (n, frame) in (0..).zip(frames(size, before + MEASURED)) {
        if n == before {
            begun = Instant::now();
        }
        producer.put_frame(frame, now).expect("there is room");
        while let Some(transmit) = producer.poll_transmit(now) {
            drop(transmit);
        }
    }
    begun.elapsed() / u32::try_from(MEASURED).unwrap_or(1)
}

/// Resident memory of many streams, each having sent nothing yet, divided by their number.
fn memory() -> u64 {
    const STREAMS: u64 = 10_000;
    let now = Instant::now();
    let before = resident();
    let streams: Vec<Producer> = (0..STREAMS).map(|_| producer(TrackKind::Video, now)).collect();
    let after = resident();
    drop(streams);
    after.saturating_sub(before) / STREAMS
}

fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = status.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0);
    pages * 4096
}

//! Cost of the producer core: time per frame from `put_frame` to the last ack, compared with a bare search for start codes; time
//! per frame during an outage; memory per stream.
//!
//! `cargo run --release -p kvs-tools --bin core_cost`

mod journey;

use std::time::{Duration, Instant};

use journey::{Journey, Media};
use memchr::memmem;

const FRAMES: u32 = 100_000;

fn main() {
    // For profilers: one measurement only.
    match std::env::args().nth(1).as_deref() {
        Some("lengths") => return println!("{:?}", streaming(Media::Lengths)),
        Some("start-codes") => return println!("{:?}", streaming(Media::StartCodes)),
        Some("sound") => return println!("{:?}", streaming(Media::Sound)),
        _ => {}
    }
    for (name, media) in [("1080p mix, lengths", Media::Lengths), ("sound of 200 B", Media::Sound)] {
        println!(
            "{name}: {} ns per frame from put_frame to three acks per fragment",
            best(|| streaming(media)).as_nanos()
        );
    }
    // In turns, because the speed of a shared machine varies.
    let [mut ours, mut bare, mut searched] = [Duration::MAX; 3];
    for _ in 0..ROUNDS {
        ours = ours.min(streaming(Media::StartCodes));
        bare = bare.min(search());
        searched = searched.min(searched_streaming());
    }
    let ratio = |of: Duration, to: Duration| of.as_secs_f64() / to.as_secs_f64();
    println!(
        "1080p mix, start codes: {} ns a frame, a bare search {} ns: {:.2}",
        ours.as_nanos(),
        bare.as_nanos(),
        ratio(ours, bare)
    );
    println!(
        "the same behind lengths, each frame searched before it is put: {} ns, and start codes beside that: {:.2}",
        searched.as_nanos(),
        ratio(ours, searched)
    );
    for seconds in [10, 60, 600] {
        println!("{seconds:>4} s buffered in an outage: {} ns per frame", best(|| outage(seconds)).as_nanos());
    }
    let (made, idle) = memory();
    println!("{made} bytes per new stream, {idle} when connected and idle after eight seconds of audio");
}

const ROUNDS: u32 = 7;

fn best(measure: impl Fn() -> Duration) -> Duration {
    (0..ROUNDS).map(|_| measure()).min().unwrap_or_default()
}

fn streaming(media: Media) -> Duration {
    let payloads = media.payloads();
    let mut journey = Journey::new(media);
    let begun = Instant::now();
    for payload in payloads.iter().cycle().take(FRAMES as usize) {
        journey.step(payload);
    }
    let took = begun.elapsed() / FRAMES;
    let persisted = journey.producer.stats().totals.persisted;
    assert!(persisted.frames > u64::from(FRAMES) * 9 / 10, "acks are found");
    assert!(journey.body_bytes > persisted.bytes, "all of it went out");
    took
}

/// Measures a bare search for start codes.
fn search() -> Duration {
    let payloads = Media::StartCodes.payloads();
    let finder = memmem::Finder::new(&[0, 0, 1]);
    let begun = Instant::now();
    let found: usize = payloads.iter().cycle().take(FRAMES as usize).map(|data| finder.find_iter(data).count()).sum();
    let took = begun.elapsed() / FRAMES;
    assert!(found > FRAMES as usize, "every frame has a start code");
    took
}

/// Measures length-prefixed frames with a bare search of each payload: the lower bound for start codes.
fn searched_streaming() -> Duration {
    let payloads = Media::Lengths.payloads();
    let finder = memmem::Finder::new(&[0, 0, 1]);
    let mut journey = Journey::new(Media::Lengths);
    let (begun, mut found) = (Instant::now(), 0);
    for payload in payloads.iter().cycle().take(FRAMES as usize) {
        found += finder.find_iter(payload).count();
        journey.step(payload);
    }
    let took = begun.elapsed() / FRAMES;
    assert!(found < FRAMES as usize, "lengths are no start codes");
    took
}

/// Measures a put and a poll with this much media buffered and no connection.
fn outage(seconds: u64) -> Duration {
    const MEASURED: u32 = 5_000;
    let payloads = Media::Lengths.payloads();
    let mut journey = Journey::new(Media::Lengths);
    let mut frames = payloads.iter().cycle();
    for payload in frames.by_ref().take(usize::try_from(seconds * 25).unwrap_or(usize::MAX)) {
        journey.step_unheard(payload);
    }
    let begun = Instant::now();
    for payload in frames.take(MEASURED as usize) {
        journey.step_unheard(payload);
    }
    begun.elapsed() / MEASURED
}

/// Resident memory of many streams, divided by their number: as they are made, and with an open connection on which all was
/// acked. They share their payloads.
fn memory() -> (u64, u64) {
    const STREAMS: u64 = 2_000;
    let payloads = Media::Sound.payloads();
    let before = resident();
    let mut streams: Vec<Journey> = (0..STREAMS).map(|_| Journey::new(Media::Sound)).collect();
    let made = resident();
    for stream in &mut streams {
        payloads.iter().for_each(|payload| stream.step(payload));
        stream.settle();
        assert_eq!(stream.producer.stats().buffered_fragments, 0, "all is acked");
    }
    let idle = resident();
    drop(streams);
    (made.saturating_sub(before) / STREAMS, idle.saturating_sub(before) / STREAMS)
}

fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = status.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0);
    pages * 4096
}

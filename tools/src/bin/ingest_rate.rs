//! Speed of the ingest core and the store: `cargo run --release -p kvs-tools --bin ingest_rate`.
//!
//! All figures are of one run on one thread, without HTTP, in processor time: what waits for a disk is not in them. The first line is what copying the same bytes costs, to compare
//! machines by.

use std::time::{Duration, Instant, SystemTime};

use bytes::{Bytes, BytesMut};
use kvs_local::__internal::ingest::{FragmentTimecodeType, Ingest, IngestConfig, Now};
use kvs_local::__internal::store::{Durability, Store, StorePolicy};
use kvs_mkv::{CodecId, Frame, SegmentInfo, Track, TrackKind, TrackNumber, Writer};

/// About what hyper hands over at a time.
const PIECE: usize = 64 << 10;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // 40 fragments of 2 s at 25 frames a second, about 200 MB in all.
    let body = body(40, 50, 100_000)?;
    let megabytes = body.len() as f64 / 1e6;
    let ((), time) = timed(|| body.chunks(PIECE).for_each(|piece| drop(std::hint::black_box(piece.to_vec()))));
    println!("{megabytes:.0} MB copied piece by piece: {:.0} MB/s", megabytes / time);
    let (fragments, time) = timed(|| ingest(&body, None));
    println!("one stream to RECEIVED: {:.0} MB/s ({} fragments)", megabytes / time, fragments?);
    for durability in [Durability::Written, Durability::Synced] {
        let dir = tempfile::tempdir()?;
        let store = Store::open(dir.path(), StorePolicy::default().durability(durability))?;
        let (fragments, time) = timed(|| ingest(&body, Some(&store)));
        println!("one stream to PERSISTED, {durability:?}: {:.0} MB/s ({} fragments)", megabytes / time, fragments?);
    }
    many(1000)
}

/// So many streams of 1 Mbit/s: how long their next ten seconds take.
fn many(streams: usize) -> Result<(), Box<dyn std::error::Error>> {
    let body = body(5, 50, 5000)?;
    for durability in [None, Some(Durability::Written), Some(Durability::Synced)] {
        let dir = tempfile::tempdir()?;
        let policy = StorePolicy::default().durability(durability.unwrap_or_default());
        let store = Store::open(dir.path(), policy)?;
        let mut sessions: Vec<Ingest> = (0..streams).map(|_| session()).collect();
        let (stored, time) = timed(|| -> Result<usize, Box<dyn std::error::Error>> {
            let mut stored = 0;
            // As they would come: a frame of every stream in turn.
            for at in (0..body.len()).step_by(5013) {
                let piece = body.slice(at..body.len().min(at + 5013));
                for (n, session) in sessions.iter_mut().enumerate() {
                    session.handle_body(piece.clone(), now());
                    stored += drain(session, &format!("camera-{n}"), durability.map(|_| &store))?;
                }
            }
            Ok(stored)
        });
        let goal = durability.map_or("RECEIVED".to_owned(), |durability| format!("PERSISTED, {durability:?}"));
        println!(
            "10 s of {streams} streams of 1 Mbit/s to {goal}: {time:.2} s, {:.1} times as fast as they come ({} fragments)",
            10.0 / time,
            stored?
        );
    }
    Ok(())
}

fn ingest(body: &Bytes, store: Option<&Store>) -> Result<usize, Box<dyn std::error::Error>> {
    let mut session = session();
    let mut fragments = 0;
    for at in (0..body.len()).step_by(PIECE) {
        session.handle_body(body.slice(at..body.len().min(at + PIECE)), now());
        fragments += drain(&mut session, "camera", store)?;
    }
    session.handle_end(now());
    fragments += drain(&mut session, "camera", store)?;
    assert!(session.is_finished());
    Ok(fragments)
}

/// Stores what is complete and takes the acks, as the service does.
fn drain(session: &mut Ingest, stream: &str, store: Option<&Store>) -> Result<usize, Box<dyn std::error::Error>> {
    let mut count = 0;
    while let Some(fragment) = session.poll_fragment() {
        if let Some(store) = store {
            store.append(stream, &fragment)?;
        }
        session.handle_stored(&fragment.number, Ok(()), now());
        count += 1;
    }
    while let Some(ack) = session.poll_ack() {
        std::hint::black_box(ack.to_line());
    }
    Ok(count)
}

fn session() -> Ingest {
    Ingest::new(IngestConfig::new(FragmentTimecodeType::Absolute), now())
}

fn now() -> Now {
    Now { at: Instant::now(), wall: SystemTime::now() }
}

fn body(fragments: u64, frames: u64, payload: usize) -> Result<Bytes, Box<dyn std::error::Error>> {
    let track = Track::new(TrackNumber::ONE, TrackKind::Video, CodecId::H264);
    let mut writer = Writer::new(SegmentInfo::new([1; 16]), vec![track])?;
    let mut body = BytesMut::from(&writer.start_segment()[..]);
    for fragment in 0..fragments {
        let start = Duration::from_secs(1_700_000_000 + fragment * 2);
        body.extend_from_slice(&writer.start_cluster(start)?);
        for frame in 0..frames {
            let data = Bytes::from(vec![0x65; payload]);
            let at = start + Duration::from_millis(frame * 40);
            for piece in writer.block(Frame::new(TrackNumber::ONE, at, data).with_keyframe(frame == 0))? {
                body.extend_from_slice(&piece);
            }
        }
    }
    Ok(body.freeze())
}

/// Seconds of processor time where the system tells them, so that a busy machine gives the same figures; else by the clock.
fn timed<T>(work: impl FnOnce() -> T) -> (T, f64) {
    let (start, worked) = (Instant::now(), on_processor());
    let result = work();
    let time = on_processor().zip(worked).map_or(start.elapsed(), |(after, before)| after.saturating_sub(before));
    (result, time.as_secs_f64())
}

fn on_processor() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(Duration::from_nanos(text.split(' ').next()?.parse().ok()?))
}

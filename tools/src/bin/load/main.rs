//! Load on a service: many PutMedia connections, to measure whether it keeps up and what it costs.
//!
//! ```text
//! kvs-local --listen 127.0.0.1:4567 --one-port --anonymous --data-dir /tmp/load &
//! cargo run --release -p kvs-tools --bin load -- --streams 1000 --kbit 1000 --seconds 60 --pid $!
//! ```
//!
//! Frames go out when they are due, 25 a second, in fragments of two seconds. A service that falls behind shows as frames that
//! leave late, since the connection takes them no faster, and as PERSISTED acks that come late. `--kbit 0` sends as fast as
//! the service takes it.

mod readers;

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use clap::Parser;
use kvs_mkv::{CodecId, Frame, SegmentInfo, Track, TrackKind, TrackNumber, Writer};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use readers::Played;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Loads a service that accepts unsigned requests (`kvs-local --anonymous --one-port`).
#[derive(Clone, Debug, Parser)]
struct Arguments {
    /// Address of the service.
    #[arg(long, default_value = "127.0.0.1:4567")]
    address: SocketAddr,
    /// Number of streams, `load-0` and so on; created if they do not exist.
    #[arg(long, default_value_t = 1000)]
    streams: u64,
    /// Kilobits per second of each stream; 0 for full speed.
    #[arg(long, default_value_t = 1000)]
    kbit: u64,
    /// Duration in seconds.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Retention of created streams in hours; 0 means not archived, so RECEIVED is the last ack.
    #[arg(long, default_value_t = 1)]
    retention_hours: u64,
    /// Bytes per frame with `--kbit 0`.
    #[arg(long, default_value_t = 100_000)]
    frame_bytes: usize,
    /// Players that follow the first streams by HLS, one each.
    #[arg(long, default_value_t = 0)]
    readers: u64,
    /// Process id of the service, to report its memory and processor time (Linux).
    #[arg(long)]
    pid: Option<u32>,
    /// Interval of the progress lines in seconds.
    #[arg(long, default_value_t = 10)]
    every: u64,
}

const FRAME_TIME: Duration = Duration::from_millis(40);
const FRAMES: u64 = 50;
/// The service ends a connection after 45 minutes.
const SESSION: Duration = Duration::from_secs(40 * 60);
/// The service has fallen behind if frames are sent later than this: half a fragment.
const BEHIND: Duration = Duration::from_secs(1);

/// Counters of all streams together.
#[derive(Debug, Default)]
struct Counters {
    sent: AtomicU64,
    received: AtomicU64,
    persisted: AtomicU64,
    errors: AtomicU64,
    /// Fragments that were sent.
    fragments: AtomicU64,
    /// Largest delay of a frame since the last progress line, in µs.
    late: AtomicU64,
    /// Largest delay of a frame, in µs.
    latest: AtomicU64,
    /// Longest time from the end of a fragment to its last ack, in µs.
    slowest: AtomicU64,
    latency: AtomicU64,
    timed: AtomicU64,
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let arguments = Arguments::parse();
    for number in 0..arguments.streams {
        create(&arguments, number).await?;
    }
    let (counters, began) = (Arc::new(Counters::default()), Instant::now());
    let before = arguments.pid.and_then(processor_time);
    let progress = tokio::spawn(report_progress(arguments.clone(), Arc::clone(&counters), began));
    let mut producers = JoinSet::new();
    for number in 0..arguments.streams {
        producers.spawn(produce(arguments.clone(), number, began, Arc::clone(&counters)));
    }
    let (played, mut players) = (Arc::new(Played::default()), JoinSet::new());
    let end = began + Duration::from_secs(arguments.seconds);
    for number in 0..arguments.readers {
        players.spawn(readers::follow(arguments.address, format!("load-{number}"), end, Arc::clone(&played)));
    }
    while let Some(ended) = producers.join_next().await {
        ended??;
    }
    while let Some(ended) = players.join_next().await {
        ended??;
    }
    progress.abort();
    print_summary(&arguments, &counters, began.elapsed(), before);
    if arguments.readers > 0 {
        let [fragments, bytes, missed, refused] =
            [&played.fragments, &played.bytes, &played.missed, &played.refused].map(|one| one.load(Ordering::Relaxed));
        let megabytes = bytes as f64 / 1e6;
        println!("players read {fragments} fragments, {megabytes:.0} MB; {missed} missed, {refused} refused");
    }
    Ok(())
}

async fn create(arguments: &Arguments, number: u64) -> Result<(), BoxError> {
    let body = format!(r#"{{"StreamName":"load-{number}","DataRetentionInHours":{}}}"#, arguments.retention_hours);
    let mut tcp = TcpStream::connect(arguments.address).await?;
    let request = format!(
        "POST /createStream HTTP/1.1\r\nhost: {}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        arguments.address,
        body.len()
    );
    tcp.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    tcp.read_to_string(&mut answer).await?;
    if answer.starts_with("HTTP/1.1 200") || answer.contains("ResourceInUseException") {
        return Ok(());
    }
    Err(format!("cannot create the stream: {answer}").into())
}

async fn produce(arguments: Arguments, number: u64, began: Instant, counters: Arc<Counters>) -> Result<(), BoxError> {
    // Cameras do not start together: key frames and ends of fragments are spread over the time of a fragment.
    let phase = FRAME_TIME * u32::try_from(FRAMES * number / arguments.streams.max(1))?;
    let (mut from, end) = (began + phase, began + phase + Duration::from_secs(arguments.seconds));
    while from < end {
        let until = end.min(from + SESSION);
        session(&arguments, number, from, until, &counters).await?;
        from = until;
    }
    Ok(())
}

/// One connection, whose first frame is due at `began` and whose last fragment begins before `end`.
async fn session(
    arguments: &Arguments,
    number: u64,
    began: Instant,
    end: Instant,
    counters: &Arc<Counters>,
) -> Result<(), BoxError> {
    sleep_until(began).await;
    let tcp = TcpStream::connect(arguments.address).await?;
    tcp.set_nodelay(true)?;
    let (read, mut write) = tcp.into_split();
    let head = format!(
        "POST /putMedia HTTP/1.1\r\nhost: {}\r\nx-amzn-stream-name: load-{number}\r\n\
         x-amzn-fragment-timecode-type: ABSOLUTE\r\ntransfer-encoding: chunked\r\n\r\n",
        arguments.address
    );
    write.write_all(head.as_bytes()).await?;
    let acks = tokio::spawn(read_acks(read, Arc::clone(counters)));
    // Stays open until the last ack: the service treats a half-closed connection as closed.
    let write = send(arguments, write, began, end, counters).await?;
    let read = acks.await?;
    drop(write);
    read
}

async fn send(
    arguments: &Arguments,
    mut to: OwnedWriteHalf,
    began: Instant,
    end: Instant,
    counters: &Counters,
) -> Result<OwnedWriteHalf, BoxError> {
    let size = match arguments.kbit {
        0 => arguments.frame_bytes,
        kbit => usize::try_from(kbit * 1000 / 8 / 25)?,
    };
    // One NAL unit behind its length.
    let mut payload = u32::try_from(size.saturating_sub(4))?.to_be_bytes().to_vec();
    payload.resize(size.max(5), 0x65);
    let payload = Bytes::from(payload);
    let track = Track::new(TrackNumber::ONE, TrackKind::Video, CodecId::H264).with_codec_private(readers::AVCC);
    let mut writer = Writer::new(SegmentInfo::new([1; 16]), vec![track])?;
    let mut chunk = writer.start_segment().to_vec();
    let mut start = UNIX_EPOCH.elapsed()?;
    for frame in 0_u64.. {
        let due = began + FRAME_TIME * u32::try_from(frame)?;
        if arguments.kbit > 0 {
            sleep_until(due).await;
            raise(&counters.late, due.elapsed());
            raise(&counters.latest, due.elapsed());
        }
        let (place, first) = (frame % FRAMES, frame % FRAMES == 0);
        if first {
            if Instant::now() >= end {
                break;
            }
            start = start.max(if arguments.kbit > 0 { UNIX_EPOCH.elapsed()? } else { start });
            chunk.extend_from_slice(&writer.start_cluster(start)?);
        }
        let at = start + FRAME_TIME * u32::try_from(place)?;
        for piece in writer.block(Frame::new(TrackNumber::ONE, at, payload.clone()).with_keyframe(first))? {
            chunk.extend_from_slice(&piece);
        }
        if place == FRAMES - 1 {
            chunk.extend_from_slice(&writer.end_of_fragment());
            counters.fragments.fetch_add(1, Ordering::Relaxed);
            start = at + FRAME_TIME;
        }
        put_chunk(&mut to, &chunk).await?;
        counters.sent.fetch_add(chunk.len() as u64, Ordering::Relaxed);
        chunk.clear();
    }
    to.write_all(b"0\r\n\r\n").await?;
    Ok(to)
}

async fn put_chunk(to: &mut OwnedWriteHalf, bytes: &[u8]) -> Result<(), BoxError> {
    let mut head = String::new();
    write!(head, "{:x}\r\n", bytes.len())?;
    to.write_all(head.as_bytes()).await?;
    to.write_all(bytes).await?;
    to.write_all(b"\r\n").await?;
    Ok(())
}

async fn read_acks(from: OwnedReadHalf, counters: Arc<Counters>) -> Result<(), BoxError> {
    let mut lines = BufReader::new(from).lines();
    let mut status = String::new();
    loop {
        let line = timeout(Duration::from_secs(60), lines.next_line()).await??;
        let Some(line) = line else { return Ok(()) };
        if status.is_empty() {
            status.clone_from(&line);
            if !status.starts_with("HTTP/1.1 200") {
                return Err(status.into());
            }
        }
        if line == "0" {
            return Ok(());
        }
        let Ok(ack) = serde_json::from_str::<serde_json::Value>(&line) else { continue };
        let counter = match ack["EventType"].as_str() {
            Some("RECEIVED") => &counters.received,
            Some("PERSISTED") => &counters.persisted,
            Some("ERROR") => &counters.errors,
            _ => continue,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        if ack["EventType"] == "PERSISTED"
            && let Some(start) = ack["FragmentTimecode"].as_u64()
        {
            let end = UNIX_EPOCH + Duration::from_millis(start) + FRAME_TIME * u32::try_from(FRAMES - 1)?;
            let took = SystemTime::now().duration_since(end).unwrap_or_default();
            raise(&counters.slowest, took);
            counters.latency.fetch_add(micros(took), Ordering::Relaxed);
            counters.timed.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn raise(most: &AtomicU64, time: Duration) {
    most.fetch_max(micros(time), Ordering::Relaxed);
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

async fn report_progress(arguments: Arguments, counters: Arc<Counters>, began: Instant) {
    let mut ticks = tokio::time::interval(Duration::from_secs(arguments.every.max(1)));
    ticks.tick().await;
    loop {
        ticks.tick().await;
        println!("{}", state(&arguments, &counters, began.elapsed()));
        counters.late.store(0, Ordering::Relaxed);
    }
}

fn state(arguments: &Arguments, counters: &Counters, elapsed: Duration) -> String {
    let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let megabytes = get(&counters.sent) as f64 / 1e6;
    let memory = arguments.pid.and_then(resident).map_or(String::new(), |mb| format!(", service {mb:.1} MB resident"));
    let (received, persisted) = (get(&counters.received), get(&counters.persisted));
    let errors = get(&counters.errors);
    let rate = megabytes / elapsed.as_secs_f64();
    let late = get(&counters.late) / 1000;
    format!(
        "{:.0} s: {megabytes:.0} MB, {rate:.1} MB/s, {received} RECEIVED, {persisted} PERSISTED, {errors} ERROR, latest frame {late} ms late{memory}",
        elapsed.as_secs_f64(),
    )
}

fn print_summary(arguments: &Arguments, counters: &Counters, elapsed: Duration, before: Option<Duration>) {
    println!("{}", state(arguments, counters, elapsed));
    println!("{} whole fragments were sent", counters.fragments.load(Ordering::Relaxed));
    let timed = counters.timed.load(Ordering::Relaxed);
    let slowest = counters.slowest.load(Ordering::Relaxed);
    if arguments.kbit > 0 && timed > 0 {
        let mean = counters.latency.load(Ordering::Relaxed) / timed / 1000;
        println!("from the end of a fragment to PERSISTED: {mean} ms on average, {} ms at most", slowest / 1000);
    }
    if let (Some(before), Some(after)) = (before, arguments.pid.and_then(processor_time)) {
        let used = after.saturating_sub(before).as_secs_f64();
        println!("the service used {used:.1} s of processor time, {:.2} cores", used / elapsed.as_secs_f64());
    }
    if arguments.kbit > 0 {
        let (late, latest) = (counters.late.load(Ordering::Relaxed), counters.latest.load(Ordering::Relaxed));
        let verdict = if Duration::from_micros(late) < BEHIND { "it kept up" } else { "it fell behind" };
        println!("{verdict}: frames were at most {} ms late at the end, {} ms overall", late / 1000, latest / 1000);
    }
}

/// Returns the resident memory of a process in MB.
fn resident(pid: u32) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<f64>().ok()? / 1024.0)
}

/// Returns the processor time of all threads of a process, in ticks of 10 ms.
fn processor_time(pid: u32) -> Option<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    Some(Duration::from_millis(ticks * 10))
}

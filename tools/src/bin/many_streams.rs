//! Many streams of 1 Mbit/s in one process: a table of processor time, memory and losses.
//!
//! Start `kvs-local` in a process of its own, with plain HTTP, and pass its address as `--endpoint`.

use std::fs;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use clap::Parser;
use futures_util::future::join_all;
use kvs_aws::Client;
use kvs_mkv::{CodecId, Frame, Track, TrackKind, TrackNumber};
use kvs_producer::{BitstreamMode, NewStream, Producer, ProducerConfig, StopReport, StreamLookup};
use kvs_tools::program::{self, BoxError, Service};

/// Sends 25 frames of 5,000 bytes per second on each of many streams.
#[derive(Debug, Parser)]
struct Options {
    #[command(flatten)]
    service: Service,
    /// How many streams, one row of the table each.
    #[arg(long, value_delimiter = ',', default_value = "1,10,100,1000")]
    streams: Vec<u32>,
    /// Duration of each row in seconds.
    #[arg(long, default_value_t = 120)]
    seconds: u64,
    /// Spread of the start times, so that the streams do not all send at the same instant.
    #[arg(long, default_value_t = 2000)]
    spread_ms: u64,
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    program::exit_code(run(&options).await)
}

async fn run(options: &Options) -> Result<(), BoxError> {
    let client = options.service.client()?;
    println!("| streams | s | CPU s | CPU of a core | peak RSS MB | frames | persisted | lost | reconnects |");
    println!("|---|---|---|---|---|---|---|---|---|");
    for &count in &options.streams {
        println!("{}", row(&client, count, options).await?);
    }
    Ok(())
}

async fn row(client: &Client, count: u32, options: &Options) -> Result<String, BoxError> {
    // Linux: resets the peak of resident memory.
    let _ = fs::write("/proc/self/clear_refs", "5");
    let (cpu, begun) = (cpu_seconds(), Instant::now());
    let streams = (0..count).map(|nth| one(client.clone(), nth, count, options));
    let reports = join_all(streams).await.into_iter().collect::<Result<Vec<_>, _>>()?;
    let (cpu, wall) = (cpu_seconds() - cpu, begun.elapsed().as_secs_f64());
    let sum = |of: fn(&StopReport) -> u64| reports.iter().map(of).sum::<u64>();
    Ok(format!(
        "| {count} | {wall:.0} | {cpu:.2} | {:.1} % | {:.1} | {} | {} | {} | {} |",
        100.0 * cpu / wall,
        peak_kilobytes() as f64 / 1024.0,
        sum(|report| report.totals.submitted.frames),
        sum(|report| report.totals.persisted.frames),
        sum(|report| report.totals.lost.frames),
        sum(|report| report.stats.reconnects),
    ))
}

async fn one(client: Client, nth: u32, count: u32, options: &Options) -> Result<StopReport, BoxError> {
    let video = Track::new(TrackNumber::ONE, TrackKind::Video, CodecId::H264).with_codec_private(vec![1; 20]);
    let config = ProducerConfig::new(format!("many-{count}-{nth}"), vec![video])
        .seed(u64::from(nth))
        .bitstream_mode(BitstreamMode::Passthrough)
        .buffer_bytes(4 << 20)
        .stream_lookup(StreamLookup::CreateIfMissing(NewStream::new(Duration::from_secs(3600))));
    let spread = Duration::from_millis(options.spread_ms * u64::from(nth) / u64::from(count));
    tokio::time::sleep(spread).await;
    let stream = Producer::open(config, client).await?;
    let payload = Bytes::from(vec![0x41; 5_000]);
    let mut clock = tokio::time::interval(Duration::from_millis(40));
    for number in 0..options.seconds * 25 {
        clock.tick().await;
        let pts = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let frame = Frame::new(TrackNumber::ONE, pts, payload.clone()).with_keyframe(number.is_multiple_of(50));
        stream.put_frame(frame).await?;
    }
    Ok(stream.stop(Duration::from_secs(60)).await)
}

/// Processor time of this process so far, in seconds; the kernel counts in hundredths.
fn cpu_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    // proc(5): utime and stime are fields 14 and 15; the name, field 2, may hold blanks.
    fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// Returns the peak resident memory in kB.
fn peak_kilobytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.and_then(|peak| peak.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

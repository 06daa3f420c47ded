//! Many streams of 1 Mbit/s in one process: a table of processor time, memory and losses.
//!
//! Start `kvs-local` in a process of its own and pass its address as `--endpoint`, with `--tls` also `--ca`. As in `kvs gateway`, each
//! stream has a task, and all tasks run on one thread.

use std::fs;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use clap::Parser;
use kvs_aws::Client;
use kvs_mkv::{CodecId, Frame, Track, TrackKind, TrackNumber};
use kvs_producer::{BitstreamMode, Event, NewStream, Producer, ProducerConfig, StopReport, StreamLookup};
use kvs_tools::program::{self, BoxError, Service};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

/// Sends 25 frames of 5,000 bytes per second on each of many streams.
#[derive(Clone, Debug, Parser)]
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
    /// How often each stream sends at most, in milliseconds; 0 sends each frame at once.
    #[arg(long, default_value_t = 0)]
    send_interval_ms: u64,
    /// Worker threads; without it, one thread does everything.
    #[arg(long)]
    threads: Option<usize>,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let mut runtime = match options.threads {
        Some(threads) => {
            let mut runtime = tokio::runtime::Builder::new_multi_thread();
            runtime.worker_threads(threads.max(1));
            runtime
        }
        None => tokio::runtime::Builder::new_current_thread(),
    };
    let run = |runtime: tokio::runtime::Runtime| runtime.block_on(run(&options));
    program::exit_code(runtime.enable_all().build().map_err(BoxError::from).and_then(run))
}

async fn run(options: &Options) -> Result<(), BoxError> {
    let client = options.service.client()?;
    println!(
        "| streams | CPU s to open | s of media | CPU s | CPU of a core | peak RSS MB | kB per stream | frames | persisted | lost | \
         reconnects |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|");
    for &count in &options.streams {
        println!("{}", row(&client, count, options).await?);
    }
    Ok(())
}

async fn row(client: &Client, count: u32, options: &Options) -> Result<String, BoxError> {
    // Linux: resets the peak of resident memory.
    let _ = fs::write("/proc/self/clear_refs", "5");
    let (memory, begun) = (kilobytes("VmRSS:"), cpu_seconds());
    let members = usize::try_from(count)?.saturating_add(1);
    let (started, ended) = (Arc::new(Barrier::new(members)), Arc::new(Barrier::new(members)));
    let one = |nth| one(client.clone(), nth, count, options.clone(), [Arc::clone(&started), Arc::clone(&ended)]);
    let mut streams: JoinSet<_> = (0..count).map(one).collect();
    let mut reports = Vec::new();
    tokio::select! {
        biased;
        // A stream that fails never gets there.
        Some(early) = streams.join_next() => reports.push(early??),
        _ = started.wait() => {}
    }
    let (cpu, from) = (cpu_seconds(), Instant::now());
    tokio::select! {
        biased;
        Some(early) = streams.join_next() => reports.push(early??),
        _ = ended.wait() => {}
    }
    let (opening, cpu, wall) = (cpu - begun, cpu_seconds() - cpu, from.elapsed().as_secs_f64());
    while let Some(report) = streams.join_next().await {
        reports.push(report??);
    }
    let peak = kilobytes("VmHWM:");
    let sum = |of: fn(&StopReport) -> u64| reports.iter().map(of).sum::<u64>();
    Ok(format!(
        "| {count} | {opening:.2} | {wall:.0} | {cpu:.2} | {:.1} % | {:.1} | {} | {} | {} | {} | {} |",
        100.0 * cpu / wall,
        peak as f64 / 1024.0,
        peak.saturating_sub(memory) / u64::from(count.max(1)),
        sum(|report| report.totals.submitted.frames),
        sum(|report| report.totals.persisted.frames),
        sum(|report| report.totals.lost.frames),
        sum(|report| report.stats.reconnects),
    ))
}

async fn one(
    client: Client,
    nth: u32,
    count: u32,
    options: Options,
    [started, ended]: [Arc<Barrier>; 2],
) -> Result<StopReport, BoxError> {
    let video = Track::new(TrackNumber::ONE, TrackKind::Video, CodecId::H264).with_codec_private(vec![1; 20]);
    let config = ProducerConfig::new(format!("many-{count}-{nth}"), vec![video])
        .seed(u64::from(nth))
        .bitstream_mode(BitstreamMode::Passthrough)
        .buffer_bytes(4 << 20)
        .send_interval(Duration::from_millis(options.send_interval_ms))
        .stream_lookup(StreamLookup::CreateIfMissing(NewStream::new(Duration::from_secs(3600))));
    let spread = Duration::from_millis(options.spread_ms * u64::from(nth) / u64::from(count));
    let stream = Producer::start(config, client)?;
    let mut events = stream.events();
    let payload = Bytes::from(vec![0x41; 5_000]);
    let frame = |number: u64| {
        let pts = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Frame::new(TrackNumber::ONE, pts, payload.clone()).with_keyframe(number.is_multiple_of(50))
    };
    // A session is opened for media.
    stream.put_frame(frame(0)).await?;
    while !matches!(events.next().await, Some(Event::Opened { .. }) | None) {}
    started.wait().await;
    tokio::time::sleep(spread).await;
    let mut clock = tokio::time::interval(Duration::from_millis(40));
    for number in 1..=options.seconds * 25 {
        clock.tick().await;
        if number.is_multiple_of(50) {
            // As a program that reads events does; otherwise they would wait in memory.
            while events.try_next().is_some() {}
        }
        stream.put_frame(frame(number)).await?;
    }
    ended.wait().await;
    Ok(stream.stop(Duration::from_secs(60)).await)
}

/// Processor time of this process so far, in seconds; the kernel counts in hundredths.
fn cpu_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    // proc(5): utime and stime are fields 14 and 15; the name, field 2, may hold blanks.
    fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// Returns a size in kB from the status of this process: `VmRSS:` is resident memory, `VmHWM:` its peak.
fn kilobytes(field: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let size = status.lines().find_map(|line| line.strip_prefix(field));
    size.and_then(|size| size.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

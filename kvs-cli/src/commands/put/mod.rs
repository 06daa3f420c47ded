//! `kvs put`: sends a recording, a camera, or a live stream from a pipe or a capture program, to a stream.

mod ending;
mod options;
mod pace;
mod player;
mod progress;
mod refused;
mod reporter;
mod shortfall;
mod signals;
pub(crate) mod source;
mod sum;

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use kvs_producer::{
    Client, FragmentTag, NewStream, Overflow, Producer, ProducerConfig, SpoolConfig, SpoolOrder, StreamLookup,
    Timestamps,
};
use tokio::sync::Notify;

use crate::failure::Failure;
use crate::options::GlobalOptions;

use ending::Ending;
#[cfg(feature = "gateway")]
pub(crate) use options::InputFormat;
pub(crate) use options::Options;
#[cfg(feature = "doctor")]
pub(crate) use options::{CameraTransport, is_url};
use player::Player;
use reporter::Reporter;
use signals::Signals;
use source::Source;
#[cfg(feature = "gateway")]
pub(crate) use source::Times;
#[cfg(feature = "doctor")]
pub(crate) use source::camera;

/// How long creating or describing the stream and finding its endpoint may take.
const OPEN: Duration = Duration::from_secs(10);
/// Retention of a stream that is created.
const RETENTION: Duration = Duration::from_secs(24 * 3600);

/// Sends the input and waits until everything is persisted or reported lost.
pub(crate) async fn run(options: Options, global: GlobalOptions) -> Result<(), Failure> {
    let options = &options;
    // From here on a signal ends the run in order: a capture program is ended too.
    let mut signals = Signals::new().map_err(Failure::run)?;
    let (source, mut stream, client) = tokio::select! {
        started = start(options, &global) => started?,
        signal = signals.next() => return Err(shortfall::before_the_start(options, signal)),
    };
    let reporter = Mutex::new(Reporter::new(global.output(), length(options, &source)));
    let mut player = Player::new(options, source);
    let mut before = None;
    let ending = loop {
        let mut ending = send(&mut player, &stream, &reporter, &mut signals).await;
        ending.report = sum::of(before.take(), ending.report);
        if !ending.is_change() {
            break ending;
        }
        before = Some(ending.report);
        // Its last fragment is sent; what follows has other tracks.
        stream = open(options, &player.source, &client)?;
    };
    let late = player.late();
    lock(&reporter).report(&ending.report, late);
    if let Some(Err(failure)) = &ending.played {
        return Err(failure.clone());
    }
    if shortfall::is_complete(options, &ending, late) {
        return Ok(());
    }
    Err(shortfall::describe(options, &ending, late, &lock(&reporter).known()))
}

/// Sends to one producer, up to the end of the source or other tracks.
async fn send(player: &mut Player<'_>, stream: &Producer, reporter: &Mutex<Reporter>, signals: &mut Signals) -> Ending {
    let options = player.options;
    let (mut events, halted) = (stream.events(), Notify::new());
    let watching = async {
        while let Some(event) = events.next().await {
            if matches!(event, kvs_producer::Event::Halted(_)) {
                halted.notify_one();
            }
            lock(reporter).event(&event, || stream.stats());
        }
    };
    let (give_up_after, has_spool) = (options.give_up_after, options.spool.is_some());
    let limits = ending::Limits { signals, halted: &halted, give_up_after, has_spool };
    let sending = ending::run(player.play(stream, reporter), stream, limits);
    let ((), ending) = tokio::join!(watching, sending);
    ending
}

/// Opens the input and the stream.
async fn start(options: &Options, global: &GlobalOptions) -> Result<(Source, Producer, Client), Failure> {
    let source = Source::open(options, global.output()).await?;
    let client = global.connection.client().await?;
    let stream = match &options.spool {
        // A camera may start before its network does.
        Some(_) => open(options, &source, &client)?,
        None => {
            let config = configuration(options, &source);
            let stream = Producer::open_within(config, client.clone(), OPEN).await.map_err(Failure::of_input)?;
            put_tags(options, &stream)?;
            stream
        }
    };
    Ok((source, stream, client))
}

/// Opens the stream without waiting for the service.
fn open(options: &Options, source: &Source, client: &Client) -> Result<Producer, Failure> {
    let stream = Producer::start(configuration(options, source), client.clone()).map_err(Failure::of_input)?;
    put_tags(options, &stream)?;
    Ok(stream)
}

fn put_tags(options: &Options, stream: &Producer) -> Result<(), Failure> {
    for (name, value) in &options.tags {
        stream.put_tag(FragmentTag::persistent(name, value)).map_err(Failure::of_input)?;
    }
    Ok(())
}

fn lock(reporter: &Mutex<Reporter>) -> std::sync::MutexGuard<'_, Reporter> {
    reporter.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Length of the media to send, if it is known.
fn length(options: &Options, source: &Source) -> Option<Duration> {
    match (source.duration(), options.duration) {
        (Some(whole), Some(part)) => Some(whole.min(part)),
        (whole, part) => whole.or(part),
    }
}

fn configuration(options: &Options, source: &Source) -> ProducerConfig {
    let new_stream = NewStream::new(RETENTION);
    let overflow = if options.offline || source.duration().is_some() { Overflow::Refuse } else { Overflow::DropOldest };
    let config = ProducerConfig::new(&options.stream, source.tracks.clone())
        .stream_lookup(StreamLookup::CreateIfMissing(new_stream))
        .overflow(overflow)
        .timestamps(timestamps(options, source));
    options.spool.iter().fold(config, |config, dir| config.spool(spool(dir, options)))
}

fn spool(dir: &Path, options: &Options) -> SpoolConfig {
    let order = match options.spool_order {
        options::SpoolOrder::OldestFirst => SpoolOrder::OldestFirst,
        options::SpoolOrder::NewestFirst => SpoolOrder::NewestFirst,
    };
    SpoolConfig::new(dir).bytes(options.spool_bytes).order(order).after(options.spool_after)
}

/// The time of the first frame. The first picture has the time that was asked for, and the priming of its sound lies before it.
fn timestamps(options: &Options, source: &Source) -> Timestamps {
    if source.is_camera() {
        return Timestamps::Epoch;
    }
    let start = match (options.start_time, source.duration()) {
        (Some(start), _) => start,
        (None, Some(duration)) if options.offline => {
            SystemTime::now().checked_sub(duration).unwrap_or(SystemTime::UNIX_EPOCH)
        }
        (None, _) => return Timestamps::Live,
    };
    // Timecodes are whole milliseconds.
    let priming = Duration::from_millis(u64::try_from(source.priming().as_millis()).unwrap_or(0));
    Timestamps::StartAt(start.checked_sub(priming).unwrap_or(SystemTime::UNIX_EPOCH))
}

//! `kvs put`: sends a recording, a camera, or a live stream from a pipe or a capture program, to a stream.

mod ending;
mod options;
mod pace;
mod progress;
mod refused;
mod reporter;
mod shortfall;
mod signals;
pub(crate) mod source;

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use kvs_media::__internal::FragmentCounter;
use kvs_producer::{
    FragmentTag, ImageGeneration, NewStream, Notification, Overflow, Producer, ProducerConfig, SpoolConfig, SpoolOrder,
    StreamLookup, Timestamps,
};
use tokio::sync::Notify;

use kvs_mkv::Tag;
use kvs_types::tag_names;

use crate::failure::Failure;
use crate::options::GlobalOptions;

use options::Event;
pub(crate) use options::{CameraTransport, InputFormat, Options, is_url};
use pace::Pace;
use refused::Refused;
use reporter::Reporter;
use signals::Signals;
use source::{Next, Source, Timed};
pub(crate) use source::{Times, camera};

/// How long creating or describing the stream and finding its endpoint may take.
const OPEN: Duration = Duration::from_secs(10);
/// Retention of a stream that is created.
const RETENTION: Duration = Duration::from_secs(24 * 3600);

/// Sends the input and waits until everything is persisted or reported lost.
pub(crate) async fn run(options: Options, global: GlobalOptions) -> Result<(), Failure> {
    let options = &options;
    // From here on a signal ends the run in order: a capture program is ended too.
    let mut signals = Signals::new().map_err(Failure::run)?;
    let (source, stream) = tokio::select! {
        started = start(options, &global) => started?,
        signal = signals.next() => return Err(shortfall::before_the_start(options, signal)),
    };
    let reporter = Mutex::new(Reporter::new(global.output(), length(options, &source)));
    let (mut events, halted) = (stream.events(), Notify::new());
    let watching = async {
        while let Some(event) = events.next().await {
            if matches!(event, kvs_producer::Event::Halted(_)) {
                halted.notify_one();
            }
            lock(&reporter).event(&event, || stream.stats());
        }
    };
    let playing = play(options, source, &stream, &reporter);
    let (give_up_after, has_spool) = (options.give_up_after, options.spool.is_some());
    let sending = ending::run(playing, &stream, ending::Limits { signals, halted: &halted, give_up_after, has_spool });
    let ((), ending) = tokio::join!(watching, sending);
    lock(&reporter).report(&ending.report);
    if let Some(Err(failure)) = &ending.played {
        return Err(failure.clone());
    }
    if shortfall::is_complete(options, &ending) {
        return Ok(());
    }
    Err(shortfall::describe(options, &ending, &lock(&reporter).known()))
}

/// Opens the input and the stream.
async fn start(options: &Options, global: &GlobalOptions) -> Result<(Source, Producer), Failure> {
    let source = Source::open(options, global.output()).await?;
    let client = global.connection.client().await?;
    let config = configuration(options, &source);
    let stream = match &options.spool {
        // A camera may start before its network does.
        Some(_) => Producer::start(config, client),
        None => Producer::open_within(config, client, OPEN).await,
    }
    .map_err(Failure::of_input)?;
    for (name, value) in &options.tags {
        stream.put_tag(FragmentTag::persistent(name, value)).map_err(Failure::of_input)?;
    }
    Ok((source, stream))
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

/// Sends frame by frame, at the speed of the recording or as fast as possible.
async fn play(
    options: &Options,
    mut source: Source,
    stream: &Producer,
    reporter: &Mutex<Reporter>,
) -> Result<(), Failure> {
    let (mut pace, lead, mut fragments) = (Pace::new(), source.lead(), FragmentCounter::default());
    let (mut first, mut refused) = (None, Refused::new(&source));
    while let Some(next) = source.next().await? {
        let Timed { frame, due } = match next {
            Next::Frame(timed) => timed,
            Next::Tags(tags) => {
                keep(&tags, stream)?;
                continue;
            }
        };
        let position = frame.pts.saturating_sub(*first.get_or_insert(frame.pts));
        if options.duration.is_some_and(|most| position >= most) {
            break;
        }
        if let (Some(due), false) = (due, options.offline) {
            pace.until(due).await;
        }
        let begins = frame.keyframe && Some(frame.track) == lead && fragments.starts_at(frame.pts);
        if let Err(error) = stream.put_frame(frame).await {
            refused.handle(error)?;
            continue;
        }
        lock(reporter).put(position);
        if begins && fragments.is_due(options.every) {
            tag(options, stream)?;
        }
        lock(reporter).update(|| stream.stats());
    }
    Ok(())
}

/// Puts the tags that a fragment has in the input on the fragment that is open.
fn keep(tags: &[Tag], stream: &Producer) -> Result<(), Failure> {
    let prefix = tags.iter().find(|tag| tag.name == tag_names::IMAGE_PREFIX).map(|tag| tag.value.as_str());
    for tag in tags {
        match tag.name.as_str() {
            tag_names::NOTIFICATION => stream.put_event(Notification::new()),
            tag_names::IMAGE_GENERATION => {
                let images = ImageGeneration::new();
                stream.put_event(prefix.into_iter().fold(images, |images, prefix| images.with_prefix(prefix)))
            }
            tag_names::IMAGE_PREFIX => Ok(()),
            name => stream.put_tag(FragmentTag::once(name, &tag.value)),
        }
        .map_err(|error| Failure::of_input(error).about(format_args!("tag {} of the input", tag.name)))?;
    }
    Ok(())
}

/// Tags the fragment that is open.
fn tag(options: &Options, stream: &Producer) -> Result<(), Failure> {
    if matches!(options.event, Event::Notification | Event::Both) {
        stream.put_event(Notification::new()).map_err(Failure::of_run)?;
    }
    if matches!(options.event, Event::Image | Event::Both) {
        let images = ImageGeneration::new();
        let images = options.prefix.iter().fold(images, |images, prefix| images.with_prefix(prefix));
        stream.put_event(images).map_err(Failure::of_input)?;
    }
    Ok(())
}

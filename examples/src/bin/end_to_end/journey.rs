//! The steps of the journey, in order.

use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use kvs_aws::StreamId;
use kvs_media::__internal::FRAGMENT_MIN;
use kvs_media::Recording;
use kvs_mkv::CodecId;
use kvs_producer::{Event, Producer, ProducerConfig};
use tokio::sync::oneshot;

use crate::camera::Camera;
use crate::console::Console;
use crate::deliveries;
use crate::failure::Failure;
use crate::images;
use crate::journal::{Journal, epoch_ms, millis};
use crate::options::{Options, Speed};
use crate::report;
use crate::service::Service;
use crate::setup;
use crate::verdict;
use crate::watch::Watch;

/// How long the service may take to persist what is buffered at the end.
const DRAIN: Duration = Duration::from_secs(30);
/// How far apart tracks must lie for the producer to send one without the other.
const LATE: Duration = Duration::from_secs(10);

/// Runs the whole journey and returns what is missing at the end.
pub(crate) async fn run(options: &Options) -> Result<Vec<String>, Failure> {
    let recording = open(&options.input)?;
    make_room(&options.out).map_err(|error| Failure::input(format!("{}: {error}", options.out.display())))?;
    let mut service = Service::open(options).await?;
    let id = setup::prepare(&service, options, recording.video().map(|video| &video.codec)).await?;
    let console = Console::new(recording.duration());
    console.say(format!("{} into stream {} of the {}", describe(&recording), options.stream, service.name(options)));

    let start = start_of(options.speed, recording.duration());
    let journal = Journal {
        recording: format!("{} of {}", describe(&recording), options.input.display()),
        stream: options.stream.clone(),
        start_ms: epoch_ms(start),
        duration_ms: millis(recording.duration()),
        ..Journal::default()
    };
    let watch = Watch::new(journal, console);
    stream(options, &service, &watch, recording, start).await?;
    deliveries::wait(&mut service, options, &watch).await;
    let missing = finish(options, &service, &watch, &id).await?;
    service.close().await;
    Ok(missing)
}

/// Opens the recording and starts it with its first video frame.
fn open(input: &Path) -> Result<Recording, Failure> {
    let recording = Recording::open(input).map_err(Failure::of_input)?;
    // Sound right before the first picture has no fragment to be in. Sound long before it has fragments of its own.
    let recording = if has_late_video(&recording) { recording } else { recording.starting_with_video() };
    match recording.video() {
        Some(video) if [CodecId::H264, CodecId::H265].contains(&video.codec) => Ok(recording),
        Some(video) => Err(Failure::input(format!(
            "{}: images need H.264 or H.265 video, and this video is {}; convert it with: ffmpeg -i IN -c:v libx264 OUT.mp4",
            input.display(),
            video.codec
        ))),
        None => Err(Failure::input(format!("{}: no video track; images need one", input.display()))),
    }
}

/// Whether sound begins so long before the first picture that the producer sends it without one.
fn has_late_video(recording: &Recording) -> bool {
    let video = recording.video().map(|video| video.number);
    let first = recording.samples().iter().map(|sample| sample.pts).min();
    let pictures = recording.samples().iter().filter(|sample| Some(sample.track) == video);
    let first_picture = pictures.map(|sample| sample.pts).min();
    first.zip(first_picture).is_some_and(|(first, picture)| picture.saturating_sub(first) >= LATE)
}

/// Removes the results of an earlier run from the output directory, and nothing else.
fn make_room(out: &Path) -> io::Result<()> {
    std::fs::create_dir_all(out)?;
    for folder in ["images", "service"] {
        ignore_missing(std::fs::remove_dir_all(out.join(folder)))?;
    }
    for file in ["timelapse.mp4", "index.html", "report.json"] {
        ignore_missing(std::fs::remove_file(out.join(file)))?;
    }
    std::fs::create_dir_all(out.join("images"))
}

fn ignore_missing(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Wall-clock time of time 0 of the recording: now, or so that the recording ends now.
fn start_of(speed: Speed, duration: Duration) -> SystemTime {
    let now = SystemTime::now();
    let start = match speed {
        Speed::Realtime => now,
        Speed::Max => now.checked_sub(duration).unwrap_or(now),
    };
    // Timecodes are whole milliseconds.
    SystemTime::UNIX_EPOCH + Duration::from_millis(epoch_ms(start))
}

/// Streams the recording until everything is persisted or reported lost.
async fn stream(
    options: &Options,
    service: &Service,
    watch: &Watch,
    recording: Recording,
    start: SystemTime,
) -> Result<(), Failure> {
    let config = ProducerConfig::new(&options.stream, recording.tracks().to_vec())
        .fragment_min(FRAGMENT_MIN)
        .overflow(kvs_producer::Overflow::Refuse);
    let stream = Producer::open(config, service.client.clone()).await.map_err(Failure::of_run)?;
    let mut events = stream.events();
    let (halt, halted) = oneshot::channel();
    let sending = async {
        let camera = Camera::new(options, watch.console(), start);
        let played = tokio::select! {
            played = camera.play(recording, &stream) => played,
            Ok(reason) = halted => Err(Failure::run(format!("sending stopped: {reason}"))),
        };
        // Also after a failure: the events end when the producer has stopped.
        (played, stream.stop(DRAIN).await)
    };
    let watching = async {
        let mut halt = Some(halt);
        while let Some(event) = events.next().await {
            if let Event::Halted(reason) = &event
                && let Some(halt) = halt.take()
            {
                let _ = halt.send(reason.to_string());
            }
            watch.event(event);
        }
    };
    let ((), (played, report)) = tokio::join!(watching, sending);
    watch.console().done();
    let totals = report.totals;
    let (persisted, submitted) = (totals.persisted.frames, totals.submitted.frames);
    let sent = played.map_err(|failure| failure.after(format!("{persisted} of {submitted} frames were persisted")))?;
    watch.streamed(options, sent, &report);
    Ok(())
}

/// Gets the images, writes the time-lapse and the report, and returns what is missing.
async fn finish(options: &Options, service: &Service, watch: &Watch, id: &StreamId) -> Result<Vec<String>, Failure> {
    let images = images::fetch(options, service, watch, id).await?;
    let timelapse = images::timelapse(&options.out, &images).map_err(Failure::of_run)?;
    let mut journal = watch.journal();
    journal.images = images.into_iter().map(|image| image.record).collect();
    let mut missing = verdict::missing(&journal, options.interval.into());
    missing.extend(deliveries::unseen(service, options));
    let wrote = report::write(&options.out, &journal, &missing, timelapse);
    wrote.map_err(|error| Failure::run(format!("{}: {error}", options.out.display())))?;
    watch.console().say(format!(
        "{} fragments persisted, {} image objects, {} notifications, {} images from GetImages; see {}",
        journal.persisted(),
        journal.image_objects.len(),
        journal.notifications.len(),
        journal.images.iter().filter(|image| image.path.is_some()).count(),
        options.out.join("index.html").display()
    ));
    Ok(missing)
}

fn describe(recording: &Recording) -> String {
    let tracks: Vec<String> = recording
        .tracks()
        .iter()
        .map(|track| match (&track.video, &track.audio) {
            (Some(video), _) => format!("{} {}x{}", track.codec, video.width, video.height),
            (_, Some(audio)) => format!("{} {} Hz", track.codec, audio.sampling_frequency),
            _ => track.codec.to_string(),
        })
        .collect();
    format!("{:.1} s of {}", recording.duration().as_secs_f64(), tracks.join(" and "))
}

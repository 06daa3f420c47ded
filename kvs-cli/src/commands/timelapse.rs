//! `kvs timelapse`: an MP4 video of a stream's images, hundreds of them for a few calls.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use clap::{Args, ValueEnum};
use kvs_aws::StreamId;
use kvs_images::{ImageFailure, Images, ImagesExt, Pace};
use kvs_media::timelapse::{TimelapseError, TimelapseWriter};
use serde_json::json;

use crate::bar::Bar;
use crate::clock::Clock;
use crate::failure::Failure;
use crate::options::GlobalOptions;
use crate::output::Output;
use crate::values::{parse_time, show_time};

/// Makes a time-lapse video of a stream.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Name or ARN of the stream.
    #[arg(long, value_name = "STREAM")]
    stream_name: StreamId,
    /// Start of the range: 2026-11-22T18:00:00Z, seconds since 1970, or an age such as -24h.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    start_time: String,
    /// End of the range; no image is later.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    end_time: String,
    /// Length of the video in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0)]
    duration: f64,
    /// Frames per second of the video.
    #[arg(long, value_name = "FPS", default_value_t = 30.0)]
    framerate: f64,
    /// Width of the video in pixels.
    #[arg(long, default_value_t = 1920)]
    width: u32,
    /// Height of the video in pixels.
    #[arg(long, default_value_t = 1080)]
    height: u32,
    /// The MP4 file to write; replaced if it exists.
    #[arg(long, value_name = "FILE", default_value = "timelapse.mp4")]
    output_path: PathBuf,
    /// What the video shows where the stream has no image.
    #[arg(long, value_enum, default_value_t = Gaps::Hold)]
    gaps: Gaps,
    /// Clock that the times refer to.
    #[arg(long, value_enum, default_value_t = Clock::Server)]
    clock: Clock,
    /// Send requests as fast as responses come, whatever the service's quotas are.
    #[arg(long)]
    unpaced: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Gaps {
    /// The last image.
    Hold,
    /// Nothing; the video gets shorter.
    Skip,
}

/// Most frames of a video: an hour at 60 per second.
const MAX_FRAMES: f64 = 216_000.0;

/// Fetches the images and writes the video.
pub(crate) async fn run(options: Options, global: &GlobalOptions) -> Result<(), Failure> {
    let output = global.output();
    let images = request(&options, global).await?;
    let count = images.count()?;
    // A short range has fewer timestamps than the video has frames: each is shown longer, the length stays as asked.
    let framerate = options.framerate.min(count as f64 / options.duration);
    let video = TimelapseWriter::create(&options.output_path, framerate).map_err(Failure::of_input)?;
    let Encoded { video, frames, gaps } = encode(&options, images, video, output).await?;
    if frames == 0 {
        return Err(Failure::run(format_args!(
            "no image of {} in this range by the {} clock; check the times, and --clock for the clock they refer to",
            options.stream_name, options.clock,
        )));
    }
    video.finish().map_err(Failure::of_run)?;
    let (path, seconds) = (options.output_path.display(), frames as f64 / framerate);
    let text = format!("{path}: {frames} images, {seconds:.1} s, {gaps} of {count} timestamps without an image");
    let object = json!({
        "event": "report", "file": options.output_path, "images": frames, "seconds": seconds, "gaps": gaps,
        "timestamps": count,
    });
    output.result(text, &object);
    Ok(())
}

/// The video so far, and how many timestamps had an image.
struct Encoded {
    video: TimelapseWriter,
    frames: u64,
    gaps: u64,
}

async fn encode(
    options: &Options,
    images: Images,
    mut video: TimelapseWriter,
    output: Output,
) -> Result<Encoded, Failure> {
    let bar = Bar::of_steps(output, images.count()?);
    let mut images = images.stream()?;
    let mut last: Option<Bytes> = None;
    let (mut frames, mut gaps) = (0, 0);
    while let Some(image) = images.next().await {
        bar.step();
        let shown = match image.content {
            Ok(content) => Some(content),
            Err(ImageFailure::Call(error)) => return Err(Failure::from(&*error).about(show_time(image.at))),
            Err(_) => {
                gaps += 1;
                last.clone().filter(|_| options.gaps == Gaps::Hold)
            }
        };
        let Some(shown) = shown else { continue };
        video = push(video, shown.clone()).await?;
        frames += 1;
        last = Some(shown);
    }
    bar.clear();
    Ok(Encoded { video, frames, gaps })
}

/// Encodes on a thread of its own, so that further images arrive meanwhile.
async fn push(mut video: TimelapseWriter, image: Bytes) -> Result<TimelapseWriter, Failure> {
    let encoded = tokio::task::spawn_blocking(move || video.push(&image).map(|()| video)).await;
    encoded.map_err(Failure::of_run)?.map_err(|error: TimelapseError| Failure::of_run(error))
}

/// The timestamps: as many as the video has frames, spread evenly over the range, none beyond its end.
async fn request(options: &Options, global: &GlobalOptions) -> Result<Images, Failure> {
    let now = SystemTime::now();
    let start = parse_time(&options.start_time, now).map_err(|error| Failure::input(error).about("--start-time"))?;
    let end = parse_time(&options.end_time, now).map_err(|error| Failure::input(error).about("--end-time"))?;
    let frames = (options.duration * options.framerate).round();
    if !(1.0..=MAX_FRAMES).contains(&frames) {
        let message = format!("--duration times --framerate must be 1 to {MAX_FRAMES} frames, got {frames}");
        return Err(Failure::input(message));
    }
    let range = end.duration_since(start).ok().filter(|range| !range.is_zero());
    let range = range.ok_or_else(|| Failure::input("--end-time must be after --start-time"))?;
    // GetImages takes no shorter sampling interval than 200 ms.
    let millis = (range.as_secs_f64() * 1000.0 / frames).ceil().max(200.0);
    let images = global.connection.client().await?.images(options.stream_name.clone()).range(start..end);
    let images = images.every(Duration::from_millis(millis as u64)).size(options.width, options.height);
    let pace = if options.unpaced { Pace::Unlimited } else { Pace::ServiceQuota };
    Ok(images.origin(options.clock.into()).pace(pace))
}

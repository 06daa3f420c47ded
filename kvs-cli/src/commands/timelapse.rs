//! Makes a time-lapse film of a stream: real MP4 out, hundreds of pictures for a few calls.

use std::path::PathBuf;
use std::pin::pin;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use clap::{Args, ValueEnum};
use futures_util::StreamExt;
use kvs_aws::StreamId;
use kvs_images::{ImageError, Images, ImagesExt, Pace};
use kvs_media::timelapse::{Film, Mp4Error};

use crate::failure::Failure;
use crate::options::GlobalOptions;
use crate::terminal::{self, say};
use crate::values::{Clock, parse_time, show_time};

/// Makes a time-lapse film of a stream.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Name or ARN of the stream.
    #[arg(long, value_name = "STREAM")]
    stream_name: StreamId,
    /// Where the recording begins; without an offset in UTC. An age such as -24h will do.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    start_time: String,
    /// Where it ends; no picture is later.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    end_time: String,
    /// Length of the film in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0)]
    duration: f64,
    /// Pictures of the film a second.
    #[arg(long, value_name = "FPS", default_value_t = 30.0)]
    framerate: f64,
    /// Width of the film.
    #[arg(long, default_value_t = 1920)]
    width: u32,
    /// Height of the film.
    #[arg(long, default_value_t = 1080)]
    height: u32,
    /// The film.
    #[arg(long, value_name = "FILE", default_value = "timelapse.mp4")]
    output_path: PathBuf,
    /// What is shown where there is no picture.
    #[arg(long, value_enum, default_value_t = Gaps::Hold)]
    gaps: Gaps,
    /// Whose clock the times are of.
    #[arg(long, value_enum, default_value_t = Clock::Server)]
    clock: Clock,
    /// Ask as fast as answers come, without regard to the service's quotas.
    #[arg(long)]
    unpaced: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Gaps {
    /// The last picture stands still.
    Hold,
    /// Nothing; the film gets shorter.
    Skip,
}

/// Most pictures of a film: an hour at 60 a second.
const MOST_PICTURES: f64 = 216_000.0;

/// Fetches the images and writes the video.
pub(crate) async fn run(options: Options, global: &GlobalOptions) -> Result<(), Failure> {
    let images = ask(&options, global)?;
    let count = images.count()?;
    let images = images.stream()?;
    // A range of few instants gives fewer pictures: they stand longer, the film is as long as asked for.
    let framerate = options.framerate.min(count as f64 / options.duration);
    let mut film = Film::create(&options.output_path, framerate).map_err(Failure::of_input)?;
    let bar = terminal::progress(count);
    let mut images = pin!(images);
    let mut last: Option<Bytes> = None;
    let (mut shown, mut gaps) = (0_u64, 0_u64);
    while let Some(image) = images.next().await {
        bar.inc(1);
        let picture = match image.content {
            Ok(picture) => Some(picture),
            Err(ImageError::Call(error)) => return Err(Failure::from(&*error).about(show_time(image.at))),
            Err(_) => {
                gaps += 1;
                last.clone().filter(|_| options.gaps == Gaps::Hold)
            }
        };
        let Some(picture) = picture else { continue };
        film = push(film, picture.clone()).await?;
        shown += 1;
        last = Some(picture);
    }
    bar.finish_and_clear();
    if shown == 0 {
        return Err(Failure::run(format_args!(
            "no picture of {} in this range by the {}'s clock: was anything sent then? see --clock",
            options.stream_name, options.clock,
        )));
    }
    film.finish().map_err(Failure::of_run)?;
    let path = options.output_path.display();
    say(format_args!(
        "{path}: {shown} pictures, {:.1} s, {gaps} of {count} instants without one",
        shown as f64 / framerate
    ));
    Ok(())
}

/// Encoding takes its time: the next pictures come in meanwhile.
async fn push(mut film: Film, picture: Bytes) -> Result<Film, Failure> {
    let encoded = tokio::task::spawn_blocking(move || film.push(&picture).map(|()| film)).await;
    encoded.map_err(Failure::of_run)?.map_err(|error: Mp4Error| Failure::run(error))
}

/// The instants: as many as the film has pictures, spread evenly over the range, none beyond its end.
fn ask(options: &Options, global: &GlobalOptions) -> Result<Images, Failure> {
    let now = SystemTime::now();
    let start = parse_time(&options.start_time, now).map_err(|error| Failure::input(error).about("--start-time"))?;
    let end = parse_time(&options.end_time, now).map_err(|error| Failure::input(error).about("--end-time"))?;
    let pictures = (options.duration * options.framerate).round();
    if !(1.0..=MOST_PICTURES).contains(&pictures) {
        let message = format!("--duration times --framerate must give 1 to {MOST_PICTURES} pictures, got {pictures}");
        return Err(Failure::input(message));
    }
    let range = end.duration_since(start).ok().filter(|range| !range.is_zero());
    let range = range.ok_or_else(|| Failure::input("--end-time must be after --start-time"))?;
    let millis = (range.as_secs_f64() * 1000.0 / pictures).ceil().max(200.0);
    let origin = options.clock.into();
    let images = global.connection.client()?.images(options.stream_name.clone()).range(start..end);
    let images = images.every(Duration::from_millis(millis as u64)).size(options.width, options.height).origin(origin);
    Ok(images.pace(if options.unpaced { Pace::Unlimited } else { Pace::ServiceQuota }))
}

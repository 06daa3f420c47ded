//! Fetches the pictures of a range into a directory, one file for each instant.

use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::{Duration, SystemTime};

use clap::{Args, ValueEnum};
use futures_util::StreamExt;
use kvs_aws::StreamId;
use kvs_images::{ImageAt, ImageError, Images, ImagesExt, Pace};

use crate::failure::Failure;
use crate::options::GlobalOptions;
use crate::terminal::{self, say};
use crate::values::{Clock, parse_duration, parse_size, parse_time, show_time};

/// Fetches the pictures of a range into a directory, one file for each instant.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Name or ARN of the stream.
    stream: StreamId,
    /// Where the range begins: 2026-11-22T18:00:00Z, seconds since 1970, or an age such as -15m.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    from: String,
    /// Where it ends; not part of it.
    #[arg(long, value_name = "TIME", default_value = "now", allow_hyphen_values = true)]
    to: String,
    /// Time from one picture to the next, 200ms at least.
    #[arg(long, value_name = "DURATION", default_value = "3s", value_parser = parse_duration)]
    every: Duration,
    /// Size such as 640x360; without it the source's.
    #[arg(long, value_name = "WxH", value_parser = parse_size)]
    size: Option<(u32, u32)>,
    /// JPEG or PNG.
    #[arg(long, value_enum, default_value_t = Format::Jpeg)]
    format: Format,
    /// JPEG quality, 1 to 100.
    #[arg(long, default_value_t = 80)]
    quality: u8,
    /// Whose clock the range is of.
    #[arg(long, value_enum, default_value_t = Clock::Producer)]
    clock: Clock,
    /// Ask as fast as answers come, without regard to the service's quotas.
    #[arg(long)]
    unpaced: bool,
    /// Directory for the pictures; made if it is not there.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    Jpeg,
    Png,
}

/// Fetches the images and writes a file for each.
pub(crate) async fn run(options: Options, global: &GlobalOptions) -> Result<(), Failure> {
    let images = ask(&options, global)?;
    let count = images.count()?;
    let images = images.stream()?;
    let extension = match options.format {
        Format::Jpeg => "jpg",
        Format::Png => "png",
    };
    std::fs::create_dir_all(&options.out).map_err(|error| Failure::input(error).about(options.out.display()))?;
    let bar = terminal::progress(count);
    let mut images = pin!(images);
    let mut tally = Tally::default();
    while let Some(image) = images.next().await {
        tally.note(&image);
        if let Ok(bytes) = &image.content {
            write(&options.out, &image, extension, bytes)?;
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    tally.report(&options.out)
}

fn ask(options: &Options, global: &GlobalOptions) -> Result<Images, Failure> {
    let now = SystemTime::now();
    let from = parse_time(&options.from, now).map_err(|error| Failure::input(error).about("--from"))?;
    let to = parse_time(&options.to, now).map_err(|error| Failure::input(error).about("--to"))?;
    let images = global.connection.client()?.images(options.stream.clone()).range(from..to).every(options.every);
    let images = match options.size {
        Some((width, height)) => images.size(width, height),
        None => images,
    };
    let images = match options.format {
        Format::Jpeg => images.jpeg(options.quality),
        Format::Png => images.png(),
    };
    let origin = options.clock.into();
    Ok(images.origin(origin).pace(if options.unpaced { Pace::Unlimited } else { Pace::ServiceQuota }))
}

/// Names sort by time and hold no character that a file system minds.
fn write(directory: &Path, image: &ImageAt, extension: &str, bytes: &[u8]) -> Result<(), Failure> {
    let name = show_time(image.at).replace([':', '.'], "-");
    let path = directory.join(format!("{name}.{extension}"));
    std::fs::write(&path, bytes).map_err(|error| Failure::run(error).about(path.display()))
}

/// What came, with neighbouring gaps told as one.
#[derive(Debug, Default)]
struct Tally {
    pictures: u64,
    gaps: Vec<Gap>,
    failed: Option<Failure>,
}

#[derive(Debug)]
struct Gap {
    from: SystemTime,
    to: SystemTime,
    pictures: u64,
    why: ImageError,
    open: bool,
}

impl Tally {
    fn note(&mut self, image: &ImageAt) {
        match &image.content {
            Ok(_) => {
                self.pictures += 1;
                if let Some(gap) = self.gaps.last_mut() {
                    gap.open = false;
                }
            }
            Err(why) => self.note_gap(image.at, why),
        }
    }

    fn note_gap(&mut self, at: SystemTime, why: &ImageError) {
        if let ImageError::Call(error) = why {
            self.failed.get_or_insert_with(|| Failure::from(&**error));
        }
        match self.gaps.last_mut().filter(|gap| gap.open && gap.why == *why) {
            Some(gap) => {
                gap.to = at;
                gap.pictures += 1;
            }
            None => self.gaps.push(Gap { from: at, to: at, pictures: 1, why: why.clone(), open: true }),
        }
    }

    fn report(self, out: &Path) -> Result<(), Failure> {
        for gap in &self.gaps {
            let (from, to) = (show_time(gap.from), show_time(gap.to));
            say(format_args!("gap  {from} .. {to}  {}: {}", counted(gap.pictures), gap.why));
        }
        say(format_args!("{} in {}", counted(self.pictures), out.display()));
        match self.failed {
            Some(failure) => Err(failure),
            None if self.pictures == 0 => Err(Failure::run("no picture in this range: see --clock")),
            None => Ok(()),
        }
    }
}

fn counted(pictures: u64) -> String {
    format!("{pictures} picture{}", if pictures == 1 { "" } else { "s" })
}

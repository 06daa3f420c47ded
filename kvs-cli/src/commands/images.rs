//! `kvs images`: the images of a time range as files.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use clap::{Args, ValueEnum};
use kvs_aws::StreamId;
use kvs_images::{ImageAt, ImageFailure, Images, ImagesExt, Pace};
use serde_json::json;

use crate::bar::Bar;
use crate::clock::Clock;
use crate::failure::Failure;
use crate::options::GlobalOptions;
use crate::output::Output;
use crate::values::{parse_duration, parse_size, parse_time, show_time};

/// Saves the images of a time range as files, one per timestamp.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Name or ARN of the stream.
    stream: StreamId,
    /// Start of the range: 2026-11-22T18:00:00Z, seconds since 1970, or an age such as -15m.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    from: String,
    /// End of the range, exclusive.
    #[arg(long, value_name = "TIME", default_value = "now", allow_hyphen_values = true)]
    to: String,
    /// Time between images, 200ms or more.
    #[arg(long, value_name = "DURATION", default_value = "3s", value_parser = parse_duration)]
    every: Duration,
    /// Size such as 640x360. Default: the size of the video.
    #[arg(long, value_name = "WxH", value_parser = parse_size)]
    size: Option<(u32, u32)>,
    /// Image format.
    #[arg(long, value_enum, default_value_t = Format::Jpeg)]
    format: Format,
    /// JPEG quality, 1 to 100.
    #[arg(long, default_value_t = 80)]
    quality: u8,
    /// Clock that the range refers to.
    #[arg(long, value_enum, default_value_t = Clock::Producer)]
    clock: Clock,
    /// Send requests as fast as responses come, whatever the service's quotas are.
    #[arg(long)]
    unpaced: bool,
    /// Directory for the images; created if it does not exist.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    Jpeg,
    Png,
}

impl Format {
    const fn extension(self) -> &'static str {
        match self {
            Self::Jpeg => "jpg",
            Self::Png => "png",
        }
    }
}

/// Fetches the images and writes a file for each.
pub(crate) async fn run(options: Options, global: &GlobalOptions) -> Result<(), Failure> {
    let output = global.output();
    let images = request(&options, global).await?;
    let count = images.count()?;
    let mut images = images.stream()?;
    std::fs::create_dir_all(&options.out).map_err(|error| Failure::input(error).about(options.out.display()))?;
    let bar = Bar::of_steps(output, count);
    let mut tally = Tally::default();
    while let Some(image) = images.next().await {
        tally.count(&image);
        if let Ok(bytes) = &image.content {
            let path = write(&options, &image, bytes)?;
            if output.is_json() {
                let line = json!({"event": "image", "time": show_time(image.at), "file": path, "bytes": bytes.len()});
                output.result("", &line);
            }
        }
        bar.step();
    }
    bar.clear();
    tally.report(&options.out, output)
}

async fn request(options: &Options, global: &GlobalOptions) -> Result<Images, Failure> {
    let now = SystemTime::now();
    let from = parse_time(&options.from, now).map_err(|error| Failure::input(error).about("--from"))?;
    let to = parse_time(&options.to, now).map_err(|error| Failure::input(error).about("--to"))?;
    let client = global.connection.client().await?;
    let images = client.images(options.stream.clone()).range(from..to).every(options.every);
    let images = match options.size {
        Some((width, height)) => images.size(width, height),
        None => images,
    };
    let images = match options.format {
        Format::Jpeg => images.jpeg(options.quality),
        Format::Png => images.png(),
    };
    let pace = if options.unpaced { Pace::Unlimited } else { Pace::ServiceQuota };
    Ok(images.origin(options.clock.into()).pace(pace))
}

/// Writes one image. Names sort by time and contain no character that a file system refuses.
fn write(options: &Options, image: &ImageAt, bytes: &[u8]) -> Result<PathBuf, Failure> {
    let name = show_time(image.at).replace([':', '.'], "-");
    let path = options.out.join(format!("{name}.{}", options.format.extension()));
    std::fs::write(&path, bytes).map_err(|error| Failure::run(error).about(path.display()))?;
    Ok(path)
}

/// What came; neighboring timestamps without an image for the same reason are one gap.
#[derive(Debug, Default)]
struct Tally {
    images: u64,
    gaps: Vec<Gap>,
    failed: Option<Failure>,
}

#[derive(Debug)]
struct Gap {
    from: SystemTime,
    to: SystemTime,
    images: u64,
    reason: ImageFailure,
    open: bool,
}

impl Tally {
    fn count(&mut self, image: &ImageAt) {
        match &image.content {
            Ok(_) => {
                self.images += 1;
                if let Some(gap) = self.gaps.last_mut() {
                    gap.open = false;
                }
            }
            Err(reason) => self.count_gap(image.at, reason),
        }
    }

    fn count_gap(&mut self, at: SystemTime, reason: &ImageFailure) {
        if let ImageFailure::Call(error) = reason {
            self.failed.get_or_insert_with(|| Failure::from(&**error));
        }
        match self.gaps.last_mut().filter(|gap| gap.open && gap.reason == *reason) {
            Some(gap) => {
                gap.to = at;
                gap.images += 1;
            }
            None => self.gaps.push(Gap { from: at, to: at, images: 1, reason: reason.clone(), open: true }),
        }
    }

    fn report(self, out: &Path, output: Output) -> Result<(), Failure> {
        for gap in &self.gaps {
            let (from, to, reason) = (show_time(gap.from), show_time(gap.to), crate::failure::with_causes(&gap.reason));
            let text = format!("gap  {from} .. {to}  {}: {reason}", counted(gap.images));
            let object = json!({"event": "gap", "from": from, "to": to, "images": gap.images, "reason": reason});
            output.result(text, &object);
        }
        let text = format!("{} in {}", counted(self.images), out.display());
        output.result(text, &json!({"event": "report", "images": self.images, "directory": out}));
        match self.failed {
            Some(failure) => Err(failure),
            None if self.images == 0 => {
                Err(Failure::run("no image in this range; check the times, and --clock for the clock they refer to"))
            }
            None => Ok(()),
        }
    }
}

fn counted(images: u64) -> String {
    format!("{images} image{}", if images == 1 { "" } else { "s" })
}

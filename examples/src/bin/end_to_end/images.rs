//! GetImages over the whole recording, and a time-lapse video of the images.

use std::path::Path;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use kvs_aws::StreamId;
use kvs_images::{ImageFailure, ImagesExt};
use kvs_media::timelapse::{TimelapseError, write_mp4};

use crate::failure::Failure;
use crate::journal::{self, epoch_ms};
use crate::options::Options;
use crate::service::Service;
use crate::setup::{IMAGE_SIZE, QUALITY};
use crate::watch::Watch;

/// Images per second of the time-lapse.
const FRAME_RATE: f64 = 5.0;
/// File name of the time-lapse.
const TIMELAPSE: &str = "timelapse.mp4";

/// One timestamp and its image.
#[derive(Debug)]
pub(crate) struct FetchedImage {
    pub(crate) record: journal::Image,
    content: Option<Bytes>,
}

/// Gets the images of the whole recording and writes each as `images/<milliseconds since 1970>.jpg`.
pub(crate) async fn fetch(
    options: &Options,
    service: &Service,
    watch: &Watch,
    stream: &StreamId,
) -> Result<Vec<FetchedImage>, Failure> {
    let (start_ms, duration_ms) = {
        let journal = watch.open();
        (journal.start_ms, journal.duration_ms)
    };
    let start = SystemTime::UNIX_EPOCH + Duration::from_millis(start_ms);
    // The end of a range is exclusive, and the last frame is to have an image too.
    let end = start + Duration::from_millis(duration_ms + 1);
    let images = service.client.images(stream.clone()).range(start..end).every(options.interval());
    let mut images = images.size(IMAGE_SIZE.0, IMAGE_SIZE.1).jpeg(QUALITY).stream().map_err(Failure::of_input)?;
    let mut fetched = Vec::new();
    while let Some(image) = images.next().await {
        fetched.push(fetched_image(&options.out, epoch_ms(image.at), image.content)?);
    }
    Ok(fetched)
}

fn fetched_image(out: &Path, timestamp: u64, content: Result<Bytes, ImageFailure>) -> Result<FetchedImage, Failure> {
    let (content, error) = match content {
        Ok(content) => (Some(content), None),
        Err(error) => (None, Some(error.to_string())),
    };
    let path = content.as_ref().map(|_| format!("images/{timestamp}.jpg"));
    if let (Some(path), Some(content)) = (&path, &content) {
        std::fs::write(out.join(path), content).map_err(|error| Failure::run(format!("{path}: {error}")))?;
    }
    Ok(FetchedImage { record: journal::Image { timestamp, path, error }, content })
}

/// Writes the time-lapse; returns `None` if there is no image.
pub(crate) fn timelapse(out: &Path, images: &[FetchedImage]) -> Result<Option<&'static str>, TimelapseError> {
    let contents: Vec<&Bytes> = images.iter().filter_map(|image| image.content.as_ref()).collect();
    if contents.is_empty() {
        return Ok(None);
    }
    write_mp4(&out.join(TIMELAPSE), FRAME_RATE, contents)?;
    Ok(Some(TIMELAPSE))
}

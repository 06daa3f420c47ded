//! GetImages over the whole recording, and the film of what it gives.

use std::path::Path;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::StreamExt;
use kvs_aws::StreamId;
use kvs_examples::cli::Failure;
use kvs_images::{ImageError, ImagesExt};
use kvs_media::timelapse::{TimelapseError, write_mp4};

use crate::journal::{self, epoch_ms};
use crate::options::Options;
use crate::service::Service;
use crate::setup::{PICTURE, QUALITY};
use crate::watch::Watch;

/// Pictures a second in the film.
const FILM_RATE: f64 = 5.0;
/// The film's name.
const FILM: &str = "timelapse.mp4";

/// One instant that was asked for.
#[derive(Debug)]
pub(crate) struct Picture {
    pub(crate) record: journal::Picture,
    content: Option<Bytes>,
}

/// Asks for the whole recording and writes each picture as `images/<epoch ms>.jpg`.
pub(crate) async fn fetch(
    options: &Options,
    service: &Service,
    watch: &Watch,
    stream: &StreamId,
) -> Result<Vec<Picture>, Failure> {
    let (start_ms, duration_ms) = {
        let journal = watch.open();
        (journal.start_ms, journal.duration_ms)
    };
    let start = SystemTime::UNIX_EPOCH + Duration::from_millis(start_ms);
    // The last frame is an instant too, and the end of a range is not.
    let end = start + Duration::from_millis(duration_ms + 1);
    let images = service.client.images(stream.clone()).range(start..end).every(options.interval());
    let images = images.size(PICTURE.0, PICTURE.1).jpeg(QUALITY).stream().map_err(Failure::of_input)?;
    let mut images = std::pin::pin!(images);
    let mut pictures = Vec::new();
    while let Some(image) = images.next().await {
        pictures.push(picture(&options.out, epoch_ms(image.at), image.content)?);
    }
    Ok(pictures)
}

fn picture(out: &Path, timestamp: u64, content: Result<Bytes, ImageError>) -> Result<Picture, Failure> {
    let (content, error) = match content {
        Ok(content) => (Some(content), None),
        Err(error) => (None, Some(error.to_string())),
    };
    let path = content.as_ref().map(|_| format!("images/{timestamp}.jpg"));
    if let (Some(path), Some(content)) = (&path, &content) {
        std::fs::write(out.join(path), content).map_err(|error| Failure::run(format!("{path}: {error}")))?;
    }
    Ok(Picture { record: journal::Picture { timestamp, path, error }, content })
}

/// Writes the film; `None` if there is no picture to make it of.
pub(crate) fn timelapse(out: &Path, pictures: &[Picture]) -> Result<Option<&'static str>, TimelapseError> {
    let contents: Vec<&Bytes> = pictures.iter().filter_map(|picture| picture.content.as_ref()).collect();
    if contents.is_empty() {
        return Ok(None);
    }
    write_mp4(&out.join(FILM), FILM_RATE, contents)?;
    Ok(Some(FILM))
}

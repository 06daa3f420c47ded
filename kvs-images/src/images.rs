//! The images of a stream: settings, then a range or single images.

use std::ops::Range;
use std::time::{Duration, SystemTime};

use kvs_aws::{Client, Error, InvalidField, Operation, SamplingProfile, StreamId, TimestampOrigin, limits};
use kvs_types::__internal::{epoch_millis, from_epoch_millis};

use crate::fetcher::Fetcher;
use crate::image_at::ImageAt;
use crate::image_stream::ImageStream;
use crate::pace::Pace;
use crate::plan::{Grid, Window};
use crate::request::{Encoding, ImageRequest};

/// Adds images to [`Client`].
pub trait ImagesExt {
    /// Returns a request for images of a stream. Set its range, then call [`Images::stream`].
    fn images(&self, stream: impl Into<StreamId>) -> Images;
}

impl ImagesExt for Client {
    fn images(&self, stream: impl Into<StreamId>) -> Images {
        Images::new(self.clone(), stream.into())
    }
}

/// A request for the images of a range at a fixed interval, or for single images.
///
/// ```no_run
/// # async fn example(client: kvs_images::Client) -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::{Duration, SystemTime};
/// use kvs_images::{ImagesExt, StreamId};
///
/// let now = SystemTime::now();
/// let day = now - Duration::from_secs(24 * 3600)..now;
/// let stream: StreamId = "front-door".parse()?;
/// let mut images = client.images(stream).range(day).every(Duration::from_secs(10)).size(640, 360).jpeg(80).stream()?;
/// while let Some(image) = images.next().await {
///     match image.content {
///         Ok(jpeg) => println!("{:?}: {} bytes", image.at, jpeg.len()),
///         Err(failure) => println!("{:?}: {failure}", image.at),
///     }
/// }
/// # Ok(())
/// # }
/// ```
///
/// Ranges of more than 300 s are split into several calls, pages are followed, and duplicates at page boundaries are removed.
/// If the first timestamp lies inside a fragment, it is requested again from the start of that fragment: the service does not
/// find it otherwise.
///
/// Memory: at most `concurrency` calls with 100 images each, for a range of any length.
#[derive(Debug, Clone)]
pub struct Images {
    request: ImageRequest,
    range: Option<Range<SystemTime>>,
    every: Duration,
    concurrency: usize,
}

impl Images {
    const fn new(client: Client, stream: StreamId) -> Self {
        Self {
            request: ImageRequest::new(client, stream),
            range: None,
            every: Duration::from_millis(limits::SAMPLING_INTERVAL_MILLIS_DEFAULT as u64),
            concurrency: 4,
        }
    }

    /// Sets the range, with millisecond precision. Its end is not included.
    #[must_use]
    pub fn range(mut self, range: Range<SystemTime>) -> Self {
        self.range = Some(range);
        self
    }

    /// Sets the interval between images: whole milliseconds, at least 200 ms. Default: 3 s.
    #[must_use]
    pub const fn every(mut self, interval: Duration) -> Self {
        self.every = interval;
        self
    }

    /// Sets the size in pixels; images are stretched to it. Default: the size of the video.
    #[must_use]
    pub const fn size(mut self, width: u32, height: u32) -> Self {
        self.request.size = Some((width, height));
        self
    }

    /// Requests JPEG of this quality, 1 to 100. Default: JPEG of quality 80.
    #[must_use]
    pub const fn jpeg(mut self, quality: u8) -> Self {
        self.request.encoding = Encoding::Jpeg(quality);
        self
    }

    /// Requests PNG.
    #[must_use]
    pub const fn png(mut self) -> Self {
        self.request.encoding = Encoding::Png;
        self
    }

    /// Sets whose clock the timestamps are from. Default: the producer's.
    #[must_use]
    pub const fn origin(mut self, origin: TimestampOrigin) -> Self {
        self.request.origin = origin;
        self
    }

    /// Sets which shortest interval the service accepts. Default: 200 ms.
    #[must_use]
    pub const fn profile(mut self, profile: SamplingProfile) -> Self {
        self.request.profile = profile;
        self
    }

    /// Sets the number of concurrent calls, at least 1. Default: 4. Each has up to 100 images in memory.
    #[must_use]
    pub fn concurrency(mut self, calls: usize) -> Self {
        self.concurrency = calls.max(1);
        self
    }

    /// Sets the request rate. Default: within the quotas of the service.
    #[must_use]
    pub const fn pace(mut self, pace: Pace) -> Self {
        self.request.pace = pace;
        self
    }

    /// Returns the number of timestamps in the range.
    ///
    /// # Errors
    /// Returns an error if the service does not accept range, interval, size or quality.
    pub fn count(&self) -> Result<u64, InvalidField> {
        self.grid().map(|grid| grid.count)
    }

    /// Returns the images in order of time, exactly one item for each timestamp.
    ///
    /// If a call fails, its timestamps get the error. If the same call would fail again, for example without permission, the
    /// following timestamps get the error without further calls.
    ///
    /// # Errors
    /// Returns an error if the service does not accept range, interval, size or quality. Nothing was sent.
    pub fn stream(self) -> Result<ImageStream, InvalidField> {
        let grid = self.grid()?;
        Ok(ImageStream::new(grid, Fetcher::new(self.request), self.concurrency))
    }

    /// Returns the image at a timestamp, or else of the nearest fragment within 5 minutes; `None` if there is none.
    ///
    /// # Errors
    /// Returns an error if a call fails.
    pub async fn nearest(self, at: SystemTime) -> Result<Option<ImageAt>, Error> {
        const FARTHEST: Duration = limits::GET_IMAGES_RANGE;
        let fetcher = Fetcher::new(self.request);
        let at = from_epoch_millis(epoch_millis(at));
        let exact = fetcher.one(at).await?;
        if exact.content.is_ok() {
            return Ok(Some(exact));
        }
        let earliest = at.checked_sub(FARTHEST).unwrap_or(SystemTime::UNIX_EPOCH).max(SystemTime::UNIX_EPOCH);
        let mut spans = fetcher.fragments(earliest..at + FARTHEST).await?;
        spans.sort_by_key(|span| span.distance(at));
        fetcher.first_of(spans).await
    }

    /// Returns the first image of the newest fragment within 24 hours before `now`; `None` if there is none.
    ///
    /// # Errors
    /// Returns an error if a call fails.
    pub async fn latest(self, now: SystemTime) -> Result<Option<ImageAt>, Error> {
        const MINUTE: u64 = 60;
        let fetcher = Fetcher::new(self.request);
        // The clock of the producer may be ahead of the local one.
        let end = now + Duration::from_secs(MINUTE);
        // Short ranges first: ListFragments returns fragments in no order, so it must list the whole range.
        for minutes in [2, 60, 24 * 60] {
            let start = now.checked_sub(Duration::from_secs(minutes * MINUTE)).unwrap_or(SystemTime::UNIX_EPOCH);
            let mut spans = fetcher.fragments(start.max(SystemTime::UNIX_EPOCH)..end).await?;
            spans.sort_by_key(|span| std::cmp::Reverse(span.start));
            if let Some(image) = fetcher.first_of(spans).await? {
                return Ok(Some(image));
            }
        }
        Ok(None)
    }

    fn grid(&self) -> Result<Grid, InvalidField> {
        let Some(range) = &self.range else {
            return Err(InvalidField::combination("StartTimestamp", "a range must be set"));
        };
        let grid = Grid::new(range, self.every, self.request.profile)?;
        // The calls of a stream differ only in their range, so checking one checks all.
        let sample = Window { start: grid.start, step: grid.step, count: 1 };
        self.request.first_page(sample).check()?;
        Ok(grid)
    }
}

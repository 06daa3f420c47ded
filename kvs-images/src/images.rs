//! Pictures of any range as a stream: exactly one item for each instant.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_core::Stream;
use futures_util::{StreamExt, stream};
use kvs_aws::{
    Client, Error, GetImages, ImageFailure, InvalidField, Operation, SamplingProfile, StreamId, TimestampOrigin, limits,
};
use kvs_types::__internal::{epoch_millis, from_epoch_millis};

use crate::fetcher::Fetcher;
use crate::pace::Pace;
use crate::plan::{Grid, Window};

/// Adds images to [`Client`].
pub trait ImagesExt {
    /// Pictures of a stream: refine, then take [`Images::stream`].
    fn images(&self, stream: impl Into<StreamId>) -> Images;
}

impl ImagesExt for Client {
    fn images(&self, stream: impl Into<StreamId>) -> Images {
        Images::new(self.clone(), stream.into())
    }
}

/// The picture of one instant, or why there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImageAt {
    /// The instant that was asked for.
    pub at: SystemTime,
    /// The file's bytes, JPEG or PNG.
    pub content: Result<Bytes, ImageFailure>,
}

/// Pictures of a range, every so often.
///
/// ```no_run
/// # async fn example(client: kvs_aws::Client) -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::{Duration, SystemTime};
/// use futures_util::StreamExt;
/// use kvs_images::ImagesExt;
///
/// let now = SystemTime::now();
/// let day = now - Duration::from_secs(24 * 3600)..now;
/// let stream: kvs_aws::StreamId = "front-door".parse()?;
/// let images = client.images(stream).range(day).every(Duration::from_secs(10)).size(640, 360).jpeg(80);
/// let mut images = std::pin::pin!(images.stream()?);
/// while let Some(image) = images.next().await {
///     match image.content {
///         Ok(jpeg) => println!("{:?}: {} bytes", image.at, jpeg.len()),
///         Err(why) => println!("{:?}: {why}", image.at),
///     }
/// }
/// # Ok(())
/// # }
/// ```
///
/// Behind it, ranges of more than 300 s are split, pages are followed, seams are deduplicated, and a first instant that
/// lies inside a fragment is asked for again from that fragment's start, which the service needs to find it.
///
/// Memory: `concurrency` calls of at most 100 pictures each, for a range of any length. Dropping the stream gives the
/// calls up.
#[derive(Debug, Clone)]
pub struct Images {
    pub(crate) client: Client,
    pub(crate) stream: StreamId,
    pub(crate) origin: TimestampOrigin,
    range: Option<Range<SystemTime>>,
    every: Duration,
    look: Look,
    pub(crate) profile: SamplingProfile,
    concurrency: usize,
    pub(crate) pace: Pace,
}

/// What pictures are to look like.
#[derive(Debug, Clone, Copy)]
struct Look {
    size: Option<(u32, u32)>,
    kind: Kind,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    DefaultJpeg,
    Jpeg(u8),
    Png,
}

impl Images {
    fn new(client: Client, stream: StreamId) -> Self {
        Self {
            client,
            stream,
            origin: TimestampOrigin::Producer,
            range: None,
            every: Duration::from_secs(3),
            look: Look { size: None, kind: Kind::DefaultJpeg },
            profile: SamplingProfile::Current,
            concurrency: 4,
            pace: Pace::ServiceQuota,
        }
    }

    /// Sets the range; its end is not an instant of it. To the millisecond.
    #[must_use]
    pub fn range(mut self, range: Range<SystemTime>) -> Self {
        self.range = Some(range);
        self
    }

    /// Sets the time from one picture to the next, 200 ms at least, in whole milliseconds. Default: 3 s.
    #[must_use]
    pub const fn every(mut self, interval: Duration) -> Self {
        self.every = interval;
        self
    }

    /// Sets the size; pictures are stretched to it. Default: the source's.
    #[must_use]
    pub const fn size(mut self, width: u32, height: u32) -> Self {
        self.look.size = Some((width, height));
        self
    }

    /// Asks for JPEG of a quality, 1 to 100. Default: JPEG of quality 80.
    #[must_use]
    pub const fn jpeg(mut self, quality: u8) -> Self {
        self.look.kind = Kind::Jpeg(quality);
        self
    }

    /// Asks for PNG.
    #[must_use]
    pub const fn png(mut self) -> Self {
        self.look.kind = Kind::Png;
        self
    }

    /// Sets whose clock the range is of. Default: the producer's.
    #[must_use]
    pub fn origin(mut self, origin: TimestampOrigin) -> Self {
        self.origin = origin;
        self
    }

    /// Sets which least interval the service has. Default: 200 ms.
    #[must_use]
    pub const fn profile(mut self, profile: SamplingProfile) -> Self {
        self.profile = profile;
        self
    }

    /// Sets how many calls are made at the same time, 1 at least. Default: 4. Each holds up to 100 pictures.
    #[must_use]
    pub fn concurrency(mut self, calls: usize) -> Self {
        self.concurrency = calls.max(1);
        self
    }

    /// Sets how fast calls may follow each other. Default: within the service's quotas.
    #[must_use]
    pub const fn pace(mut self, pace: Pace) -> Self {
        self.pace = pace;
        self
    }

    /// How many instants there are.
    ///
    /// # Errors
    /// When range, interval, size or quality are outside what the service takes.
    pub fn count(&self) -> Result<u64, InvalidField> {
        self.grid().map(|grid| grid.count)
    }

    /// The pictures in order of time: exactly one item for each instant.
    ///
    /// A call that fails for good gives its instants the error, and those after them without asking again if the same
    /// call would fail again.
    ///
    /// # Errors
    /// When range, interval, size or quality are outside what the service takes; nothing was sent.
    pub fn stream(self) -> Result<impl Stream<Item = ImageAt> + Send, InvalidField> {
        let grid = self.grid()?;
        let concurrency = self.concurrency;
        let fetcher = Arc::new(Fetcher::new(self));
        let windows = stream::iter(grid.windows()).map(move |window| {
            let fetcher = Arc::clone(&fetcher);
            async move { fetcher.window(window).await }
        });
        Ok(windows.buffered(concurrency).flat_map(stream::iter))
    }

    /// The picture at an instant, or of the fragment nearest to it within 5 minutes; `None` when there is none.
    ///
    /// # Errors
    /// When a call fails.
    pub async fn nearest(self, at: SystemTime) -> Result<Option<ImageAt>, Error> {
        let near = limits::REQUEST_RANGE;
        let fetcher = Fetcher::new(self);
        let at = from_epoch_millis(epoch_millis(at));
        let exact = fetcher.one(at).await?;
        if exact.content.is_ok() {
            return Ok(Some(exact));
        }
        let earliest = at.checked_sub(near).unwrap_or(SystemTime::UNIX_EPOCH).max(SystemTime::UNIX_EPOCH);
        let mut starts = fetcher.fragments(earliest..at + near).await?;
        starts.sort_by_key(|span| span.distance(at));
        for span in starts.into_iter().take(3) {
            let image = fetcher.one(span.start).await?;
            if image.content.is_ok() {
                return Ok(Some(image));
            }
        }
        Ok(None)
    }

    /// The first picture of the newest fragment of the last 24 hours before `now`; `None` when there is none.
    ///
    /// # Errors
    /// When a call fails.
    pub async fn latest(self, now: SystemTime) -> Result<Option<ImageAt>, Error> {
        const MINUTE: u64 = 60;
        let fetcher = Fetcher::new(self);
        // A fragment may be stamped a little ahead of this machine's clock.
        let end = now + Duration::from_secs(MINUTE);
        for minutes in [2, 60, 24 * 60] {
            let start = now.checked_sub(Duration::from_secs(minutes * MINUTE)).unwrap_or(SystemTime::UNIX_EPOCH);
            let mut spans = fetcher.fragments(start.max(SystemTime::UNIX_EPOCH)..end).await?;
            spans.sort_by_key(|span| std::cmp::Reverse(span.start));
            for span in spans.into_iter().take(3) {
                let image = fetcher.one(span.start).await?;
                if image.content.is_ok() {
                    return Ok(Some(image));
                }
            }
        }
        Ok(None)
    }

    fn grid(&self) -> Result<Grid, InvalidField> {
        let Some(range) = &self.range else {
            return Err(InvalidField::combination("StartTimestamp", "a range must be set"));
        };
        let grid = Grid::new(range, self.every, self.profile)?;
        // One call stands for all: they differ in nothing that is checked.
        let sample = Window { start: grid.start, step: grid.step, count: 1 };
        self.call(sample).check()?;
        Ok(grid)
    }

    /// The first page of a window.
    pub(crate) fn call(&self, window: Window) -> GetImages {
        let call = GetImages::new(self.stream.clone(), window.range()).selector(self.origin);
        let call =
            call.every(Duration::from_millis(window.step)).profile(self.profile).max_results(limits::PAGE_IMAGES);
        let call = match self.look.size {
            Some((width, height)) => call.size(width, height),
            None => call,
        };
        match self.look.kind {
            Kind::DefaultJpeg => call,
            Kind::Jpeg(quality) => call.jpeg(quality),
            Kind::Png => call.png(),
        }
    }
}

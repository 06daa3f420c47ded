//! Pictures of any range as a stream: exactly one item for each instant.

use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use futures_core::Stream;
use futures_util::{StreamExt, stream};
use kvs_aws::retry::Outcome;
use kvs_aws::{Client, Error, InvalidField, ListFragments, Operation, StreamId, TimestampOrigin, epoch_seconds};

use crate::error::ImageError;
use crate::format::SamplingProfile;
use crate::gather::{Answers, Gathered};
use crate::get_images::{GetImages, ImagePage};
use crate::limits;
use crate::pace::{Pace, Pacer};
use crate::plan::{Grid, Window};

/// Pages followed at most beyond one for each picture of a window: a token that leads nowhere must end.
const SPARE_PAGES: u64 = 8;

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
    pub content: Result<Bytes, ImageError>,
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
    client: Client,
    stream: StreamId,
    origin: TimestampOrigin,
    range: Option<Range<SystemTime>>,
    every: Duration,
    look: Look,
    profile: SamplingProfile,
    concurrency: usize,
    pace: Pace,
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
        let pacer = Mutex::new(Pacer::new(self.pace));
        let fetcher = Arc::new(Fetcher { images: self, pacer, fatal: OnceLock::new() });
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
        let fetcher = Fetcher { pacer: Mutex::new(Pacer::new(self.pace)), images: self, fatal: OnceLock::new() };
        let at = epoch_seconds::from_millis(epoch_seconds::millis(at));
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
        let fetcher = Fetcher { pacer: Mutex::new(Pacer::new(self.pace)), images: self, fatal: OnceLock::new() };
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
    fn call(&self, window: Window) -> GetImages {
        let call = GetImages::new(self.stream.clone(), window.range()).selector(self.origin.clone());
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

/// Where a fragment lies in time.
#[derive(Debug, Clone, Copy)]
struct Span {
    start: SystemTime,
    length: Duration,
}

impl Span {
    fn covers(&self, at: SystemTime) -> bool {
        self.start <= at && at < self.start + self.length
    }

    fn distance(&self, at: SystemTime) -> Duration {
        self.start.duration_since(at).unwrap_or_else(|before| before.duration())
    }
}

/// What all calls of one stream of pictures share.
struct Fetcher {
    images: Images,
    pacer: Mutex<Pacer>,
    /// The error that every further call would meet too.
    fatal: OnceLock<Arc<Error>>,
}

impl Fetcher {
    /// All items of a window.
    async fn window(&self, window: Window) -> Vec<ImageAt> {
        if let Some(error) = self.fatal.get() {
            return Gathered::new(window).into_items(Some(error));
        }
        let (mut gathered, failed) = self.ask(window).await;
        if let Some(error) = failed {
            return gathered.into_items(Some(&self.note(error)));
        }
        match self.repair(window, &mut gathered).await {
            Ok(()) => {}
            // Pictures need not come with the right to list fragments.
            Err(error) if Outcome::of(&error) == Outcome::Fatal => {
                tracing::warn!(%error, "pictures at the start of a range may be missing");
            }
            Err(error) => gathered.fail_leading_gap(&Arc::new(error)),
        }
        gathered.into_items(None)
    }

    fn note(&self, error: Error) -> Arc<Error> {
        let fatal = Outcome::of(&error) == Outcome::Fatal;
        let error = Arc::new(error);
        if fatal {
            // Another call may have been first; its error says the same.
            let _ = self.fatal.set(Arc::clone(&error));
        }
        error
    }

    /// Asks for a window; what came before an error counts.
    async fn ask(&self, window: Window) -> (Gathered, Option<Error>) {
        let mut answers = Answers::new(window);
        let failed = self.pages(window, &mut answers).await.err();
        (answers.settle(), failed)
    }

    /// Follows the pages of a window.
    async fn pages(&self, window: Window, answers: &mut Answers) -> Result<(), Error> {
        let first = self.images.call(window);
        let mut token = None;
        let mut left = window.count;
        for _ in 0..window.count + SPARE_PAGES {
            self.wait(left).await;
            let call = match token {
                Some(token) => first.clone().next_token(token),
                None => first.clone(),
            };
            let ImagePage { images, next_token, .. } = self.images.client.send(call).await?;
            left = left.saturating_sub(u64::try_from(images.len()).unwrap_or(u64::MAX));
            answers.add(images);
            let Some(next) = next_token else { return Ok(()) };
            token = Some(next);
        }
        tracing::warn!(images = window.count, "the service gave more pages than the range has pictures");
        Ok(())
    }

    async fn wait(&self, images: u64) {
        let images = u32::try_from(images).unwrap_or(u32::MAX).clamp(1, limits::PAGE_IMAGES);
        let at = self.pacer.lock().unwrap_or_else(PoisonError::into_inner).book(images, Instant::now());
        tokio::time::sleep_until(at.into()).await;
    }

    /// The service finds nothing for instants between its range's start and the first fragment that starts in it: asks
    /// again from the start of the fragment that holds the first instant.
    async fn repair(&self, window: Window, gathered: &mut Gathered) -> Result<(), Error> {
        let gap = gathered.leading_gap();
        if gap == 0 {
            return Ok(());
        }
        let first = epoch_seconds::from_millis(window.start);
        let before = first.checked_sub(limits::FRAGMENT_DURATION).unwrap_or(SystemTime::UNIX_EPOCH);
        let spans = self.fragments(before.max(SystemTime::UNIX_EPOCH)..first).await?;
        let Some(span) = spans.into_iter().filter(|span| span.covers(first)).max_by_key(|span| span.start) else {
            return Ok(());
        };
        let inside = first.duration_since(span.start).unwrap_or_default().as_millis();
        let back = u64::try_from(inside).unwrap_or_default().div_ceil(window.step);
        let Some(start) = window.start.checked_sub(back * window.step) else { return Ok(()) };
        if back == 0 {
            return Ok(());
        }
        let longest = u64::try_from(limits::REQUEST_RANGE.as_millis()).expect("the limit is 300 s") / window.step;
        let again = if back < longest {
            Window { start, step: window.step, count: (back + gap).min(longest) }
        } else {
            // Steps of minutes: one interval that leads from the fragment's start to the first instant.
            let step = window.start.saturating_sub(epoch_seconds::millis(span.start));
            let step = step.max(u64::from(self.images.profile.least_millis()));
            Window { start: window.start.saturating_sub(step), step, count: 2 }
        };
        let (found, failed) = self.ask(again).await;
        gathered.merge(found);
        failed.map_or(Ok(()), Err)
    }

    /// Where the stored fragments that start in a range lie.
    async fn fragments(&self, range: Range<SystemTime>) -> Result<Vec<Span>, Error> {
        /// A call costs as many points as it may give fragments; this many cover 300 s of the shortest.
        const PAGE: u32 = 500;
        /// 24 h of one-second fragments, and a bound for a token that leads nowhere.
        const PAGES: usize = 180;
        let origin = self.images.origin.clone();
        let first = ListFragments::new(self.images.stream.clone(), origin.clone(), range).max_results(PAGE);
        let (mut spans, mut token) = (Vec::new(), None);
        for _ in 0..PAGES {
            let call = match token {
                Some(token) => first.clone().next_token(token),
                None => first.clone(),
            };
            let page = self.images.client.send(call).await?;
            spans.extend(
                page.fragments
                    .iter()
                    .filter_map(|fragment| Some(Span { start: fragment.start(&origin)?, length: fragment.length() })),
            );
            let Some(next) = page.next_token else { break };
            token = Some(next);
        }
        Ok(spans)
    }

    /// The picture of one instant.
    async fn one(&self, at: SystemTime) -> Result<ImageAt, Error> {
        let least = u64::from(self.images.profile.least_millis());
        let window = Window { start: epoch_seconds::millis(at), step: least, count: 1 };
        let (mut gathered, failed) = self.ask(window).await;
        failed.map_or(Ok(()), Err)?;
        self.repair(window, &mut gathered).await?;
        let item = gathered.into_items(None).pop();
        Ok(item.expect("a window of one instant has one item"))
    }
}

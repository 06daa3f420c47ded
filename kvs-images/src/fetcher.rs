//! The calls behind a stream of images: windows, their pages, and gaps at their start.

use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use kvs_aws::limits::{FRAGMENT_DURATION_MAX, GET_IMAGES_RANGE, GET_IMAGES_RESULTS};
use kvs_aws::{Error, ImagePage, ListFragments};
use kvs_types::__internal::{ErrorChain, epoch_millis, from_epoch_millis};

use crate::gather::{ReceivedImages, WindowImages};
use crate::image_at::ImageAt;
use crate::pace::Pacer;
use crate::plan::Window;
use crate::request::ImageRequest;

/// How many more pages than images are read, so that a list whose tokens differ for ever ends.
const SPARE_PAGES: u64 = 8;

/// The state that all calls of one stream of images share.
pub(crate) struct Fetcher {
    request: ImageRequest,
    pacer: Mutex<Pacer>,
    /// An error that every further call would get too.
    fatal: OnceLock<Arc<Error>>,
}

impl Fetcher {
    pub(crate) const fn new(request: ImageRequest) -> Self {
        Self { pacer: Mutex::new(Pacer::new(request.pace)), request, fatal: OnceLock::new() }
    }

    /// Returns all items of a window.
    pub(crate) async fn window(&self, window: Window) -> Vec<ImageAt> {
        if let Some(error) = self.fatal.get() {
            return WindowImages::new(window).into_items(Some(error));
        }
        let (mut images, failed) = self.fetch(window).await;
        if let Some(error) = failed {
            return images.into_items(Some(&self.record(error)));
        }
        match self.fill_leading_gap(window, &mut images).await {
            Ok(()) => {}
            // The caller may have permission for GetImages but not for ListFragments.
            Err(error) if !error.is_transient() => {
                let error = ErrorChain(&error);
                tracing::warn!(%error, "cannot list fragments; images at the start of the range may be missing");
            }
            Err(error) => images.fail_leading_gap(&Arc::new(error)),
        }
        images.into_items(None)
    }

    fn record(&self, error: Error) -> Arc<Error> {
        let fatal = !error.is_transient();
        let error = Arc::new(error);
        if fatal {
            // If a concurrent call was first, its error is kept.
            let _ = self.fatal.set(Arc::clone(&error));
        }
        error
    }

    /// Fetches a window. Images that arrived before an error are kept.
    async fn fetch(&self, window: Window) -> (WindowImages, Option<Error>) {
        let mut received = ReceivedImages::new(window);
        let failed = self.pages(window, &mut received).await.err();
        (received.assign(), failed)
    }

    /// Fetches all pages of a window.
    async fn pages(&self, window: Window, received: &mut ReceivedImages) -> Result<(), Error> {
        let mut pages = self.request.client.pages(self.request.first_page(window));
        let mut left = window.count;
        for _ in 0..window.count + SPARE_PAGES {
            // Each page is a call, and only a page that follows costs one.
            if pages.is_at_end() {
                return Ok(());
            }
            self.wait(left).await;
            let Some(ImagePage { images, .. }) = pages.next().await? else { return Ok(()) };
            left = left.saturating_sub(u64::try_from(images.len()).unwrap_or(u64::MAX));
            received.add(images);
        }
        tracing::warn!(images = window.count, "service returned more pages than there are images");
        Ok(())
    }

    async fn wait(&self, images: u64) {
        let images = u32::try_from(images).unwrap_or(u32::MAX).clamp(1, GET_IMAGES_RESULTS);
        let at = self.pacer.lock().unwrap_or_else(PoisonError::into_inner).book(images, Instant::now());
        tokio::time::sleep_until(at.into()).await;
    }

    /// Fetches the images at the start of a window again, from the start of the fragment that contains the first timestamp.
    ///
    /// The service only considers fragments that start inside the requested range, so it finds no image before the first of
    /// them.
    async fn fill_leading_gap(&self, window: Window, images: &mut WindowImages) -> Result<(), Error> {
        let gap = images.leading_gap();
        if gap == 0 {
            return Ok(());
        }
        let first = from_epoch_millis(window.start);
        let before = first.checked_sub(FRAGMENT_DURATION_MAX).unwrap_or(SystemTime::UNIX_EPOCH);
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
        let longest = u64::try_from(GET_IMAGES_RANGE.as_millis()).expect("the limit is 300 s") / window.step;
        let again = if back < longest {
            Window { start, step: window.step, count: (back + gap).min(longest) }
        } else {
            // The step is minutes long: use one interval from the start of the fragment to the first timestamp.
            let step = window.start.saturating_sub(epoch_millis(span.start));
            let step = step.max(u64::from(self.request.profile.least_millis()));
            Window { start: window.start.saturating_sub(step), step, count: 2 }
        };
        let (found, failed) = self.fetch(again).await;
        images.merge(found);
        failed.map_or(Ok(()), Err)
    }

    /// Returns the stored fragments that start in a range, in no order.
    pub(crate) async fn fragments(&self, range: Range<SystemTime>) -> Result<Vec<FragmentSpan>, Error> {
        /// ListFragments costs one metadata point per requested result. These cover 300 s of the shortest fragments.
        const PAGE: u32 = 500;
        /// 24 h of one-second fragments; also ends a list whose tokens differ for ever.
        const PAGES: usize = 180;
        let origin = self.request.origin;
        let first = ListFragments::new(self.request.stream.clone(), origin, range).max_results(PAGE);
        let (mut spans, mut pages) = (Vec::new(), self.request.client.pages(first));
        for _ in 0..PAGES {
            let Some(page) = pages.next().await? else { break };
            spans.extend(page.fragments.iter().filter_map(|fragment| {
                Some(FragmentSpan { start: fragment.start(origin)?, length: fragment.length() })
            }));
        }
        Ok(spans)
    }

    /// Returns the first image of one of the first three fragments. A fragment without video has none.
    pub(crate) async fn first_of(&self, spans: Vec<FragmentSpan>) -> Result<Option<ImageAt>, Error> {
        for span in spans.into_iter().take(3) {
            let image = self.one(span.start).await?;
            if image.content.is_ok() {
                return Ok(Some(image));
            }
        }
        Ok(None)
    }

    /// Returns the item of one timestamp.
    pub(crate) async fn one(&self, at: SystemTime) -> Result<ImageAt, Error> {
        let step = u64::from(self.request.profile.least_millis());
        let window = Window { start: epoch_millis(at), step, count: 1 };
        let (mut images, failed) = self.fetch(window).await;
        failed.map_or(Ok(()), Err)?;
        self.fill_leading_gap(window, &mut images).await?;
        let item = images.into_items(None).pop();
        Ok(item.expect("a window of one timestamp has one item"))
    }
}

/// The time range of a fragment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FragmentSpan {
    pub(crate) start: SystemTime,
    length: Duration,
}

impl FragmentSpan {
    /// Whether a time is between the first and the last frame. The service has no image of the time after the last frame.
    fn covers(&self, at: SystemTime) -> bool {
        self.start <= at && at <= self.start + self.length
    }

    /// Returns the time between the start of the fragment and `at`.
    pub(crate) fn distance(&self, at: SystemTime) -> Duration {
        self.start.duration_since(at).unwrap_or_else(|before| before.duration())
    }
}

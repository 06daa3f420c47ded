//! The calls behind a stream of pictures: windows asked for, pages followed, leading gaps repaired.

use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use kvs_aws::limits::{PAGE_IMAGES, REQUEST_RANGE};
use kvs_aws::{Error, ImagePage, ListFragments};
use kvs_types::__internal::{epoch_millis, from_epoch_millis};

use crate::gather::{Answers, Gathered};
use crate::images::{ImageAt, Images};
use crate::limits;
use crate::pace::Pacer;
use crate::plan::Window;

/// Pages followed at most beyond one for each picture of a window: a token that leads nowhere must end.
const SPARE_PAGES: u64 = 8;

/// What all calls of one stream of pictures share.
pub(crate) struct Fetcher {
    images: Images,
    pacer: Mutex<Pacer>,
    /// The error that every further call would meet too.
    fatal: OnceLock<Arc<Error>>,
}

impl Fetcher {
    pub(crate) fn new(images: Images) -> Self {
        Self { pacer: Mutex::new(Pacer::new(images.pace)), images, fatal: OnceLock::new() }
    }

    /// All items of a window.
    pub(crate) async fn window(&self, window: Window) -> Vec<ImageAt> {
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
            Err(error) if !error.is_transient() => {
                tracing::warn!(%error, "pictures at the start of a range may be missing");
            }
            Err(error) => gathered.fail_leading_gap(&Arc::new(error)),
        }
        gathered.into_items(None)
    }

    fn note(&self, error: Error) -> Arc<Error> {
        let fatal = !error.is_transient();
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
        let images = u32::try_from(images).unwrap_or(u32::MAX).clamp(1, PAGE_IMAGES);
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
        let first = from_epoch_millis(window.start);
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
        let longest = u64::try_from(REQUEST_RANGE.as_millis()).expect("the limit is 300 s") / window.step;
        let again = if back < longest {
            Window { start, step: window.step, count: (back + gap).min(longest) }
        } else {
            // Steps of minutes: one interval that leads from the fragment's start to the first instant.
            let step = window.start.saturating_sub(epoch_millis(span.start));
            let step = step.max(u64::from(self.images.profile.least_millis()));
            Window { start: window.start.saturating_sub(step), step, count: 2 }
        };
        let (found, failed) = self.ask(again).await;
        gathered.merge(found);
        failed.map_or(Ok(()), Err)
    }

    /// Where the stored fragments that start in a range lie.
    pub(crate) async fn fragments(&self, range: Range<SystemTime>) -> Result<Vec<Span>, Error> {
        /// A call costs as many points as it may give fragments; this many cover 300 s of the shortest.
        const PAGE: u32 = 500;
        /// 24 h of one-second fragments, and a bound for a token that leads nowhere.
        const PAGES: usize = 180;
        let origin = self.images.origin;
        let first = ListFragments::new(self.images.stream.clone(), origin, range).max_results(PAGE);
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
                    .filter_map(|fragment| Some(Span { start: fragment.start(origin)?, length: fragment.length() })),
            );
            let Some(next) = page.next_token else { break };
            token = Some(next);
        }
        Ok(spans)
    }

    /// The picture of one instant.
    pub(crate) async fn one(&self, at: SystemTime) -> Result<ImageAt, Error> {
        let least = u64::from(self.images.profile.least_millis());
        let window = Window { start: epoch_millis(at), step: least, count: 1 };
        let (mut gathered, failed) = self.ask(window).await;
        failed.map_or(Ok(()), Err)?;
        self.repair(window, &mut gathered).await?;
        let item = gathered.into_items(None).pop();
        Ok(item.expect("a window of one instant has one item"))
    }
}

/// Where a fragment lies in time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    pub(crate) start: SystemTime,
    length: Duration,
}

impl Span {
    fn covers(&self, at: SystemTime) -> bool {
        self.start <= at && at < self.start + self.length
    }

    pub(crate) fn distance(&self, at: SystemTime) -> Duration {
        self.start.duration_since(at).unwrap_or_else(|before| before.duration())
    }
}

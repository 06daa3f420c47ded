//! The images of a range as an async stream.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;
use futures_util::{StreamExt, stream};

use crate::fetcher::Fetcher;
use crate::image_at::ImageAt;
use crate::plan::Grid;

/// The images of a range in order of time, from [`Images::stream`](crate::Images::stream): exactly one item for each timestamp.
///
/// It is `Unpin`. Read it with [`next`](Self::next), or with the methods of `futures_util::StreamExt`. Dropping it cancels its
/// calls.
#[must_use = "a stream sends nothing unless it is read"]
pub struct ImageStream {
    items: Pin<Box<dyn Stream<Item = ImageAt> + Send>>,
    remaining: u64,
}

impl ImageStream {
    pub(crate) fn new(grid: Grid, fetcher: Fetcher, concurrency: usize) -> Self {
        let fetcher = Arc::new(fetcher);
        let windows = stream::iter(grid.windows()).map(move |window| {
            let fetcher = Arc::clone(&fetcher);
            async move { fetcher.window(window).await }
        });
        Self { items: Box::pin(windows.buffered(concurrency).flat_map(stream::iter)), remaining: grid.count }
    }

    /// Returns the next item, `None` at the end. Cancel-safe: if the future is dropped, no item is lost.
    pub async fn next(&mut self) -> Option<ImageAt> {
        StreamExt::next(self).await
    }
}

impl Stream for ImageStream {
    type Item = ImageAt;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<ImageAt>> {
        let item = std::task::ready!(self.items.as_mut().poll_next(cx));
        if item.is_some() {
            self.remaining = self.remaining.saturating_sub(1);
        }
        Poll::Ready(item)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let remaining = usize::try_from(self.remaining);
        (remaining.unwrap_or(usize::MAX), remaining.ok())
    }
}

impl fmt::Debug for ImageStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImageStream").field("remaining", &self.remaining).finish_non_exhaustive()
    }
}

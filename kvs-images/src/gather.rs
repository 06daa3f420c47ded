//! Assigns the images of a window to its timestamps.

use std::sync::Arc;

use kvs_aws::{Error, Image, ImageError, ImageFailure};
use kvs_types::__internal::{epoch_millis, from_epoch_millis};

use crate::image_at::ImageAt;
use crate::plan::Window;

type Content = Result<bytes::Bytes, ImageFailure>;

/// The images received for a window, in the service's order.
#[derive(Debug)]
pub(crate) struct ReceivedImages {
    window: Window,
    images: Vec<(Option<u64>, Content)>,
}

/// What is known about each timestamp of a window.
#[derive(Debug)]
pub(crate) struct WindowImages {
    window: Window,
    contents: Vec<Option<Content>>,
}

impl ReceivedImages {
    pub(crate) const fn new(window: Window) -> Self {
        Self { window, images: Vec::new() }
    }

    /// Adds the images of a page.
    pub(crate) fn add(&mut self, images: Vec<Image>) {
        let timed = |image: Image| (image.timestamp.map(epoch_millis), image.content);
        self.images.extend(images.into_iter().map(timed));
    }

    /// Assigns the images to the timestamps.
    ///
    /// The service gives each image the requested timestamp, or else the time of the frame that it found. Requested timestamps
    /// are assigned as they are. Of frame times, if there are as many images as timestamps, the n-th image is assigned to the
    /// n-th timestamp, otherwise each to the nearest.
    pub(crate) fn assign(self) -> WindowImages {
        let mut assigned = WindowImages::new(self.window);
        let exact = self.images.iter().all(|(time, _)| time.is_some_and(|time| self.window.is_on_grid(time)));
        if !exact && self.images.len() == assigned.contents.len() {
            assigned.contents = self.images.into_iter().map(|(_, content)| Some(content)).collect();
            return assigned;
        }
        for (time, content) in self.images {
            // Images outside the window are ignored.
            if let Some(index) = time.and_then(|time| self.window.index_of(time)) {
                assigned.set(index, content);
            }
        }
        assigned
    }
}

impl WindowImages {
    pub(crate) fn new(window: Window) -> Self {
        let count = usize::try_from(window.count).expect("a window has at most a few thousand timestamps");
        Self { window, contents: vec![None; count] }
    }

    /// Sets the content of a timestamp. Pages overlap at their boundaries, and a gap may be reported twice: an image replaces a
    /// failure, and the first of two images is kept.
    fn set(&mut self, index: usize, content: Content) {
        let Some(slot) = self.contents.get_mut(index) else { return };
        if !matches!(slot, Some(Ok(_))) && (slot.is_none() || content.is_ok()) {
            *slot = Some(content);
        }
    }

    /// Adds what another window knows about the same timestamps.
    pub(crate) fn merge(&mut self, other: Self) {
        for (index, content) in (0_u64..).zip(other.contents) {
            let instant = other.window.instant(index);
            let same = self.window.index_of(instant).filter(|_| self.window.is_on_grid(instant));
            if let (Some(index), Some(content)) = (same, content) {
                self.set(index, content);
            }
        }
    }

    /// Returns how many timestamps at the start have no media.
    pub(crate) fn leading_gap(&self) -> u64 {
        let no_media =
            |content: &&Option<Content>| matches!(content, Some(Err(ImageFailure::Service(ImageError::NoMedia))));
        u64::try_from(self.contents.iter().take_while(no_media).count()).unwrap_or(u64::MAX)
    }

    /// Replaces the leading gap by an error, because it is unknown whether there is media.
    pub(crate) fn fail_leading_gap(&mut self, error: &Arc<Error>) {
        let gap = usize::try_from(self.leading_gap()).unwrap_or(usize::MAX);
        for content in self.contents.iter_mut().take(gap) {
            *content = Some(Err(ImageFailure::Call(Arc::clone(error))));
        }
    }

    /// Returns one item for each timestamp. Those without content get `error`, if there is one.
    pub(crate) fn into_items(self, error: Option<&Arc<Error>>) -> Vec<ImageAt> {
        let Self { window, contents } = self;
        let missing = || Err(error.map_or(ImageFailure::NotAnswered, |error| ImageFailure::Call(Arc::clone(error))));
        let items = (0_u64..).zip(contents).map(|(index, content)| ImageAt {
            at: from_epoch_millis(window.instant(index)),
            content: content.unwrap_or_else(missing),
        });
        items.collect()
    }
}

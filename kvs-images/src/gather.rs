//! The answers to one window, sorted into its instants.

use std::sync::Arc;

use kvs_aws::{Error, Image, ImageError, ImageFailure};
use kvs_types::__internal::{epoch_millis, from_epoch_millis};

use crate::images::ImageAt;
use crate::plan::Window;

type Found = Result<bytes::Bytes, ImageFailure>;

/// What has come for a window so far, in the service's order.
#[derive(Debug)]
pub(crate) struct Answers {
    window: Window,
    images: Vec<(Option<u64>, Found)>,
}

/// What is known of each instant of a window.
#[derive(Debug)]
pub(crate) struct Gathered {
    window: Window,
    found: Vec<Option<Found>>,
}

impl Answers {
    pub(crate) const fn new(window: Window) -> Self {
        Self { window, images: Vec::new() }
    }

    /// Notes one page.
    pub(crate) fn add(&mut self, images: Vec<Image>) {
        let timed = |image: Image| (image.timestamp.map(epoch_millis), image.content);
        self.images.extend(images.into_iter().map(timed));
    }

    /// Gives each instant its answer.
    ///
    /// An answer carries the instant it is for, or else the time of the frame that was found for it. In the first case
    /// it goes to that instant; in the second, when there are exactly as many answers as instants, the n-th goes to the
    /// n-th, else to the nearest.
    pub(crate) fn settle(self) -> Gathered {
        let mut gathered = Gathered::new(self.window);
        let exact = self.images.iter().all(|(time, _)| time.is_some_and(|time| self.window.is_on_grid(time)));
        if !exact && self.images.len() == gathered.found.len() {
            gathered.found = self.images.into_iter().map(|(_, found)| Some(found)).collect();
            return gathered;
        }
        for (time, found) in self.images {
            // What is outside the window belongs to nobody.
            if let Some(index) = time.and_then(|time| self.window.index_of(time)) {
                gathered.put(index, found);
            }
        }
        gathered
    }
}

impl Gathered {
    pub(crate) fn new(window: Window) -> Self {
        let count = usize::try_from(window.count).expect("a window has at most a few thousand instants");
        Self { window, found: vec![None; count] }
    }

    /// Pages overlap at their seams and a gap may be reported twice: a picture wins over a reason why there is none, and
    /// the first of two pictures stays.
    fn put(&mut self, index: usize, found: Found) {
        let Some(place) = self.found.get_mut(index) else { return };
        if !matches!(place, Some(Ok(_))) && (place.is_none() || found.is_ok()) {
            *place = Some(found);
        }
    }

    /// Takes over what another window knows of the same instants.
    pub(crate) fn merge(&mut self, other: Self) {
        for (index, found) in (0_u64..).zip(other.found) {
            let instant = other.window.instant(index);
            let same = self.window.index_of(instant).filter(|_| self.window.is_on_grid(instant));
            if let (Some(index), Some(found)) = (same, found) {
                self.put(index, found);
            }
        }
    }

    /// How many instants at the beginning have no media.
    pub(crate) fn leading_gap(&self) -> u64 {
        let gap = self
            .found
            .iter()
            .take_while(|found| matches!(found, Some(Err(ImageFailure::Service(ImageError::NoMedia)))))
            .count();
        u64::try_from(gap).unwrap_or(u64::MAX)
    }

    /// Whether there is media at the beginning could not be found out: its instants have this error.
    pub(crate) fn fail_leading_gap(&mut self, error: &Arc<Error>) {
        let gap = usize::try_from(self.leading_gap()).unwrap_or(usize::MAX);
        for found in self.found.iter_mut().take(gap) {
            *found = Some(Err(ImageFailure::Call(Arc::clone(error))));
        }
    }

    /// One item for each instant; what was not answered has the error, or none of its own.
    pub(crate) fn into_items(self, error: Option<&Arc<Error>>) -> Vec<ImageAt> {
        let Self { window, found } = self;
        let missing = || Err(error.map_or(ImageFailure::NotAnswered, |error| ImageFailure::Call(Arc::clone(error))));
        let items = (0_u64..).zip(found).map(|(index, found)| ImageAt {
            at: from_epoch_millis(window.instant(index)),
            content: found.unwrap_or_else(missing),
        });
        items.collect()
    }
}

//! The fragments of one request. Each is read once if memory allows it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::error::DecodeError;
use super::index::PictureIndex;
use super::limits::CONTIGUOUS_WITHIN;
use super::memory::{KEPT_MEDIA, Reservation};
use super::request::ImageRequest;
use super::source::{FragmentMedia, FragmentSpan, MediaSource};
use crate::error_chain::error_chain;

/// Fragments in ingestion order, with the media and the picture index of those that were read.
pub(super) struct FragmentCache<'a> {
    spans: &'a [FragmentSpan],
    source: &'a dyn MediaSource,
    loaded: BTreeMap<usize, Result<CachedFragment, DecodeError>>,
    /// Room for the media that is kept.
    kept: Vec<Reservation<'static>>,
    follows_container: bool,
}

/// A fragment that was read.
#[derive(Clone)]
pub(super) struct CachedFragment {
    pub(super) index: Arc<PictureIndex>,
    /// The timecode of the cluster.
    pub(super) start: Duration,
    /// `None` if there was no room for it when the fragment was read.
    media: Option<Arc<FragmentMedia>>,
}

impl<'a> FragmentCache<'a> {
    pub(super) const fn new(spans: &'a [FragmentSpan], source: &'a dyn MediaSource, follows_container: bool) -> Self {
        Self { spans, source, loaded: BTreeMap::new(), kept: Vec::new(), follows_container }
    }

    pub(super) fn span(&self, fragment: usize) -> Option<&'a FragmentSpan> {
        self.spans.get(fragment)
    }

    /// Returns the fragment that covers an instant, among those that the request looks at.
    ///
    /// If several fragments do, it is the latest: after a fast upload, long fragments overlap on the server's clock.
    pub(super) fn covering(&self, instant: Duration, request: &ImageRequest) -> Option<usize> {
        let ImageRequest { origin, earliest_start, .. } = *request;
        let spans = self.spans.iter().enumerate();
        let covering = spans.filter(|(_, span)| span.start(origin) >= earliest_start && span.covers(instant, origin));
        covering.max_by_key(|(fragment, span)| (span.start(origin), *fragment)).map(|(fragment, _)| fragment)
    }

    /// Returns whether the next fragment is contiguous with this one.
    pub(super) fn is_followed(&self, fragment: usize) -> bool {
        let (Some(this), Some(next)) = (self.span(fragment), self.span(fragment + 1)) else { return false };
        let end = this.producer_timestamp.saturating_add(this.duration);
        end.abs_diff(next.producer_timestamp) <= CONTIGUOUS_WITHIN
    }

    /// Returns a fragment, and reads it first if necessary.
    pub(super) fn get(&mut self, fragment: usize) -> Result<&CachedFragment, DecodeError> {
        if !self.loaded.contains_key(&fragment) {
            let cached = self.load(fragment);
            self.loaded.insert(fragment, cached);
        }
        self.loaded(fragment)
    }

    /// Returns a fragment that was read while the decode spans were planned.
    pub(super) fn loaded(&self, fragment: usize) -> Result<&CachedFragment, DecodeError> {
        match self.loaded.get(&fragment) {
            Some(Ok(cached)) => Ok(cached),
            Some(Err(error)) => Err(error.clone()),
            None => Err(DecodeError::Storage { reason: format!("fragment {fragment} is not part of the plan") }),
        }
    }

    /// Returns the media of a fragment, and reads it again if it was not kept.
    pub(super) fn media(&self, fragment: usize) -> Result<Arc<FragmentMedia>, DecodeError> {
        match &self.loaded(fragment)?.media {
            Some(media) => Ok(Arc::clone(media)),
            None => self.read(fragment).map(Arc::new),
        }
    }

    fn load(&mut self, fragment: usize) -> Result<CachedFragment, DecodeError> {
        let media = self.read(fragment)?;
        let index = Arc::new(PictureIndex::new(&media, self.follows_container)?);
        let (start, bytes) = (media.start, media.bytes());
        let media = KEPT_MEDIA.try_reserve(bytes as u64).map(|room| {
            self.kept.push(room);
            Arc::new(media)
        });
        Ok(CachedFragment { index, start, media })
    }

    fn read(&self, fragment: usize) -> Result<FragmentMedia, DecodeError> {
        let span = self.span(fragment).ok_or(DecodeError::NoPicture)?;
        self.source.media(&span.number).map_err(|error| DecodeError::Storage { reason: error_chain(&*error) })
    }
}

//! What all GetImages calls of a stream of images have in common.

use std::time::Duration;

use kvs_aws::{Client, GetImages, SamplingProfile, StreamId, TimestampOrigin, limits};

use crate::pace::Pace;
use crate::plan::Window;

/// The stream, and what its images look like.
#[derive(Debug, Clone)]
pub(crate) struct ImageRequest {
    pub(crate) client: Client,
    pub(crate) stream: StreamId,
    pub(crate) origin: TimestampOrigin,
    pub(crate) size: Option<(u32, u32)>,
    pub(crate) encoding: Encoding,
    pub(crate) profile: SamplingProfile,
    pub(crate) pace: Pace,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Encoding {
    DefaultJpeg,
    Jpeg(u8),
    Png,
}

impl ImageRequest {
    pub(crate) const fn new(client: Client, stream: StreamId) -> Self {
        Self {
            client,
            stream,
            origin: TimestampOrigin::Producer,
            size: None,
            encoding: Encoding::DefaultJpeg,
            profile: SamplingProfile::Current,
            pace: Pace::ServiceQuota,
        }
    }

    /// Returns the call for the first page of a window.
    pub(crate) fn first_page(&self, window: Window) -> GetImages {
        let call = GetImages::new(self.stream.clone(), window.range())
            .selector(self.origin)
            .every(Duration::from_millis(window.step))
            .profile(self.profile)
            .max_results(limits::GET_IMAGES_RESULTS);
        let call = match self.size {
            Some((width, height)) => call.size(width, height),
            None => call,
        };
        match self.encoding {
            Encoding::DefaultJpeg => call,
            Encoding::Jpeg(quality) => call.jpeg(quality),
            Encoding::Png => call.png(),
        }
    }
}

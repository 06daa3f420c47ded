//! GetClip.

use std::ops::Range;
use std::time::SystemTime;

use kvs_types::{InvalidField, StreamId, TimestampOrigin};
use serde::Serialize;

use super::FragmentSelector;
use crate::ops::media::MediaBody;
use crate::protocol::error::Error;
use crate::protocol::operation::{ApiName, Operation, Target};
use crate::protocol::response::Response;

/// Returns the fragments that start in a range as an MP4 file: at most 24 h, 200 fragments and 100 MB.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetClip {
    #[serde(flatten)]
    stream: StreamId,
    clip_fragment_selector: FragmentSelector,
}

impl GetClip {
    /// Creates a request for the fragments that start in `range`, by the clock that `origin` names.
    #[must_use]
    pub fn new(stream: StreamId, origin: TimestampOrigin, range: Range<SystemTime>) -> Self {
        Self { stream, clip_fragment_selector: FragmentSelector::of(origin, range) }
    }
}

impl Operation for GetClip {
    type Output = MediaBody;
    const NAME: &'static str = "GetClip";
    const PATH: &'static str = "/getClip";

    fn target(&self) -> Target<'_> {
        Target::DataPlane(&self.stream, &ApiName::GetClip)
    }

    fn check(&self) -> Result<(), InvalidField> {
        self.clip_fragment_selector.check_clip()
    }

    async fn read(response: Response) -> Result<MediaBody, Error> {
        MediaBody::open(response).await
    }
}

//! GetMediaForFragmentList.

use kvs_types::__internal::check_length;
use kvs_types::{FragmentNumber, InvalidField, StreamId, limits};
use serde::Serialize;

use crate::ops::media::MediaBody;
use crate::protocol::error::Error;
use crate::protocol::operation::{ApiName, Operation, Target};
use crate::protocol::response::Response;

/// Returns the stored media of up to 1,000 fragments as one MKV document.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetMediaForFragmentList {
    #[serde(flatten)]
    stream: StreamId,
    fragments: Vec<FragmentNumber>,
}

impl GetMediaForFragmentList {
    /// Creates a request for these fragments.
    pub fn new(stream: StreamId, fragments: impl IntoIterator<Item = FragmentNumber>) -> Self {
        Self { stream, fragments: fragments.into_iter().collect() }
    }
}

impl Operation for GetMediaForFragmentList {
    type Output = MediaBody;
    const NAME: &'static str = "GetMediaForFragmentList";
    const PATH: &'static str = "/getMediaForFragmentList";

    fn target(&self) -> Target<'_> {
        Target::DataPlane(&self.stream, &ApiName::GetMediaForFragmentList)
    }

    fn check(&self) -> Result<(), InvalidField> {
        check_length("Fragments", self.fragments.len(), (1, limits::FRAGMENT_LIST_NUMBERS))
    }

    async fn read(response: Response) -> Result<MediaBody, Error> {
        MediaBody::open(response).await
    }
}

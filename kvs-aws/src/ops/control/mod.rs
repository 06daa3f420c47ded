//! The control plane: streams and what belongs to them.

mod data_endpoint;
mod stream_info;
mod streams;
mod tags;
mod updates;

pub use data_endpoint::GetDataEndpoint;
pub use stream_info::StreamInfo;
pub(crate) use streams::check_token;
pub use streams::{CreateStream, DeleteStream, DescribeStream, ListStreams, StreamPage};
pub use tags::{ListTagsForStream, TagPage, TagStream, UntagStream};
pub use updates::{
    DescribeStreamStorageConfiguration, StorageTier, UpdateDataRetention, UpdateStream,
    UpdateStreamStorageConfiguration,
};

use serde::Deserialize;

use crate::limits;
use crate::protocol::error::Error;
use crate::protocol::response::Response;

/// Reads a success that says nothing: an empty body or the empty object.
pub(crate) async fn nothing(response: Response) -> Result<(), Error> {
    #[derive(Deserialize)]
    struct Nothing {}
    let Nothing {} = response.json(limits::RESPONSE_BYTES).await?;
    Ok(())
}

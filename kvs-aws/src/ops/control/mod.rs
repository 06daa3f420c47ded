//! Control-plane operations on streams.

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

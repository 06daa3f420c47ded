//! The operations of the service as requests: body, path, and how to read the response.

use std::future::Future;

use kvs_types::__internal::open_enum;
use kvs_types::{InvalidField, StreamId};
use serde::Serialize;

use crate::protocol::error::Error;
use crate::protocol::response::Response;

/// An operation of the service. It serializes to the JSON body of its request.
///
/// The trait is sealed; kvs-aws implements it for its operations.
pub trait Operation: Serialize + Send + Sync {
    /// The result of a successful call.
    type Output: Send;

    /// The operation's name in the API reference.
    const NAME: &'static str;

    /// The path of the URL.
    #[doc(hidden)]
    const PATH: &'static str;

    /// Returns which endpoint serves the operation.
    #[doc(hidden)]
    fn target(&self) -> Target<'_> {
        Target::ControlPlane
    }

    /// Returns the region in the ARN of its stream, if the stream is given by ARN.
    #[doc(hidden)]
    fn region(&self) -> Option<&str> {
        match self.target() {
            Target::ControlPlane => None,
            Target::DataPlane(stream, _) => stream.region(),
        }
    }

    /// Checks the request against the service model. [`Client::send`](crate::Client::send) does this before it sends.
    ///
    /// # Errors
    /// Returns the first member that the service would reject.
    fn check(&self) -> Result<(), InvalidField>;

    /// Reads a successful response. Its parameter seals the trait: the type cannot be named outside this crate.
    #[doc(hidden)]
    fn read(response: Response) -> impl Future<Output = Result<Self::Output, Error>> + Send;
}

/// The endpoint that serves an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Target<'a> {
    /// The control-plane endpoint of the region.
    ControlPlane,
    /// The data endpoint of a stream, which GetDataEndpoint returns.
    DataPlane(&'a StreamId, &'a ApiName),
}

open_enum! {
    /// The operations that are served by a data endpoint.
    pub enum ApiName {
        /// PutMedia.
        PutMedia = "PUT_MEDIA",
        /// GetMedia.
        GetMedia = "GET_MEDIA",
        /// ListFragments.
        ListFragments = "LIST_FRAGMENTS",
        /// GetMediaForFragmentList.
        GetMediaForFragmentList = "GET_MEDIA_FOR_FRAGMENT_LIST",
        /// GetHLSStreamingSessionURL.
        GetHlsStreamingSessionUrl = "GET_HLS_STREAMING_SESSION_URL",
        /// GetDASHStreamingSessionURL.
        GetDashStreamingSessionUrl = "GET_DASH_STREAMING_SESSION_URL",
        /// GetClip.
        GetClip = "GET_CLIP",
        /// GetImages.
        GetImages = "GET_IMAGES",
    }
}

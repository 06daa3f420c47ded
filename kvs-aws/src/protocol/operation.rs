//! What a call is: a request body, a path and a way to read the answer.

use std::future::Future;

use kvs_types::__internal::open_enum;
use kvs_types::{InvalidField, StreamId};
use serde::Serialize;

use crate::protocol::error::Error;
use crate::protocol::reply::Reply;

/// One call of the service: serialized, it is the request's JSON body.
///
/// The operations of this crate are all there is to the control plane; other crates of the family bring their own.
pub trait Operation: Serialize + Send + Sync {
    /// What a successful call gives.
    type Output: Send;

    /// The name in the API reference, for errors and logs.
    const NAME: &'static str;

    /// The path, which is the name with a small first letter.
    const PATH: &'static str;

    /// Where the call goes.
    fn target(&self) -> Target<'_> {
        Target::ControlPlane
    }

    /// Checks the members against the service model, before anything is sent.
    ///
    /// # Errors
    /// With the first member that is outside what the service takes.
    fn check(&self) -> Result<(), InvalidField>;

    /// Reads a successful response.
    fn read(reply: Reply) -> impl Future<Output = Result<Self::Output, Error>> + Send;
}

/// Where a call goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Target<'a> {
    /// To the region's control plane.
    ControlPlane,
    /// To the stream's own data endpoint, which `GetDataEndpoint` tells.
    DataPlane(&'a StreamId, &'a ApiName),
}

open_enum! {
    /// The calls that have a data endpoint.
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

//! What every Kinesis Video Streams call shares: signing, endpoints, retry decisions, typed errors and a lean hyper client.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use kvs_aws::{Client, ClientConfig, ListStreams};
//!
//! let client = Client::new(ClientConfig::from_env()?)?;
//! for stream in client.send(ListStreams::new()).await?.streams {
//!     println!("{}", stream.stream_name.unwrap_or_default());
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # The contract
//!
//! * An [`Operation`] is a small struct: made with what it needs, refined with consuming setters, checked against the
//!   service model before anything is sent, serialized as the request's body. [`Client::send`] finds the endpoint,
//!   signs, sends, repeats what is worth repeating and gives the typed output or a typed [`Error`].
//! * [`Client::put_media`] is the one call of another kind: media goes up and acknowledgements come down at the same
//!   time. Nothing in it is repeated here.
//! * A core has no clock: [`sign()`] takes the time, [`retry::Retry`] takes the instant and gives one back.
//! * Credentials come from any provider; they are renewed ahead of their end, by one caller for all, and used to their end
//!   while they cannot be. `IotCredentials` (feature `iot`) gets them for a device's certificate.
//! * Connections go through the [`Proxy`] that is set, those of PutMedia too, and trust the [`TlsRoots`] that are set.
//! * Dropping a future gives its exchange up; nothing goes on behind your back.
#![warn(clippy::exhaustive_enums, clippy::exhaustive_structs)]

pub mod limits;

mod lenient;

mod auth;
mod client;
mod net;
mod ops;
mod protocol;
mod put_media;

#[cfg(feature = "iot")]
pub use auth::iot::{IotConfig, IotConfigError, IotCredentials, IotError};
pub use client::Client;
pub use client::config::{ClientConfig, ConfigError};
pub use client::media_tail::{MediaTail, TailEvent};
pub use client::retry::RetryConfig;
pub use kvs_types::{FieldProblem, InvalidField, StreamArn, StreamId, StreamName};
pub use net::dial::{InvalidProxy, Proxy, ProxyError};
pub use net::endpoint::{Endpoint, Fips, InvalidEndpoint, IpFamilies};
pub use net::error::{Phase, TransportError};
pub use net::http_send::{HttpSend, ResponseBody, SendFuture};
pub use net::region::Region;
pub use net::timeouts::Timeouts;
pub use net::tls::{TlsError, TlsRoots};
pub use ops::archived::{
    ContainerFormat, Discontinuities, Display, FragmentInfo, FragmentPage, GetClip, GetDashStreamingSessionUrl,
    GetHlsStreamingSessionUrl, GetMediaForFragmentList, ListFragments, PlaybackMode, TimestampOrigin,
};
pub use ops::configuration::image_generation::{ImageGenerationConfiguration, ImageGenerationDestination};
pub use ops::configuration::json_file::JsonFileError;
pub use ops::configuration::notification::{NotificationConfiguration, NotificationDestination};
pub use ops::configuration::status::ConfigurationStatus;
pub use ops::configuration::{
    DescribeConfiguration, DescribeImageGenerationConfiguration, DescribeNotificationConfiguration,
    StreamConfiguration, UpdateConfiguration, UpdateImageGenerationConfiguration, UpdateNotificationConfiguration,
};
pub use ops::control::{
    CreateStream, DeleteStream, DescribeStream, DescribeStreamStorageConfiguration, GetDataEndpoint, ListStreams,
    ListTagsForStream, StorageTier, StreamInfo, StreamPage, StreamStatus, TagPage, TagStream, UntagStream,
    UpdateDataRetention, UpdateStream, UpdateStreamStorageConfiguration,
};
pub use ops::images::error::ImageError;
pub use ops::images::format::{FormatConfig, ImageFormat, SamplingProfile};
pub use ops::images::get_images::{GetImages, Image, ImagePage};
pub use ops::media::{GetMedia, MediaBody, StartSelector};
pub use protocol::error::{Error, ResponseProblem};
pub use protocol::operation::{ApiName, Operation};
pub use protocol::service_error::{ServiceError, ServiceErrorKind};
pub use put_media::{
    Acks, PutMedia, PutMediaAcks, PutMediaExchange, PutMediaSender, SendPermit, SessionEnded, TimecodeType,
};

/// Where credentials come from: any provider of the AWS SDK for Rust, or fixed [`Credentials`].
pub use aws_credential_types::{Credentials, provider::ProvideCredentials};

/// What only the tests and crates of this family need. Not covered by semantic versioning.
#[doc(hidden)]
pub mod __internal {
    pub use crate::ops::images::get_images::parse_page;
    pub use crate::protocol::response::parse_error;
}

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeExamples;

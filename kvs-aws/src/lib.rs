//! What every Kinesis Video Streams call shares: signing, endpoints, retry decisions, typed errors and a lean hyper client.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use kvs_aws::{Client, Config, ListStreams};
//!
//! let client = Client::new(Config::from_env()?)?;
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

pub mod epoch_seconds;
pub mod field;
pub mod lenient;
pub mod limits;
pub mod reply;
pub mod retry;

mod archived;
mod client;
mod config;
mod control;
mod credentials;
mod dial;
mod endpoint;
mod error;
mod follower;
mod http_send;
mod hyper_send;
#[cfg(feature = "iot")]
mod iot;
mod media;
mod open_enum;
mod operation;
mod put_media;
mod region;
#[cfg(feature = "aws-config")]
mod sdk_config;
mod service_clock;
mod sign;
mod stream_id;
mod timeouts;
mod tls;

pub use archived::{
    ContainerFormat, Discontinuities, Display, FragmentInfo, FragmentPage, GetClip, GetDashStreamingSessionUrl,
    GetHlsStreamingSessionUrl, GetMediaForFragmentList, ListFragments, PlaybackMode, TimestampOrigin,
};
pub use client::Client;
pub use config::{Config, ConfigError};
pub use control::{
    CreateStream, DeleteStream, DescribeStream, DescribeStreamStorageConfiguration, GetDataEndpoint, ListStreams,
    ListTagsForStream, StorageTier, StreamInfo, StreamPage, StreamStatus, TagPage, TagStream, UntagStream,
    UpdateDataRetention, UpdateStream, UpdateStreamStorageConfiguration,
};
pub use dial::{InvalidProxy, Proxy, ProxyError};
pub use endpoint::{Endpoint, Fips, InvalidEndpoint, IpFamilies};
pub use error::{Error, Phase, ResponseProblem, ServiceError, ServiceErrorKind, TransportError};
pub use field::{FieldProblem, InvalidField};
pub use follower::{Followed, MediaFollower};
pub use http_send::{HttpSend, ResponseBody, Sending};
#[cfg(feature = "iot")]
pub use iot::{IotConfig, IotConfigError, IotCredentials, IotError};
pub use media::{GetMedia, MediaBody, StartSelector};
pub use operation::{ApiName, Operation, Target};
pub use put_media::{
    Acks, PutMedia, PutMediaAcks, PutMediaExchange, PutMediaSender, SendPermit, SessionEnded, TimecodeType,
};
pub use region::{Partition, Region};
pub use reply::Reply;
pub use sign::{Payload, SignError, sign};
pub use stream_id::{StreamArn, StreamId, StreamName};
pub use timeouts::Timeouts;
pub use tls::{TlsError, TlsRoots};

/// Where credentials come from: any provider of the AWS SDK for Rust, or fixed [`Credentials`].
pub use aws_credential_types::{Credentials, provider::ProvideCredentials};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeExamples;

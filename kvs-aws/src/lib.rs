//! A client for the Amazon Kinesis Video Streams API.
//!
//! It has all operations of the control plane, of archived media and of live media, and PutMedia as a full-duplex exchange.
//! WebRTC signaling is not included. To send video from a camera, use `kvs-producer`; to get the images of a time range, use
//! `kvs-images`. Both are built on this crate.
//!
//! ```no_run
//! use kvs_aws::{Client, ClientConfig, CreateStream, DescribeStream, ListStreams};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! // AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, …
//! let client = Client::new(ClientConfig::from_env()?)?;
//!
//! client.send(CreateStream::new("front-door".parse()?).data_retention_in_hours(24)).await?;
//! let stream = client.send(DescribeStream::new("front-door".parse()?)).await?;
//! println!("front-door is {:?}", stream.status);
//!
//! let mut pages = client.pages(ListStreams::new());
//! while let Some(page) = pages.next().await? {
//!     for stream in page.streams {
//!         println!("{}", stream.stream_name.unwrap_or_default());
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # How it works
//!
//! * An operation is a struct such as [`DescribeStream`], built with setters. [`Client::send`] checks it against the service
//!   model, signs it, sends it and returns its result. Dropping the future cancels the call.
//! * Attempts that failed temporarily are repeated ([`RetryConfig`]). A wrong clock is corrected with the service's time.
//! * Data-plane operations go to the stream's data endpoint, which the client looks up and caches for 40 minutes.
//! * [`Client::put_media`] opens a PutMedia session: media is sent and acknowledgements are received at the same time. It is
//!   never repeated by this crate.
//! * [`GetMedia`] and the other operations that return media give a [`MediaBody`], which is read piece by piece.
//!   [`MediaTail`] follows live media over many GetMedia calls.
//! * Credentials come from any provider of the AWS SDK for Rust. They are refreshed before they expire, by one caller for all,
//!   and used until they expire if the provider fails.
//! * All connections use the configured [`Proxy`] and [`TlsRoots`].
//!
//! A tokio runtime with I/O and time enabled is required.
//!
//! # Features
//!
//! | Feature | Default | Meaning |
//! |---|---|---|
//! | `ring` | yes | TLS by `ring` |
//! | `aws-lc-rs` | no | TLS by `aws-lc-rs`; takes precedence over `ring` if both are enabled |
//! | `webpki-roots` | yes | TLS trust roots: Mozilla's list, compiled in |
//! | `native-roots` | no | TLS trust roots: those of the operating system |
//! | `aws-config` | no | `ClientConfig::try_from(&SdkConfig)`, for profiles, SSO and IMDS with the crate `aws-config` |
//! | `iot` | no | `IotCredentials`: credentials for a device with an X.509 certificate, from AWS IoT |
//!
//! Features only add. For FIPS-validated cryptography, enable `aws-lc-rs` here and the feature `fips` of `rustls` in your
//! crate, and set [`ClientConfig::use_fips`] for the endpoints. With neither `ring` nor `aws-lc-rs`, the process-wide default
//! provider of rustls is used.
//!
//! # Limits
//!
//! The limits of the service are in [`limits`]. This crate itself reads at most 16 MiB of an ordinary response, 157 MB of a
//! page of images and 64 KiB of an error response; media is not limited. It caches at most 10,000 data endpoints.
//!
//! # Errors
//!
//! A call returns [`Error`], with one variant for each party that has to act:
//!
//! | Variant | Who must act |
//! |---|---|
//! | [`Error::Invalid`] | the caller: the service does not accept a value; nothing was sent |
//! | [`Error::Credentials`] | the administrator of the credentials |
//! | [`Error::Transport`] | the network must recover, or its administrator must act (proxy, TLS) |
//! | [`Error::Service`] | see [`ServiceErrorKind`]: the caller, the administrator of permissions, or the service (throttling, internal errors) |
//! | [`Error::Response`] | the service, or something in its place, sent an unexpected response |
//!
//! [`Error::is_transient`] returns whether the same request may succeed later. Error messages do not contain their cause; print
//! the chain of [`source`](std::error::Error::source)s.
//!
//! # Types of other crates
//!
//! The public API has types of these crates, whose breaking releases are breaking for this one: `bytes` 1,
//! `aws-credential-types` 1 ([`Credentials`], [`ProvideCredentials`]), `http` 1 and `http-body` 1 (only in [`HttpSend`] and
//! [`ResponseBody`]), `rustls` 0.23 (only in [`TlsRoots::Custom`]), `serde` 1 (traits), and with the feature `aws-config`
//! `aws-types` 1 (`SdkConfig`).
#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(clippy::exhaustive_enums, clippy::exhaustive_structs)]

mod auth;
mod client;
mod client_limits;
mod net;
mod ops;
mod protocol;
mod put_media;

#[cfg(feature = "iot")]
pub use auth::iot::{IotConfig, IotConfigError, IotCredentials, IotError};
pub use client::Client;
pub use client::config::{ClientConfig, ConfigError};
pub use client::media_tail::{MediaTail, TailEvent};
pub use client::pages::{PagedOperation, Pages};
pub use client::retry::RetryConfig;
pub use kvs_types::{
    ConfigurationStatus, FieldProblem, FormatConfig, FragmentInfo, FragmentNumber, FragmentTimecodeType, ImageError,
    ImageFormat, ImageGenerationConfiguration, ImageGenerationDestinationConfig, InvalidField,
    NotificationConfiguration, NotificationDestinationConfig, SamplingProfile, StartSelector, StreamArn, StreamId,
    StreamName, StreamStatus, TimestampOrigin, limits,
};
pub use net::dial::{InvalidProxy, Proxy, ProxyError};
pub use net::endpoint::{Endpoint, InvalidEndpoint};
pub use net::error::{Phase, TransportError};
pub use net::http_send::{HttpSend, ResponseBody, SendFuture};
pub use net::region::Region;
pub use net::timeouts::Timeouts;
pub use net::tls::{TlsError, TlsRoots};
pub use ops::archived::{
    ContainerFormat, DiscontinuityMode, FragmentDisplay, FragmentPage, GetClip, GetDashStreamingSessionUrl,
    GetHlsStreamingSessionUrl, GetMediaForFragmentList, ListFragments, PlaybackMode,
};
pub use ops::configuration::json_file::JsonFileError;
pub use ops::configuration::{
    DescribeConfiguration, DescribeImageGenerationConfiguration, DescribeNotificationConfiguration,
    StreamConfiguration, UpdateConfiguration, UpdateImageGenerationConfiguration, UpdateNotificationConfiguration,
};
pub use ops::control::{
    CreateStream, DeleteStream, DescribeStream, DescribeStreamStorageConfiguration, GetDataEndpoint, ListStreams,
    ListTagsForStream, StorageTier, StreamInfo, StreamPage, TagPage, TagStream, UntagStream, UpdateDataRetention,
    UpdateStream, UpdateStreamStorageConfiguration,
};
pub use ops::images::error::ImageFailure;
pub use ops::images::get_images::{GetImages, Image, ImagePage};
pub use ops::media::{GetMedia, MediaBody};
pub use protocol::error::{Error, ResponseProblem};
pub use protocol::operation::{ApiName, Operation};
pub use protocol::service_error::{ServiceError, ServiceErrorKind};
pub use put_media::{Acks, PutMedia, PutMediaAcks, PutMediaExchange, PutMediaSender, SendPermit, SessionEnded};

/// Credentials and credentials providers of the AWS SDK for Rust.
pub use aws_credential_types::{Credentials, provider::ProvideCredentials};

/// What only the tests and crates of this family need. Not covered by semantic versioning.
#[doc(hidden)]
pub mod __internal {
    pub use crate::client_limits::ERROR_MESSAGE_CHARS;
    pub use crate::ops::images::get_images::parse_page;
    pub use crate::protocol::response::parse_error;
}

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeExamples;

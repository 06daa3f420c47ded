//! Kinesis Video Streams on your own machine, for tests and development.
//!
//! [`LocalKvs`] is a server that speaks the API of Kinesis Video Streams: it takes media from PutMedia, stores it, returns it from
//! GetMedia and GetImages, generates images of tagged fragments and publishes notifications. It runs in the process of a test;
//! the binary `kvs-local` runs it on its own.
//!
//! ```
//! use kvs_local::LocalKvs;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let local = LocalKvs::builder().start().await?;
//! println!("endpoint_url: {}", local.endpoint_url());
//! println!("credentials: {} / {}", local.access_key(), local.secret_key());
//!
//! // Run the program under test with this endpoint and these credentials, then look at the results.
//! let fragments = local.fragments("front-door").await?;
//! assert!(fragments.is_empty());
//! let images = local.images("front-door").await?;
//! assert!(images.is_empty());
//!
//! local.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! The service never returns fabricated media. Operations that it does not implement respond with status 501 and the reason.
//!
//! # What to use
//!
//! | To | Use |
//! |---|---|
//! | start the service | [`LocalKvs::builder`], [`Builder`] |
//! | look at stored fragments, images and notifications | [`LocalKvs::fragments`], [`LocalKvs::images`], [`LocalKvs::notifications`] |
//! | wait until images and notifications are delivered | [`LocalKvs::settled`], [`LocalKvs::deliveries`] |
//! | make the service fail | [`Fault`], [`LocalKvs::faults`] |
//! | enforce the rate quotas of the service | [`Quotas`] |
//!
//! # Limits
//!
//! Sizes, durations and counts are limited as in the real service. Rates per second are limited only with
//! [`Quotas::Service`]. Images are decoded from H.264 (baseline to high profile) and H.265 (main profile), 4:2:0 with 8 bits, and
//! from other H.264 and H.265 if the program ffmpeg is on the path ([`Decoder`]); other media is reported as `MEDIA_ERROR`. IAM
//! permissions are not checked.
//!
//! # Errors
//!
//! [`StartError`] means that the settings or the environment must be changed: the address, the data folder, a subscription.
//! [`InvalidFaults`] means that a fault script must be corrected. [`StoreError`] reports a failure of the file system.
//!
//! # Features
//!
//! * `server` (default): everything described here.
//! * `cli`: the binary `kvs-local`.
//!
//! Without features the crate only contains internals that the other crates of this family use in their tests.
#![warn(clippy::exhaustive_enums, clippy::exhaustive_structs)]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[doc(hidden)]
pub mod __internal;

#[cfg(feature = "store")]
mod fuzz;
mod ingest;
#[cfg(feature = "store")]
mod private_file;
#[cfg(feature = "store")]
mod store;

#[cfg(feature = "server")]
mod api;
#[cfg(feature = "server")]
mod builder;
#[cfg(feature = "server")]
mod clock;
#[cfg(feature = "server")]
mod data_dir;
#[cfg(feature = "server")]
mod deliver;
#[cfg(feature = "store")]
mod error_chain;
#[cfg(feature = "server")]
mod faults;
#[cfg(feature = "server")]
mod handlers;
#[cfg(feature = "server")]
mod http;
#[cfg(feature = "images")]
mod images;
#[cfg(feature = "server")]
mod inspect;
#[cfg(feature = "server")]
mod limits;
#[cfg(feature = "server")]
mod local;
#[cfg(feature = "server")]
mod playback;
#[cfg(feature = "server")]
mod quotas;
#[cfg(feature = "server")]
mod seed;
#[cfg(feature = "server")]
mod shutdown;
#[cfg(feature = "server")]
mod start;
#[cfg(feature = "server")]
mod status;
#[cfg(feature = "server")]
mod stream;

#[cfg(feature = "server")]
pub use crate::builder::{Builder, Decoder, StatusPage};
#[cfg(feature = "server")]
pub use crate::deliver::{DeliveryEvent, DeliveryEvents, InvalidSubscription, SignerError, Subscription};
#[cfg(feature = "server")]
pub use crate::faults::{Fault, FaultKind, Faults, InvalidFaults};
#[cfg(feature = "server")]
pub use crate::ingest::Profile;
#[cfg(feature = "server")]
pub use crate::inspect::DeliveredImage;
#[cfg(feature = "server")]
pub use crate::local::LocalKvs;
#[cfg(feature = "server")]
pub use crate::quotas::Quotas;
#[cfg(feature = "server")]
pub use crate::start::StartError;
#[cfg(feature = "server")]
pub use crate::store::{FragmentRecord, StoreError};
#[cfg(feature = "server")]
pub use kvs_notify::{ImageObject, SignatureVersion, SnsMessage};
#[cfg(feature = "server")]
pub use kvs_types::FragmentNumber;

/// The default access key.
#[cfg(feature = "server")]
pub const ACCESS_KEY: &str = "kvs-local";
/// The secret of [`ACCESS_KEY`].
#[cfg(feature = "server")]
pub const SECRET_KEY: &str = "kvs-local-secret";

#[cfg(all(doctest, feature = "server"))]
#[doc = include_str!("../README.md")]
struct ReadmeExamples;

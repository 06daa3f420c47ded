//! Kinesis Video Streams on your own machine: real media in, real pictures and notifications out.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use kvs_local::LocalKvs;
//!
//! let local = LocalKvs::builder().start().await?;
//! println!("point your client's endpoint_url at {}", local.endpoint_url());
//! local.shutdown().await;
//! # Ok(())
//! # }
//! ```
#![warn(clippy::exhaustive_enums, clippy::exhaustive_structs)]

#[cfg(feature = "store")]
#[doc(hidden)]
pub mod __fuzz;
pub mod ingest;
#[cfg(feature = "server")]
pub mod limits;
#[cfg(feature = "store")]
pub mod store;

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
#[cfg(feature = "server")]
mod faults;
#[cfg(feature = "server")]
mod handlers;
#[cfg(feature = "server")]
mod http;
#[cfg(feature = "server")]
mod images;
#[cfg(feature = "server")]
mod inspect;
#[cfg(feature = "server")]
mod local;
#[cfg(feature = "server")]
mod quotas;
#[cfg(feature = "server")]
mod shutdown;
#[cfg(feature = "server")]
mod start;
#[cfg(feature = "server")]
mod stream;

#[cfg(feature = "server")]
pub use builder::Builder;
#[cfg(feature = "server")]
pub use deliver::{DeliveryEvent, InvalidSubscription, InvalidTopic, SignerError, Subscription};
#[cfg(feature = "server")]
pub use faults::{Fault, FaultKind, Faults, InvalidFaults};
#[cfg(feature = "server")]
pub use inspect::DeliveredImage;
#[cfg(feature = "server")]
pub use local::LocalKvs;
#[cfg(feature = "server")]
pub use quotas::Quotas;
#[cfg(feature = "server")]
pub use start::StartError;

/// What only the tests of this crate and its siblings need. Not covered by semantic versioning.
#[cfg(feature = "server")]
#[doc(hidden)]
pub mod __internal {
    pub mod deliver {
        pub use crate::deliver::*;
    }
    pub mod images {
        pub use crate::images::*;
    }
}

/// The access key the service takes when none was set up.
#[cfg(feature = "server")]
pub const ACCESS_KEY: &str = "kvs-local";
/// The secret that goes with [`ACCESS_KEY`].
#[cfg(feature = "server")]
pub const SECRET_KEY: &str = "kvs-local-secret";

#[cfg(all(doctest, feature = "server"))]
#[doc = include_str!("../README.md")]
struct ReadmeExamples;

//! The vocabulary of Amazon Kinesis Video Streams as Rust types.
//!
//! ```
//! use kvs_types::{AckEventType, FragmentNumber, StreamArn, StreamId};
//!
//! // A stream by name or by ARN; both are checked against the service's rules.
//! let stream: StreamId = "front-door".parse()?;
//! let arn: StreamArn = "arn:aws:kinesisvideo:us-west-2:111122223333:stream/front-door/1705489836421".parse()?;
//! assert_eq!((stream.stream_name(), arn.region()), ("front-door", "us-west-2"));
//!
//! // Fragment numbers have up to 128 digits and compare by value.
//! let earlier: FragmentNumber = "91343852333181432392682062607743920146159169392".parse()?;
//! let later: FragmentNumber = "91343852333182036507421233921329142742245756394".parse()?;
//! assert!(earlier < later);
//!
//! // Words from the service that this version does not know are kept.
//! assert_eq!(AckEventType::from("PERSISTED"), AckEventType::Persisted);
//! assert_eq!(AckEventType::from("ARCHIVED").as_str(), "ARCHIVED");
//!
//! // Errors name the member, the limit and the value.
//! let error = "front door".parse::<StreamId>().unwrap_err();
//! assert_eq!(
//!     error.to_string(),
//!     "StreamName: must consist of letters a-z A-Z, digits, '_', '.' and '-', got ' '"
//! );
//! # Ok::<(), kvs_types::InvalidField>(())
//! ```
//!
//! These are the types that the crates `kvs-mkv`, `kvs-aws`, `kvs-producer`, `kvs-images`, `kvs-notify` and `kvs-local`
//! share. Each of them re-exports the ones that its own functions take and return, so most programs do not depend on this
//! crate directly. Client and local service use the same types for what they exchange.
//!
//! The crate has no I/O, no clock and no dependency except `thiserror`.
//!
//! # Contents
//!
//! | Topic | Types |
//! |---|---|
//! | Streams | [`StreamName`], [`StreamArn`], [`StreamId`], [`StreamStatus`] |
//! | Fragments | [`FragmentNumber`], [`FragmentInfo`], [`FragmentTimecodeType`] |
//! | Acknowledgements of PutMedia | [`Ack`], [`AckEventType`], [`AckError`], [`ErrorId`] |
//! | Where to read | [`StartSelector`], [`TimestampOrigin`] |
//! | Images | [`ImageFormat`], [`ImageError`], [`ImageGenerationConfiguration`], [`SamplingProfile`] |
//! | Notifications | [`NotificationConfiguration`] |
//! | Numbers and names | [`limits`], [`tag_names`] |
//!
//! # Features
//!
//! * `serde`: `Serialize` and `Deserialize` with the member names of the service's JSON. Off by default.
//!
//! # Errors
//!
//! There is one error, [`InvalidField`]: the caller passed a value that the service does not accept.
#![warn(clippy::exhaustive_enums, clippy::exhaustive_structs)]
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod limits;
pub mod tag_names;

mod ack;
#[cfg(feature = "serde")]
mod ack_reader;
mod check;
mod closed_enum;
mod configuration_status;
mod destination;
mod error_chain;
mod error_id;
mod field;
mod fragment_info;
mod fragment_number;
mod fragment_timecode_type;
mod image_error;
mod image_format;
mod image_generation;
mod json_text;
#[cfg(feature = "serde")]
mod json_value;
mod notification;
mod open_enum;
mod printable;
mod rate_limiter;
mod start_selector;
mod stream_arn;
mod stream_id;
mod stream_name;
mod stream_status;
mod time;
mod timestamp_origin;
mod validated_text;
mod write_pieces;

pub use ack::{Ack, AckError, AckEventType};
pub use configuration_status::ConfigurationStatus;
pub use error_id::ErrorId;
pub use field::{FieldProblem, InvalidField};
pub use fragment_info::FragmentInfo;
pub use fragment_number::FragmentNumber;
pub use fragment_timecode_type::FragmentTimecodeType;
pub use image_error::ImageError;
pub use image_format::{FormatConfig, ImageFormat, SamplingProfile};
pub use image_generation::{ImageGenerationConfiguration, ImageGenerationDestinationConfig};
pub use notification::{NotificationConfiguration, NotificationDestinationConfig};
pub use start_selector::StartSelector;
pub use stream_arn::StreamArn;
pub use stream_id::StreamId;
pub use stream_name::StreamName;
pub use stream_status::StreamStatus;
pub use timestamp_origin::TimestampOrigin;

/// What only the crates of this family need. Not covered by semantic versioning.
#[doc(hidden)]
pub mod __internal {
    pub use crate::__open_enum as open_enum;
    pub use crate::check::{NAME_CHARACTERS, check_length, check_range, check_text, is_name_character};
    pub use crate::destination::check_uri;
    pub use crate::error_chain::ErrorChain;
    pub use crate::image_format::{check_format, check_size, jpeg_quality};
    pub use crate::printable::{Printable, PrintableJson};
    pub use crate::rate_limiter::RateLimiter;
    pub use crate::time::{
        epoch_millis, epoch_millis_checked, epoch_seconds_to_millis, from_epoch_millis, from_epoch_millis_checked,
        from_epoch_seconds,
    };
    #[cfg(feature = "serde")]
    pub use crate::time::{epoch_millis_serde, epoch_seconds};
    pub use crate::write_pieces::write_pieces;
    #[cfg(feature = "serde")]
    pub use serde;
}

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeExamples;

//! Typed models for what Kinesis Video Streams sends: SNS fragment notifications, S3 image objects, and the envelopes they arrive in.
//!
//! No runtime, no HTTP client, no clock: texts and bytes go in, types come out.
#![warn(clippy::exhaustive_enums, clippy::exhaustive_structs)]

pub mod limits;

mod epoch_ms;
mod fragment;
#[cfg(feature = "s3")]
mod image;
mod secret;
#[cfg(feature = "sns")]
mod sns;
mod stream_arn;

pub use fragment::{FragmentNotification, NotificationType, SUBJECT};
#[cfg(feature = "s3")]
pub use image::{
    Candidates, ImageFormat, ImageId, ImageMetadata, ImageObject, ImageObjectKey, InvalidKeyPart, InvalidMetadata,
    KeyHints, ParseKeyError,
};
pub use kvs_mkv::{FragmentNumber, InvalidFragmentNumber};
pub use secret::SecretText;
#[cfg(feature = "sns")]
pub use sns::{
    InvalidSnsHeaders, InvalidTimestamp, SignatureVersion, SnsAttribute, SnsConfirmation, SnsHeaders, SnsMessage,
    SnsNotification, SnsSignature, SnsTimestamp, SnsType,
};
pub use stream_arn::{InvalidStreamArn, StreamArn};

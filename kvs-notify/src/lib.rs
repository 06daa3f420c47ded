//! Typed models for what Kinesis Video Streams sends: SNS fragment notifications, S3 image objects and their envelopes.
//!
//! ```
//! use kvs_notify::{Content, decode};
//!
//! fn handle(body: &[u8]) -> Result<(), kvs_notify::DecodeError> {
//!     for message in decode(body)?.messages {
//!         match message.content {
//!             Content::Fragment(notification) => {
//!                 println!("{}: fragment {}", notification.stream_arn.stream_name(), notification.fragment_number);
//!             }
//!             # #[cfg(feature = "s3")]
//!             Content::Objects(events) => {
//!                 for key in events.iter().filter_map(|event| event.image_key().ok()) {
//!                     println!("{}: image at {:?}", key.stream(), key.timecode());
//!                 }
//!             }
//!             _ => {}
//!         }
//!     }
//!     Ok(())
//! }
//! ```
//!
//! The crate has no runtime, no HTTP client and no clock: you pass bytes and times. It logs nothing.
//!
//! # Features
//!
//! * `sns`, `s3`, `sqs`, `eventbridge`, `lambda` (all on by default): the models of these services.
//! * `verify`: `Verifier` checks SNS signatures; `CertificateCache` and `ReplayWindow` belong to it.
//! * `aws_lambda_events`: conversions from and to the types of that crate. Needs Rust 1.88.
//!
//! # Limits
//!
//! [`decode`] reads at most 16 MiB. Object keys have at most 1,024 bytes, user metadata 2,048 bytes. Known fields are checked strictly,
//! unknown fields are skipped. Secrets print as `[redacted]`.
//!
//! # Errors
//!
//! * The sender must act: [`DecodeError`] (not a known document, or the path of an invalid field). A message of a batch that cannot be
//!   decoded is [`Content::Refused`] and does not affect the others.
//! * Do not trust the message: `VerifyError`, `UrlError`, `CertificateError`, `Replayed`. Messages are not trusted before `Verifier`
//!   accepts them.
//! * The caller must act: [`InvalidField`], `InvalidKeyPart`, `InvalidMetadata` (a value is outside the limits).
//!
//! # Types of other crates in the API
//!
//! `serde` traits; with `verify`, `rustls_pki_types::TrustAnchor` in `TrustRoots::anchors`; with `aws_lambda_events`, the types of that
//! crate.
#![warn(clippy::exhaustive_enums, clippy::exhaustive_structs)]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "aws_lambda_events")]
mod aws_lambda;
mod decode;
#[cfg(feature = "s3")]
mod epoch_ms;
#[cfg(feature = "eventbridge")]
mod eventbridge;
#[cfg(feature = "s3")]
mod filter;
mod fragment;
#[cfg(feature = "s3")]
mod hex;
#[cfg(feature = "s3")]
mod image;
#[cfg(feature = "s3")]
mod join;
#[cfg(feature = "lambda")]
mod lambda;
mod limits;
#[cfg(feature = "s3")]
mod s3;
mod secret;
#[cfg(feature = "sns")]
mod sns;
#[cfg(feature = "sqs")]
mod sqs;
mod stream_arn;
mod text;
#[cfg(feature = "verify")]
mod verify;

#[cfg(feature = "aws_lambda_events")]
pub use aws_lambda::ConvertError;
pub use decode::{Content, DecodeError, Delivery, Envelope, Message, decode};
#[cfg(feature = "s3")]
pub use filter::OnlyStream;
pub use fragment::{FragmentNotification, NotificationType, SUBJECT};
#[cfg(feature = "s3")]
pub use image::{
    Candidates, ImageId, ImageMetadata, ImageObject, ImageObjectKey, InvalidKeyPart, InvalidMetadata, KeyHints,
    ParseKeyError,
};
#[cfg(feature = "s3")]
pub use join::{Joined, Joiner, Unmatched, UnmatchedItem, UnmatchedReason};
pub use kvs_types::{FragmentNumber, ImageFormat, InvalidField, StreamArn};
#[cfg(feature = "lambda")]
pub use lambda::BatchResponse;
#[cfg(feature = "s3")]
pub use s3::{InvalidSequencer, ObjectEvent, ObjectEventKind, S3TestEvent, Sequencer};
pub use secret::SecretText;
#[cfg(feature = "sns")]
pub use sns::{
    InvalidSnsHeaders, InvalidTimestamp, SignatureVersion, SnsAttribute, SnsConfirmation, SnsHeaders, SnsMessage,
    SnsNotification, SnsSignature, SnsTimestamp, SnsType,
};
#[cfg(feature = "sqs")]
pub use sqs::SqsMessage;
#[cfg(feature = "verify")]
pub use verify::{
    AcceptedVersions, CertificateCache, CertificateError, ReplayWindow, Replayed, SigningCertUrl, SigningCertificate,
    SubscriptionUrl, TrustRoots, UrlError, UrlPolicy, Verified, Verifier, VerifyError,
};

#[cfg(all(doctest, feature = "sns", feature = "s3"))]
#[doc = include_str!("../README.md")]
struct ReadmeExamples;

/// What only the tests and crates of this family need. Not covered by semantic versioning.
#[doc(hidden)]
pub mod __internal {
    pub use crate::limits::{CERTIFICATE_BYTES, DOCUMENT_BYTES};
}

//! Typed models for what Kinesis Video Streams sends: SNS fragment notifications, S3 image objects, and the envelopes they arrive in.
//!
//! No runtime, no HTTP client, no clock: texts and bytes go in, types come out.
#![warn(clippy::exhaustive_enums, clippy::exhaustive_structs)]

pub mod limits;

#[cfg(feature = "aws_lambda_events")]
mod aws_lambda;
mod decode;
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
#[cfg(feature = "s3")]
mod s3;
mod secret;
#[cfg(feature = "sns")]
mod sns;
#[cfg(feature = "sqs")]
mod sqs;
mod stream_arn;
#[cfg(feature = "s3")]
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
    Candidates, ImageFormat, ImageId, ImageMetadata, ImageObject, ImageObjectKey, InvalidKeyPart, InvalidMetadata,
    KeyHints, ParseKeyError,
};
#[cfg(feature = "s3")]
pub use join::{Alone, AloneWhat, AloneWhy, Joined, Joiner};
pub use kvs_mkv::{FragmentNumber, InvalidFragmentNumber};
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
pub use stream_arn::{InvalidStreamArn, StreamArn};
#[cfg(feature = "verify")]
pub use verify::{
    AcceptedVersions, CertificateCache, CertificateError, ReplayWindow, Replayed, SigningCertUrl, SigningCertificate,
    SubscriptionUrl, TrustRoots, UrlError, UrlPolicy, Verified, Verifier, VerifyError,
};

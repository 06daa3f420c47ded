//! Decoding notifications and events from any envelope.

mod delivery;
mod error;
mod read;
mod recognize;
mod unwrap;

pub use delivery::{Content, Delivery, Message};
pub use error::{DecodeError, Envelope};
#[cfg(feature = "s3")]
pub(crate) use read::read;

#[cfg(feature = "aws_lambda_events")]
pub(crate) use unwrap::{of_sns, of_sqs};

use crate::limits::DOCUMENT_BYTES;

/// U+FEFF in UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Decodes a document: recognizes its envelope and extracts the notifications and events.
///
/// It decodes fragment notifications without an envelope (raw delivery), SNS messages as an HTTP endpoint receives them, Lambda
/// events from SNS and SQS, HTTP requests as API Gateway, load balancers and function URLs give them to Lambda, responses of SQS
/// ReceiveMessage, EventBridge events, lists of messages from EventBridge Pipes, S3 records, also those of MinIO and other
/// emulators, and the S3 test event. Envelopes inside SNS, SQS, HTTP and EventBridge are unwrapped too. Unknown members are
/// skipped. An optional field that is empty counts as absent.
///
/// `decode` does not verify messages. If the document comes from the open network, use `Verifier` (feature `verify`) next.
///
/// Memory: a small multiple of the size of the document, which may have at most 16 MiB. A list may have at most 10,000 messages.
///
/// # Errors
/// Returns an error if the outermost document cannot be decoded. A message inside it that cannot be decoded becomes
/// [`Content::Refused`], so that one bad message does not affect the others.
///
/// ```
/// use kvs_notify::{Envelope, decode};
///
/// let body = r#"{
///     "StreamArn": "arn:aws:kinesisvideo:us-west-2:111122223333:stream/door/1650000000000",
///     "FragmentNumber": "91343852333181432392682062607743920146159169392",
///     "FragmentStartProducerTimestamp": 1694038298246,
///     "FragmentStartServerTimestamp": 1694038247180,
///     "NotificationType": "PERSISTED",
///     "NotificationPayload": {}
/// }"#;
/// let delivery = decode(body.as_bytes())?;
/// assert_eq!(delivery.envelope, Envelope::Fragment);
/// assert_eq!(delivery.fragments().next().unwrap().stream_arn.stream_name(), "door");
///
/// let error = decode(b"{\"hello\": 1}").unwrap_err();
/// assert!(error.to_string().contains("not an SNS message (no Type with TopicArn)"));
/// # Ok::<(), kvs_notify::DecodeError>(())
/// ```
pub fn decode(document: &[u8]) -> Result<Delivery, DecodeError> {
    if document.len() > DOCUMENT_BYTES {
        return Err(DecodeError::TooLarge { size: document.len(), limit: DOCUMENT_BYTES });
    }
    // Some programs put a byte-order mark in front.
    let document = document.strip_prefix(BYTE_ORDER_MARK).unwrap_or(document);
    let envelope = recognize::recognize(document)?;
    let messages = unwrap::messages(document, envelope)?;
    Ok(Delivery { envelope, messages })
}

//! From bytes that arrived to notifications and events, whatever they are wrapped in.

mod delivery;
mod error;
mod read;
mod recognise;
mod unwrap;

pub use delivery::{Content, Delivery, Message};
pub use error::{DecodeError, Envelope};
#[cfg(feature = "s3")]
pub(crate) use read::read;

#[cfg(feature = "aws_lambda_events")]
pub(crate) use unwrap::{of_sns, of_sqs};

use crate::limits::DOCUMENT_BYTES;

/// Reads whatever arrived: recognises the envelope and takes the notifications and events out of it.
///
/// Understood are: a fragment notification alone (raw delivery); a message of SNS as an HTTP endpoint gets it; Lambda events from SNS and
/// SQS; what ReceiveMessage of SQS returns; events of EventBridge; records and the test event of S3. Inside SNS, SQS and
/// EventBridge whatever can stand there is unwrapped in turn. Unknown members are skipped.
///
/// Nothing is verified here: a caller that gets its bytes from the open network goes on with `Verifier` (feature `verify`).
///
/// Takes one pass over the document; what it holds is a small multiple of the document's size, which is bounded by
/// [`DOCUMENT_BYTES`].
///
/// # Errors
/// The outermost document is not understood. What is wrapped in it and not understood is no error, so that one bad message does not
/// lose its neighbours: it stands as [`Content::Refused`] in its place.
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
/// assert!(error.to_string().contains("not a message of SNS (no Type with TopicArn)"));
/// # Ok::<(), kvs_notify::DecodeError>(())
/// ```
pub fn decode(document: &[u8]) -> Result<Delivery, DecodeError> {
    if document.len() > DOCUMENT_BYTES {
        return Err(DecodeError::TooLarge { size: document.len(), limit: DOCUMENT_BYTES });
    }
    let envelope = recognise::recognise(document)?;
    let messages = unwrap::messages(document, envelope)?;
    Ok(Delivery { envelope, messages })
}

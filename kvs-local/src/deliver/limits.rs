//! Limits of delivery, each with its source or reason. Limits of S3 and SNS are in [`kvs_types::limits`].

use std::time::Duration;

/// Bytes of one part of an object key between two `/`. File systems accept names of up to 255 bytes; the rest is left
/// for the suffix `.metadata.json`.
pub const KEY_PART_BYTES: usize = 200;

/// Images per fragment: a fragment of 20 s, the longest, with the shortest sampling interval of 200 ms.
pub const IMAGES_PER_FRAGMENT: usize = 100;

/// Fragments in the queue for images, and in the queue for notifications. When a queue is full, ingestion waits. An
/// entry takes about 1 KB.
pub const IMAGE_QUEUE: usize = 4096;

/// Messages in the queue of one subscriber, also while it has not confirmed. Further messages are not delivered to it,
/// which [`DeliveryEvent::MessageFailed`](super::DeliveryEvent::MessageFailed) reports.
pub const SUBSCRIBER_QUEUE: usize = 1000;

/// Events that a receiver may lag behind.
pub const EVENT_QUEUE: usize = 4096;

/// How long a subscriber may take to respond.
/// <https://docs.aws.amazon.com/sns/latest/dg/sns-http-https-endpoint-as-subscriber.html>
pub const RESPONSE_TIMEOUT: Duration = Duration::from_secs(15);

/// Delays before a post is repeated. SNS retries for about an hour; on one machine, 35 s are enough.
/// <https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html>
pub const RETRY_DELAYS: [Duration; 5] = [
    Duration::from_millis(200),
    Duration::from_secs(1),
    Duration::from_secs(3),
    Duration::from_secs(10),
    Duration::from_secs(20),
];

/// Delays before a request to an S3 or SNS endpoint is repeated: our choice. The work of a fragment waits for them.
pub const ENDPOINT_RETRY_DELAYS: [Duration; 3] =
    [Duration::from_millis(200), Duration::from_secs(1), Duration::from_secs(3)];

/// Bytes of an answer of an S3 or SNS endpoint: our choice. Theirs have about 1 KB.
pub const ENDPOINT_ANSWER_BYTES: usize = 64 << 10;

/// Bits of the RSA key that signs messages, as used by SNS.
pub const KEY_BITS: usize = 2048;

/// Life of the certificate that signs messages and of its authority. A data folder that lives longer needs a new `keys` folder.
pub const AUTHORITY_LIFE: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

//! Every limit of delivery, with its source or reason.

use std::time::Duration;

/// Bytes of an object's key.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html>
pub const KEY_BYTES: usize = 1024;

/// Bytes of one part of a key between two `/`: what file systems take for a name, less what is put behind it.
pub const KEY_PART_BYTES: usize = 200;

/// Images of one fragment: the longest fragment, 20 s, sampled as often as the service allows, every 200 ms.
pub const IMAGES_PER_FRAGMENT: usize = 100;

/// Fragments that may wait for their images; whoever brings one more waits. An entry is about a kilobyte.
pub const IMAGE_QUEUE: usize = 4096;

/// Messages that may wait for one subscriber, and be held for it until it confirms; more are dropped and reported.
pub const SUBSCRIBER_QUEUE: usize = 1000;

/// Events that an inspector may lag behind.
pub const EVENT_QUEUE: usize = 4096;

/// How long a subscriber may take to answer.
/// <https://docs.aws.amazon.com/sns/latest/dg/sns-http-https-endpoint-as-subscriber.html>
pub const ANSWER_WITHIN: Duration = Duration::from_secs(15);

/// Pauses before a post is repeated. SNS repeats for about an hour; a service on one machine need not.
/// <https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html>
pub const RETRY_PAUSES: [Duration; 5] = [
    Duration::from_millis(200),
    Duration::from_secs(1),
    Duration::from_secs(3),
    Duration::from_secs(10),
    Duration::from_secs(20),
];

/// Bits of the key that signs messages: what SNS uses.
pub const KEY_BITS: usize = 2048;

/// Bytes of a message that SNS takes.
/// <https://docs.aws.amazon.com/sns/latest/api/API_Publish.html>
pub const MESSAGE_BYTES: usize = 256 << 10;

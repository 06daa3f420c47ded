//! The results of delivery.

use std::path::PathBuf;
use std::time::SystemTime;

use kvs_notify::ImageObject;
use kvs_types::FragmentNumber;

/// A result of delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeliveryEvent {
    /// An image was stored in its bucket.
    ImageStored {
        /// The stream name.
        stream: String,
        /// Bucket, key and metadata of the object.
        object: Box<ImageObject>,
        /// The file that contains the image.
        path: PathBuf,
    },
    /// An image could not be made or stored.
    ImageFailed {
        /// The stream name.
        stream: String,
        /// The fragment that asked for the image.
        fragment_number: FragmentNumber,
        /// The timestamp of the image, on the clock that the configuration selects.
        timestamp: SystemTime,
        /// The cause.
        reason: String,
    },
    /// A message was stored and queued for the subscribers of its topic.
    MessagePublished {
        /// The topic.
        topic_arn: String,
        /// The `MessageId`.
        message_id: String,
        /// The file that contains the message.
        path: PathBuf,
    },
    /// A message could not be published.
    PublishFailed {
        /// The topic.
        topic_arn: String,
        /// The cause.
        reason: String,
    },
    /// A subscriber confirmed its subscription.
    SubscriptionConfirmed {
        /// The topic.
        topic_arn: String,
        /// The URL of the subscriber.
        url: String,
    },
    /// A subscription confirmation could not be posted. It is not sent again.
    ConfirmationFailed {
        /// The topic.
        topic_arn: String,
        /// The URL of the subscriber.
        url: String,
        /// The cause.
        reason: String,
    },
    /// A subscriber accepted a message.
    MessageDelivered {
        /// The topic.
        topic_arn: String,
        /// The `MessageId`.
        message_id: String,
        /// The URL of the subscriber.
        url: String,
        /// The number of posts.
        attempts: usize,
    },
    /// A subscriber did not accept a message. It is not sent again.
    MessageFailed {
        /// The topic.
        topic_arn: String,
        /// The `MessageId`.
        message_id: String,
        /// The URL of the subscriber.
        url: String,
        /// The cause.
        reason: String,
    },
}

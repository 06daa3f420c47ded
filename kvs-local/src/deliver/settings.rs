//! Input of delivery: its settings, and the fragments it processes.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use kvs_notify::StreamArn;

use super::aws::AwsEndpoint;
use super::sns::subscription::Subscription;
use crate::images::{Decoders, FragmentSpan, MediaSource, RenderOptions};
use kvs_types::TimestampOrigin;

/// The settings of [`Delivery`](super::Delivery).
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "filled in by the service")]
pub struct DeliverySettings {
    /// The folder that contains `s3/`, `sns/` and `keys/`.
    pub data_dir: PathBuf,
    /// The region in S3 events and in the topics of buckets.
    pub region: String,
    /// The account in image keys, 12 digits.
    pub account: String,
    /// The base URL of the service. The URLs of the certificate and in messages start with it.
    pub base_url: String,
    /// The subscriptions. They cannot change while the service runs.
    pub subscriptions: Vec<Subscription>,
    /// The decoders that make images.
    pub decoders: Arc<Decoders>,
}

/// Where images and messages are sent to in addition to the data folder. Default: nowhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "filled in by the service")]
pub struct AwsEndpoints {
    /// Takes images as objects.
    pub s3: Option<AwsEndpoint>,
    /// Takes messages.
    pub sns: Option<AwsEndpoint>,
}

/// The image generation configuration that is in effect for a fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "filled in by the service")]
pub struct ImageSettings {
    /// The clock of the samples (`ImageSelectorType`).
    pub origin: TimestampOrigin,
    /// The time between two images (`SamplingInterval`).
    pub interval: Duration,
    /// Format and size of the images.
    pub rendering: RenderOptions,
    /// The bucket in the destination URI.
    pub bucket: String,
    /// The path in the destination URI, empty if there is none.
    pub folder: String,
}

/// A fragment that was just persisted.
#[derive(Clone)]
#[expect(clippy::exhaustive_structs, reason = "filled in by the service")]
pub struct PersistedFragment {
    /// The stream name.
    pub stream: String,
    /// The ARN of the stream.
    pub stream_arn: StreamArn,
    /// Reads the media of the stream.
    pub source: Arc<dyn MediaSource + Send + Sync>,
    /// The fragment, and up to 16 fragments before it in ingestion order.
    pub spans: Vec<FragmentSpan>,
    /// The index of the fragment in `spans`.
    pub index: usize,
    /// The tags of the fragment, one list per Matroska `Tag` element.
    pub tags: Vec<Vec<kvs_mkv::Tag>>,
}

impl PersistedFragment {
    /// Returns the position of the fragment in time.
    pub(super) fn span(&self) -> Option<&FragmentSpan> {
        self.spans.get(self.index)
    }
}

impl std::fmt::Debug for PersistedFragment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PersistedFragment")
            .field("stream", &self.stream)
            .field("number", &self.span().map(|span| &span.number))
            .finish_non_exhaustive()
    }
}

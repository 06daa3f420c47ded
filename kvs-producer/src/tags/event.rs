//! Requests to the service about a fragment: image generation and notifications.

use kvs_mkv::Tag;
use kvs_types::{limits, tag_names};

use super::tag::{PutTagError, check};

/// Requests images of a fragment
/// (<https://docs.aws.amazon.com/kinesisvideostreams/latest/dg/images.html>).
///
/// ```
/// use kvs_producer::ImageGeneration;
///
/// let event = ImageGeneration::new().with_prefix("front-door").with_pair("person", "yes");
/// # let _ = event;
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImageGeneration {
    /// Prefix of the S3 keys of the images, up to 256 bytes.
    pub prefix: Option<String>,
    /// Metadata of the images. Each pair counts as a tag of the fragment.
    pub pairs: Vec<Tag>,
}

impl ImageGeneration {
    /// Creates a request without prefix and pairs.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the prefix of the S3 keys of the images.
    #[must_use]
    pub fn with_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = Some(prefix.into());
        self
    }

    /// Adds a pair to the metadata of the images.
    #[must_use]
    pub fn with_pair(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.pairs.push(Tag::new(name, value));
        self
    }

    fn group(&self) -> Vec<Tag> {
        let prefix = self.prefix.iter().map(|prefix| Tag::new(tag_names::IMAGE_PREFIX, prefix));
        let head = Tag::new(tag_names::IMAGE_GENERATION, "");
        std::iter::once(head).chain(prefix).chain(self.pairs.iter().cloned()).collect()
    }
}

/// Requests a notification when the fragment is persisted
/// (<https://docs.aws.amazon.com/kinesisvideostreams/latest/dg/notifications.html>).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Notification {
    /// Payload of the notification. Each pair counts as a tag of the fragment.
    pub pairs: Vec<Tag>,
}

impl Notification {
    /// Creates a request without pairs.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a pair to the payload of the notification.
    #[must_use]
    pub fn with_pair(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.pairs.push(Tag::new(name, value));
        self
    }

    fn group(&self) -> Vec<Tag> {
        std::iter::once(Tag::new(tag_names::NOTIFICATION, "")).chain(self.pairs.iter().cloned()).collect()
    }
}

/// A request to the service about a fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FragmentEvent {
    /// Generate images.
    ImageGeneration(ImageGeneration),
    /// Notify when it is persisted.
    Notification(Notification),
}

impl From<ImageGeneration> for FragmentEvent {
    fn from(event: ImageGeneration) -> Self {
        Self::ImageGeneration(event)
    }
}

impl From<Notification> for FragmentEvent {
    fn from(event: Notification) -> Self {
        Self::Notification(event)
    }
}

impl FragmentEvent {
    pub(super) fn group(&self) -> Vec<Tag> {
        match self {
            Self::ImageGeneration(event) => event.group(),
            Self::Notification(event) => event.group(),
        }
    }

    /// The name of the tag that carries the request.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::ImageGeneration(_) => tag_names::IMAGE_GENERATION,
            Self::Notification(_) => tag_names::NOTIFICATION,
        }
    }

    fn pairs(&self) -> &[Tag] {
        match self {
            Self::ImageGeneration(event) => &event.pairs,
            Self::Notification(event) => &event.pairs,
        }
    }
}

impl FragmentEvent {
    /// Checks the prefix and the pairs.
    pub(crate) fn check(&self) -> Result<(), PutTagError> {
        if let Self::ImageGeneration(ImageGeneration { prefix: Some(prefix), .. }) = self {
            if prefix.len() > limits::IMAGE_PREFIX_BYTES {
                return Err(PutTagError::PrefixTooLong { bytes: prefix.len(), limit: limits::IMAGE_PREFIX_BYTES });
            }
            if prefix.starts_with(tag_names::RESERVED_PREFIX) {
                return Err(PutTagError::Reserved {
                    name: prefix.clone(),
                    instead: "a prefix that does not begin with AWS",
                });
            }
        }
        self.pairs().iter().try_for_each(check)
    }
}

//! A tag of the user's, and why it or an event is not taken.

use kvs_mkv::Tag;
use kvs_mkv::rules::{FragmentCheck, Violation};
use kvs_types::tag_names;

/// A name and value for the fragment that is being filled, or for every fragment from it on.
///
/// ```
/// use kvs_producer::FragmentTag;
///
/// let once = FragmentTag::once("door", "open");
/// let always = FragmentTag::persistent("camera", "north");
/// # let _ = (once, always);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FragmentTag {
    /// What the service stores.
    pub tag: Tag,
    /// On which fragments.
    pub scope: TagScope,
}

/// Which fragments a tag goes with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the service's own two kinds of fragment metadata")]
pub enum TagScope {
    /// The fragment of the last frame that was put; the next one where none is open.
    Once,
    /// That fragment and all after it, until [`clear_tag`](crate::ProducerCore::clear_tag).
    Persistent,
}

impl FragmentTag {
    /// A tag for one fragment: a name of 1 to 128 bytes, a value of up to 256.
    pub fn once(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { tag: Tag::new(name, value), scope: TagScope::Once }
    }

    /// A tag for this fragment and all that follow; one of the same name is replaced.
    pub fn persistent(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { tag: Tag::new(name, value), scope: TagScope::Persistent }
    }
}

impl FragmentTag {
    /// Checks name and value before anything is kept.
    pub(crate) fn check(&self) -> Result<(), PutTagError> {
        check(&self.tag)
    }
}

/// What holds for tags and for the pairs of events alike.
pub(super) fn check(tag: &Tag) -> Result<(), PutTagError> {
    if tag.name.starts_with(tag_names::RESERVED_PREFIX) {
        let instead = match tag.name.as_str() {
            tag_names::END_OF_FRAGMENT => "end_fragment()",
            tag_names::IMAGE_GENERATION | tag_names::IMAGE_PREFIX => "put_event(ImageGeneration)",
            tag_names::NOTIFICATION => "put_event(Notification)",
            _ => "a name that does not begin with AWS",
        };
        return Err(PutTagError::Reserved { name: tag.name.clone(), instead });
    }
    FragmentCheck::tag(tag).map_err(|violation| PutTagError::Refused { name: tag.name.clone(), violation })
}

/// Why a tag or event was not taken; nothing of it was kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PutTagError {
    /// The fragment has no room for it.
    #[error(
        "{count} tags on the fragment with this, at most {limit} allowed (the service's 10 less the end-of-fragment mark)"
    )]
    TooMany {
        /// Tags the fragment would have, those with reserved names included.
        count: usize,
        /// [`limits::USER_TAGS`](crate::limits::USER_TAGS).
        limit: usize,
    },
    /// A name or value that the service would refuse.
    #[error("tag {name:?}: {violation}")]
    Refused {
        /// The tag's name.
        name: String,
        /// The rule, what was measured and what is allowed.
        violation: Violation,
    },
    /// A name the service keeps for itself.
    #[error("tag name {name:?} is reserved: use {instead}")]
    Reserved {
        /// The name.
        name: String,
        /// The method that does what the name asks for.
        instead: &'static str,
    },
    /// The event is already on this fragment.
    #[error("the fragment already has {name}")]
    Duplicate {
        /// The event's tag name.
        name: &'static str,
    },
    /// The prefix of image keys is too long.
    #[error("image prefix of {bytes} bytes, at most {limit} allowed")]
    PrefixTooLong {
        /// Its length.
        bytes: usize,
        /// [`IMAGE_PREFIX_BYTES`](kvs_types::limits::IMAGE_PREFIX_BYTES).
        limit: usize,
    },
    /// The producer was told to finish.
    #[error("the stream is finished: no tags are taken any more")]
    Finished,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tags::{FragmentEvent, ImageGeneration, Notification};

    #[test]
    fn image_tag_not_via_fragment_metadata() {
        let refused = FragmentTag::once(tag_names::IMAGE_GENERATION, "").check().unwrap_err();
        assert_eq!(
            refused.to_string(),
            "tag name \"AWS_KINESISVIDEO_IMAGE_GENERATION\" is reserved: use put_event(ImageGeneration)"
        );
        assert!(FragmentEvent::from(Notification::new().with_pair("AWS_x", "")).check().is_err());
    }

    #[test]
    fn lengths_are_checked_in_bytes_at_the_call() {
        assert!(FragmentTag::once("é".repeat(64), "v".repeat(256)).check().is_ok());
        assert!(FragmentTag::once("é".repeat(65), "").check().is_err());
        assert!(FragmentTag::once("n", "v".repeat(257)).check().is_err());
        assert!(FragmentTag::once("", "").check().is_err());
        let long = ImageGeneration::new().with_prefix("p".repeat(257));
        assert_eq!(FragmentEvent::from(long).check(), Err(PutTagError::PrefixTooLong { bytes: 257, limit: 256 }));
    }
}

//! A tag of the user, and why a tag or an event was not accepted.

use kvs_mkv::Tag;
use kvs_mkv::rules::{FragmentCheck, Violation};
use kvs_types::tag_names;

/// A name and a value for one fragment, or for every fragment from that one on.
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
    /// Name and value.
    pub tag: Tag,
    /// The fragments that carry it.
    pub scope: TagScope,
}

/// The fragments that carry a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the service's own two kinds of fragment metadata")]
pub enum TagScope {
    /// The fragment of the last frame, or the next fragment if none is open.
    Once,
    /// That fragment and all after it, until [`clear_tag`](crate::ProducerCore::clear_tag).
    Persistent,
}

impl FragmentTag {
    /// Creates a tag for one fragment. The name has 1 to 128 bytes, the value up to 256.
    pub fn once(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { tag: Tag::new(name, value), scope: TagScope::Once }
    }

    /// Creates a tag for this fragment and all that follow. It replaces a persistent tag with the same name. The name has 1 to
    /// 128 bytes, the value up to 256.
    pub fn persistent(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { tag: Tag::new(name, value), scope: TagScope::Persistent }
    }
}

impl FragmentTag {
    /// Checks the name and the value.
    pub(crate) fn check(&self) -> Result<(), PutTagError> {
        check(&self.tag)
    }
}

/// Checks a tag or a pair of an event.
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

/// Why a tag or an event was not accepted. The caller must change it, or put it on a later fragment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PutTagError {
    /// The fragment would have too many tags.
    #[error(
        "fragment would have {count} tags, at most {limit} allowed: the service's limit without the end-of-fragment mark"
    )]
    TooMany {
        /// Number of tags that the fragment would have, including those with reserved names.
        count: usize,
        /// The largest number: 9.
        limit: usize,
    },
    /// The service would reject the name or the value.
    #[error("tag {name:?}: {violation}")]
    Refused {
        /// The name of the tag.
        name: String,
        /// The rule with the measured and the allowed value.
        violation: Violation,
    },
    /// The name is reserved for the service.
    #[error("tag name {name:?} is reserved: use {instead}")]
    Reserved {
        /// The name.
        name: String,
        /// What to use instead.
        instead: &'static str,
    },
    /// The fragment already has this event.
    #[error("duplicate event {name} on the fragment")]
    Duplicate {
        /// The name of the event's tag.
        name: &'static str,
    },
    /// The prefix of image keys is too long.
    #[error("image prefix of {bytes} bytes is too long, at most {limit} allowed")]
    PrefixTooLong {
        /// Its length.
        bytes: usize,
        /// The largest length: 256.
        limit: usize,
    },
    /// [`finish`](crate::ProducerCore::finish) or `stop` was called.
    #[error("producer finished: it accepts no more tags")]
    Finished,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tags::{FragmentEvent, ImageGeneration, Notification};

    #[test]
    fn rejects_reserved_names() {
        let refused = FragmentTag::once(tag_names::IMAGE_GENERATION, "").check().unwrap_err();
        assert_eq!(
            refused.to_string(),
            "tag name \"AWS_KINESISVIDEO_IMAGE_GENERATION\" is reserved: use put_event(ImageGeneration)"
        );
        assert!(FragmentEvent::from(Notification::new().with_pair("AWS_x", "")).check().is_err());
    }

    #[test]
    fn lengths_are_checked_in_bytes() {
        assert!(FragmentTag::once("é".repeat(64), "v".repeat(256)).check().is_ok());
        assert!(FragmentTag::once("é".repeat(65), "").check().is_err());
        assert!(FragmentTag::once("n", "v".repeat(257)).check().is_err());
        assert!(FragmentTag::once("", "").check().is_err());
        let long = ImageGeneration::new().with_prefix("p".repeat(257));
        assert_eq!(FragmentEvent::from(long).check(), Err(PutTagError::PrefixTooLong { bytes: 257, limit: 256 }));
    }
}

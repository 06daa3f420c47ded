//! What goes with a fragment beside its frames: tags, image generation, notifications.

use std::num::NonZeroU32;
use std::time::Duration;

use kvs_mkv::Tag;
use kvs_mkv::service::{FragmentCheck, Violation, limits, tag_names};

use crate::limits::{PERSISTENT_TAGS, USER_TAGS};

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
    pub reach: Reach,
}

/// Which fragments a tag goes with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the service's own two kinds of fragment metadata")]
pub enum Reach {
    /// The fragment of the last frame that was put; the next one where none is open.
    Once,
    /// That fragment and all after it, until [`clear_tag`](crate::Producer::clear_tag).
    Persistent,
}

impl FragmentTag {
    /// A tag for one fragment: a name of 1 to 128 bytes, a value of up to 256.
    pub fn once(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { tag: Tag::new(name, value), reach: Reach::Once }
    }

    /// A tag for this fragment and all that follow; one of the same name is replaced.
    pub fn persistent(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { tag: Tag::new(name, value), reach: Reach::Persistent }
    }
}

/// Asks the service for images of a fragment
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
    /// Begins the keys of the images; up to 256 bytes.
    pub prefix: Option<String>,
    /// Goes into the images' metadata; each pair counts as a tag of the fragment.
    pub pairs: Vec<Tag>,
}

impl ImageGeneration {
    /// Images without a prefix and without pairs.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins the images' keys with this.
    #[must_use]
    pub fn with_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = Some(prefix.into());
        self
    }

    /// Adds a pair to the images' metadata.
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

/// Asks the service for a notification when the fragment is persisted
/// (<https://docs.aws.amazon.com/kinesisvideostreams/latest/dg/notifications.html>).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Notification {
    /// Goes into the notification's payload; each pair counts as a tag of the fragment.
    pub pairs: Vec<Tag>,
}

impl Notification {
    /// A notification without pairs.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a pair to the notification's payload.
    #[must_use]
    pub fn with_pair(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.pairs.push(Tag::new(name, value));
        self
    }

    fn group(&self) -> Vec<Tag> {
        std::iter::once(Tag::new(tag_names::NOTIFICATION, "")).chain(self.pairs.iter().cloned()).collect()
    }
}

/// What the service is asked to do with a fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FragmentEvent {
    /// Take images of it.
    ImageGeneration(ImageGeneration),
    /// Tell when it is persisted.
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
    fn group(&self) -> Vec<Tag> {
        match self {
            Self::ImageGeneration(event) => event.group(),
            Self::Notification(event) => event.group(),
        }
    }

    /// The tag that stands for it.
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

/// How often an event is put on a fragment by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cadence {
    /// On the first fragment and then on every n-th.
    Fragments(NonZeroU32),
    /// On the first fragment and then on the first one that begins at least so much later.
    Time(Duration),
}

/// An event that comes by itself.
#[derive(Debug)]
struct Regular {
    cadence: Cadence,
    event: FragmentEvent,
    /// Fragments since the last one that had it, and that one's beginning in ms.
    last: Option<(u32, u64)>,
}

impl Regular {
    /// Whether the fragment that begins now has it.
    fn is_due(&mut self, at: u64) -> bool {
        let due = match (self.cadence, self.last) {
            (_, None) => true,
            (Cadence::Fragments(every), Some((since, _))) => since + 1 >= every.get(),
            (Cadence::Time(every), Some((_, last))) => u128::from(at.abs_diff(last)) >= every.as_millis(),
        };
        self.last = match self.last {
            Some((since, last)) if !due => Some((since.saturating_add(1), last)),
            _ => Some((0, at)),
        };
        due
    }
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
        /// [`USER_TAGS`].
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
        /// [`limits::IMAGE_PREFIX_BYTES`].
        limit: usize,
    },
    /// The producer was told to finish.
    #[error("the stream is finished: no tags are taken any more")]
    Finished,
}

fn check(tag: &Tag) -> Result<(), PutTagError> {
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

impl FragmentTag {
    /// Checks name and value before anything is kept.
    pub(crate) fn check(&self) -> Result<(), PutTagError> {
        check(&self.tag)
    }
}

impl FragmentEvent {
    /// Checks prefix and pairs before anything is kept.
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

/// The tags of one fragment, in the groups and the order they go out: notification, image generation, then the user's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TagSet {
    groups: Vec<Vec<Tag>>,
    count: usize,
}

impl TagSet {
    /// One Tags element each.
    pub(crate) fn groups(&self) -> &[Vec<Tag>] {
        &self.groups
    }

    /// Bytes of all names and values, for the memory account.
    pub(crate) fn bytes(&self) -> usize {
        self.groups.iter().flatten().map(|tag| tag.name.len() + tag.value.len() + size_of::<Tag>()).sum()
    }

    pub(crate) fn add_tag(&mut self, tag: Tag) -> Result<(), PutTagError> {
        self.room_for(1)?;
        self.groups.push(vec![tag]);
        self.count += 1;
        Ok(())
    }

    /// Adds a tag or gives the one of the same name its value.
    fn set_tag(&mut self, tag: &Tag) -> Result<(), PutTagError> {
        match self.groups.iter_mut().find(|group| matches!(group.as_slice(), [one] if one.name == tag.name)) {
            Some(group) => {
                *group = vec![tag.clone()];
                Ok(())
            }
            None => self.add_tag(tag.clone()),
        }
    }

    pub(crate) fn add_event(&mut self, event: &FragmentEvent) -> Result<(), PutTagError> {
        let name = event.name();
        let is_event = |group: &&Vec<Tag>, name: &str| group.first().is_some_and(|head| head.name == name);
        if self.groups.iter().any(|group| is_event(&group, name)) {
            return Err(PutTagError::Duplicate { name });
        }
        let group = event.group();
        self.room_for(group.len())?;
        self.count += group.len();
        // The service's samples send NOTIFICATION first; readers that take the first group they know depend on it.
        let at = match event {
            FragmentEvent::Notification(_) => 0,
            FragmentEvent::ImageGeneration(_) => {
                usize::from(self.groups.first().is_some_and(|group| is_event(&group, tag_names::NOTIFICATION)))
            }
        };
        self.groups.insert(at, group);
        Ok(())
    }

    fn room_for(&self, more: usize) -> Result<(), PutTagError> {
        let count = self.count.saturating_add(more);
        if count > USER_TAGS { Err(PutTagError::TooMany { count, limit: USER_TAGS }) } else { Ok(()) }
    }
}

/// Tags that wait for a fragment: those for the next one, and those for all.
#[derive(Debug, Default)]
pub(crate) struct WaitingTags {
    persistent: Vec<Tag>,
    next: TagSet,
    regular: Vec<Regular>,
}

impl WaitingTags {
    pub(crate) fn new(regular: &[(Cadence, FragmentEvent)]) -> Self {
        let regular = regular.iter().cloned().map(|(cadence, event)| Regular { cadence, event, last: None });
        Self { regular: regular.collect(), ..Self::default() }
    }

    /// The tags of a fragment that begins at this time, in ms since the epoch.
    pub(crate) fn open(&mut self, at: u64) -> TagSet {
        let fresh = self.persistent_set();
        let mut set = std::mem::replace(&mut self.next, fresh);
        for regular in &mut self.regular {
            if regular.is_due(at) {
                // One that the user asked for himself, or that has no room, is not worth an error here.
                let _ = set.add_event(&regular.event);
            }
        }
        set
    }

    /// What the next fragment's tags are so far.
    pub(crate) fn preview(&self) -> TagSet {
        self.next.clone()
    }

    /// The set for the next fragment, where none is open.
    pub(crate) fn next(&mut self) -> &mut TagSet {
        &mut self.next
    }

    /// Remembers a persistent tag and puts it on the next fragment's set.
    pub(crate) fn persist(&mut self, tag: &Tag) -> Result<(), PutTagError> {
        let known = self.persistent.iter().position(|known| known.name == tag.name);
        if known.is_none() && self.persistent.len() >= PERSISTENT_TAGS {
            return Err(PutTagError::TooMany { count: self.persistent.len() + 1, limit: PERSISTENT_TAGS });
        }
        self.next.set_tag(tag)?;
        match known.and_then(|at| self.persistent.get_mut(at)) {
            Some(slot) => *slot = tag.clone(),
            None => self.persistent.push(tag.clone()),
        }
        Ok(())
    }

    /// Stops sending a persistent tag; says whether there was one.
    pub(crate) fn clear(&mut self, name: &str) -> bool {
        let before = self.persistent.len();
        self.persistent.retain(|tag| tag.name != name);
        if self.persistent.len() == before {
            return false;
        }
        self.next.groups.retain(|group| !matches!(group.as_slice(), [one] if one.name == name));
        self.next.count = self.next.groups.iter().map(Vec::len).sum();
        true
    }

    fn persistent_set(&self) -> TagSet {
        TagSet { groups: self.persistent.iter().map(|tag| vec![tag.clone()]).collect(), count: self.persistent.len() }
    }
}

impl TagSet {
    /// Puts a persistent tag on a fragment that is already open.
    pub(crate) fn set_persistent(&mut self, tag: &Tag) -> Result<(), PutTagError> {
        self.set_tag(tag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(set: &TagSet) -> Vec<Vec<&str>> {
        set.groups().iter().map(|group| group.iter().map(|tag| tag.name.as_str()).collect()).collect()
    }

    #[test]
    fn notification_goes_before_image_generation_and_both_before_the_users_tags() {
        let mut set = TagSet::default();
        set.add_tag(Tag::new("a", "1")).unwrap();
        set.add_event(&ImageGeneration::new().with_prefix("p").with_pair("k", "v").into()).unwrap();
        set.add_event(&Notification::new().with_pair("k", "v").into()).unwrap();
        let expected = [
            vec![tag_names::NOTIFICATION, "k"],
            vec![tag_names::IMAGE_GENERATION, tag_names::IMAGE_PREFIX, "k"],
            vec!["a"],
        ];
        assert_eq!(names(&set), expected);
        assert_eq!(set.count, 6);
    }

    #[test]
    fn eleventh_tag_rejected_counting_reserved() {
        let mut set = TagSet::default();
        set.add_event(&ImageGeneration::new().with_prefix("p").into()).unwrap();
        for n in 0..7 {
            set.add_tag(Tag::new(format!("t{n}"), "")).unwrap();
        }
        let refused = set.add_tag(Tag::new("one too many", "")).unwrap_err();
        assert_eq!(refused, PutTagError::TooMany { count: 10, limit: 9 });
        assert_eq!(set.count, 9);
    }

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

    #[test]
    fn an_event_is_asked_for_once_a_fragment() {
        let mut set = TagSet::default();
        set.add_event(&Notification::new().into()).unwrap();
        assert!(matches!(set.add_event(&Notification::new().into()), Err(PutTagError::Duplicate { .. })));
    }

    #[test]
    fn regular_events_come_by_count_or_by_time() {
        let images: FragmentEvent = ImageGeneration::new().into();
        let third = Cadence::Fragments(NonZeroU32::new(3).unwrap());
        let minute = Cadence::Time(Duration::from_secs(60));
        let mut waiting = WaitingTags::new(&[(third, images), (minute, Notification::new().into())]);
        let has: Vec<usize> = (0..8).map(|n| waiting.open(n * 20_000).groups().len()).collect();
        assert_eq!(has, [2, 0, 0, 2, 0, 0, 2, 0]);
    }

    #[test]
    fn persistent_tags_go_with_every_fragment_until_cleared() {
        let mut waiting = WaitingTags::default();
        waiting.persist(&Tag::new("cam", "1")).unwrap();
        waiting.next().add_tag(Tag::new("once", "")).unwrap();
        waiting.persist(&Tag::new("cam", "2")).unwrap();
        assert_eq!(waiting.open(0).groups(), [vec![Tag::new("cam", "2")], vec![Tag::new("once", "")]]);
        assert_eq!(waiting.open(0).groups(), [vec![Tag::new("cam", "2")]]);
        assert!(waiting.clear("cam") && !waiting.clear("cam"));
        assert_eq!(waiting.open(0).count, 0);
    }
}

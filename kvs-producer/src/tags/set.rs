//! The tags of one fragment.

use kvs_mkv::Tag;
use kvs_types::tag_names;

use super::event::FragmentEvent;
use super::tag::PutTagError;
use crate::limits::USER_TAGS;

/// The tags of one fragment, in the groups and in the order in which they are sent: notification, image generation, then
/// the user's tags.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TagSet {
    groups: Vec<Vec<Tag>>,
    count: usize,
}

impl TagSet {
    /// Creates a set of the user's tags, which must fit.
    pub(super) fn of(tags: &[Tag]) -> Self {
        Self { groups: tags.iter().map(|tag| vec![tag.clone()]).collect(), count: tags.len() }
    }

    /// Creates a set of groups that were read back; `None` if there are more tags than a fragment may have.
    #[cfg(feature = "spool")]
    pub(crate) fn from_groups(groups: Vec<Vec<Tag>>) -> Option<Self> {
        let count = groups.iter().map(Vec::len).sum();
        (count <= USER_TAGS && groups.iter().all(|group| !group.is_empty())).then_some(Self { groups, count })
    }

    /// The groups; each becomes one Matroska Tags element.
    pub(crate) fn groups(&self) -> &[Vec<Tag>] {
        &self.groups
    }

    /// Size of all names and values, for the size of the buffer.
    pub(crate) fn bytes(&self) -> usize {
        self.groups.iter().flatten().map(|tag| tag.name.len() + tag.value.len() + size_of::<Tag>()).sum()
    }

    pub(crate) fn add_tag(&mut self, tag: Tag) -> Result<(), PutTagError> {
        self.room_for(1)?;
        self.groups.push(vec![tag]);
        self.count += 1;
        Ok(())
    }

    /// Adds a tag, or replaces the value of the tag with the same name.
    pub(crate) fn set_tag(&mut self, tag: &Tag) -> Result<(), PutTagError> {
        match self.groups.iter_mut().find(|group| matches!(group.as_slice(), [one] if one.name == tag.name)) {
            Some(group) => {
                *group = vec![tag.clone()];
                Ok(())
            }
            None => self.add_tag(tag.clone()),
        }
    }

    /// Removes a tag of the user.
    pub(super) fn remove_tag(&mut self, name: &str) {
        self.groups.retain(|group| !matches!(group.as_slice(), [one] if one.name == name));
        self.count = self.groups.iter().map(Vec::len).sum();
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
        // AWS's samples send the notification first, and readers that use the first group they know depend on that order.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tags::{ImageGeneration, Notification};

    fn names(set: &TagSet) -> Vec<Vec<&str>> {
        set.groups().iter().map(|group| group.iter().map(|tag| tag.name.as_str()).collect()).collect()
    }

    #[test]
    fn notification_precedes_image_generation_and_both_precede_user_tags() {
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
    fn rejects_tenth_tag_counting_reserved_ones() {
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
    fn rejects_second_event_of_a_kind() {
        let mut set = TagSet::default();
        set.add_event(&Notification::new().into()).unwrap();
        assert!(matches!(set.add_event(&Notification::new().into()), Err(PutTagError::Duplicate { .. })));
    }
}

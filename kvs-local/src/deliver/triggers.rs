//! The tags of a fragment that trigger images or a notification.

use std::collections::BTreeMap;
use std::time::Duration;

use kvs_mkv::Tag;
use kvs_types::TimestampOrigin;
use kvs_types::tag_names::{IMAGE_GENERATION, IMAGE_PREFIX, NOTIFICATION, RESERVED_PREFIX};

use super::limits::IMAGES_PER_FRAGMENT;
use crate::images::FragmentSpan;

/// The tags of a fragment ask for images.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImageTrigger {
    /// The prefix of object keys (`AWS_KINESISVIDEO_IMAGE_PREFIX`), empty without that tag.
    pub prefix: String,
    /// The custom tags, which become metadata of the objects.
    pub pairs: BTreeMap<String, String>,
}

impl ImageTrigger {
    /// Looks for `AWS_KINESISVIDEO_IMAGE_GENERATION` in the tags of a fragment, one list per Matroska `Tag` element.
    ///
    /// Custom tags are taken from the element of the trigger and from elements without a trigger, because producers do
    /// both. If a name occurs in both, the element of the trigger wins.
    #[must_use]
    pub fn find(groups: &[Vec<Tag>]) -> Option<Self> {
        let pairs = custom_tags(groups, IMAGE_GENERATION, NOTIFICATION)?;
        let prefix = groups.iter().flatten().find(|tag| tag.name == IMAGE_PREFIX);
        Some(Self { prefix: prefix.map_or_else(String::new, |tag| tag.value.clone()), pairs })
    }
}

/// The tags of a fragment ask for a notification.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NotificationTrigger {
    /// The custom tags, which become the payload.
    pub pairs: BTreeMap<String, String>,
}

impl NotificationTrigger {
    /// Looks for `AWS_KINESISVIDEO_NOTIFICATION`. Custom tags are taken as in [`ImageTrigger::find`].
    #[must_use]
    pub fn find(groups: &[Vec<Tag>]) -> Option<Self> {
        custom_tags(groups, NOTIFICATION, IMAGE_GENERATION).map(|pairs| Self { pairs })
    }
}

fn custom_tags(groups: &[Vec<Tag>], trigger: &str, other: &str) -> Option<BTreeMap<String, String>> {
    let has = |group: &[Tag], name: &str| group.iter().any(|tag| tag.name == name);
    if !groups.iter().any(|group| has(group, trigger)) {
        return None;
    }
    let own = groups.iter().filter(|group| has(group, trigger));
    let untriggered = groups.iter().filter(|group| !has(group, trigger) && !has(group, other));
    let custom = |tag: &&Tag| !tag.name.starts_with(RESERVED_PREFIX);
    let pairs = untriggered.chain(own).flatten().filter(custom);
    Some(pairs.map(|tag| (tag.name.clone(), tag.value.clone())).collect())
}

/// Returns the instants at which a tagged fragment is sampled: its start, and every `interval` after it within the
/// fragment. Sampling restarts at every fragment.
///
/// Returns at most [`IMAGES_PER_FRAGMENT`] instants. A fragment shorter than the interval is sampled at its start.
#[must_use]
pub fn sampling_instants(span: &FragmentSpan, origin: TimestampOrigin, interval: Duration) -> Vec<Duration> {
    let start = span.start(origin);
    let instants = (0..u32::try_from(IMAGES_PER_FRAGMENT).unwrap_or(u32::MAX))
        .map_while(|number| interval.checked_mul(number).and_then(|offset| start.checked_add(offset)))
        .take_while(|instant| span.covers(*instant, origin));
    // With an interval of zero all instants would be equal.
    instants.take(if interval.is_zero() { 1 } else { IMAGES_PER_FRAGMENT }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(tags: &[(&str, &str)]) -> Vec<Tag> {
        tags.iter().map(|(name, value)| Tag::new(*name, *value)).collect()
    }

    #[test]
    fn trigger_takes_tags_of_its_element_and_of_elements_without_a_trigger() {
        let groups = [
            group(&[(NOTIFICATION, ""), ("who", "notification")]),
            group(&[(IMAGE_GENERATION, ""), (IMAGE_PREFIX, "gate"), ("who", "image")]),
            group(&[("door", "open"), ("who", "nobody"), ("AWS_KINESISVIDEO_END_OF_FRAGMENT", "")]),
        ];
        let pairs =
            |who: &str| BTreeMap::from([("door", "open"), ("who", who)].map(|(n, v)| (n.to_owned(), v.to_owned())));
        let image = ImageTrigger::find(&groups).unwrap();
        assert_eq!((image.prefix.as_str(), image.pairs), ("gate", pairs("image")));
        assert_eq!(NotificationTrigger::find(&groups).unwrap().pairs, pairs("notification"));
    }

    #[test]
    fn no_trigger_without_its_tag() {
        let groups = [group(&[("door", "open"), (IMAGE_PREFIX, "gate")])];
        assert_eq!((ImageTrigger::find(&groups), NotificationTrigger::find(&groups)), (None, None));
    }

    #[test]
    fn samples_from_the_start_within_the_fragment() {
        let ms = Duration::from_millis;
        let span = |duration| FragmentSpan {
            number: "1".parse().unwrap(),
            producer_timestamp: ms(5000),
            server_timestamp: ms(90_000),
            duration: ms(duration),
        };
        let taken = |duration, interval| sampling_instants(&span(duration), TimestampOrigin::Producer, ms(interval));
        assert_eq!(taken(1999, 1000), [ms(5000), ms(6000)]);
        assert_eq!(taken(2000, 1000), [ms(5000), ms(6000), ms(7000)]);
        assert_eq!(taken(900, 3000), [ms(5000)]);
        assert_eq!(taken(0, 3000), [ms(5000)]);
        assert_eq!(taken(20_000, 0).len(), 1);
        assert_eq!(taken(3_600_000, 200).len(), IMAGES_PER_FRAGMENT);
        assert_eq!(sampling_instants(&span(1500), TimestampOrigin::Server, ms(1000)), [ms(90_000), ms(91_000)]);
    }
}

//! What the tags of a fragment ask for: images, a notification, and what goes with them.

use std::collections::BTreeMap;
use std::time::Duration;

use kvs_mkv::Tag;
use kvs_types::tag_names::{IMAGE_GENERATION, IMAGE_PREFIX, NOTIFICATION, RESERVED_PREFIX};

use super::limits::IMAGES_PER_FRAGMENT;
use crate::images::{Axis, FragmentSpan};

/// A fragment's tags ask for images.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImageOrder {
    /// What keys begin with; empty without the tag.
    pub prefix: String,
    /// Custom pairs for the metadata of the objects.
    pub pairs: BTreeMap<String, String>,
}

impl ImageOrder {
    /// Looks for `AWS_KINESISVIDEO_IMAGE_GENERATION` in the groups of tags of a fragment (one group for each Matroska `Tag`).
    ///
    /// Custom pairs are those in the trigger's own group and those in groups without any trigger, as producers write
    /// them either way; a pair beside the trigger wins.
    #[must_use]
    pub fn of(groups: &[Vec<Tag>]) -> Option<Self> {
        let pairs = pairs_for(groups, IMAGE_GENERATION, NOTIFICATION)?;
        let prefix = groups.iter().flatten().find(|tag| tag.name == IMAGE_PREFIX);
        Some(Self { prefix: prefix.map_or_else(String::new, |tag| tag.value.clone()), pairs })
    }
}

/// A fragment's tags ask for a notification.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NotificationOrder {
    /// Custom pairs for the payload.
    pub pairs: BTreeMap<String, String>,
}

impl NotificationOrder {
    /// Looks for `AWS_KINESISVIDEO_NOTIFICATION`; pairs as with [`ImageOrder::of`].
    #[must_use]
    pub fn of(groups: &[Vec<Tag>]) -> Option<Self> {
        pairs_for(groups, NOTIFICATION, IMAGE_GENERATION).map(|pairs| Self { pairs })
    }
}

fn pairs_for(groups: &[Vec<Tag>], trigger: &str, other: &str) -> Option<BTreeMap<String, String>> {
    let has = |group: &[Tag], name: &str| group.iter().any(|tag| tag.name == name);
    if !groups.iter().any(|group| has(group, trigger)) {
        return None;
    }
    let own = groups.iter().filter(|group| has(group, trigger));
    let loose = groups.iter().filter(|group| !has(group, trigger) && !has(group, other));
    let custom = |tag: &&Tag| !tag.name.starts_with(RESERVED_PREFIX);
    let pairs = loose.chain(own).flatten().filter(custom);
    Some(pairs.map(|tag| (tag.name.clone(), tag.value.clone())).collect())
}

/// When a tagged fragment is sampled, from its start on while inside it; every fragment begins anew.
///
/// At most [`IMAGES_PER_FRAGMENT`]; a fragment shorter than the interval gives the image at its start.
#[must_use]
pub fn sampling_instants(span: &FragmentSpan, axis: Axis, interval: Duration) -> Vec<Duration> {
    let start = span.start(axis);
    let instants = (0..u32::try_from(IMAGES_PER_FRAGMENT).unwrap_or(u32::MAX))
        .map_while(|number| interval.checked_mul(number).and_then(|offset| start.checked_add(offset)))
        .take_while(|instant| span.covers(*instant, axis));
    // An interval of nothing would give the same instant again and again.
    instants.take(if interval.is_zero() { 1 } else { IMAGES_PER_FRAGMENT }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(tags: &[(&str, &str)]) -> Vec<Tag> {
        tags.iter().map(|(name, value)| Tag::new(*name, *value)).collect()
    }

    #[test]
    fn an_order_takes_its_own_pairs_and_loose_ones() {
        let groups = [
            group(&[(NOTIFICATION, ""), ("who", "notification")]),
            group(&[(IMAGE_GENERATION, ""), (IMAGE_PREFIX, "gate"), ("who", "image")]),
            group(&[("door", "open"), ("who", "nobody"), ("AWS_KINESISVIDEO_END_OF_FRAGMENT", "")]),
        ];
        let pairs =
            |who: &str| BTreeMap::from([("door", "open"), ("who", who)].map(|(n, v)| (n.to_owned(), v.to_owned())));
        let image = ImageOrder::of(&groups).unwrap();
        assert_eq!((image.prefix.as_str(), image.pairs), ("gate", pairs("image")));
        assert_eq!(NotificationOrder::of(&groups).unwrap().pairs, pairs("notification"));
    }

    #[test]
    fn without_a_trigger_nothing_is_asked_for() {
        let groups = [group(&[("door", "open"), (IMAGE_PREFIX, "gate")])];
        assert_eq!((ImageOrder::of(&groups), NotificationOrder::of(&groups)), (None, None));
    }

    #[test]
    fn samples_lie_inside_the_fragment_from_its_start_on() {
        let ms = Duration::from_millis;
        let span = |duration| FragmentSpan {
            number: "1".parse().unwrap(),
            producer_timestamp: ms(5000),
            server_timestamp: ms(90_000),
            duration: ms(duration),
        };
        let taken = |duration, interval| sampling_instants(&span(duration), Axis::Producer, ms(interval));
        assert_eq!(taken(2000, 1000), [ms(5000), ms(6000)]);
        assert_eq!(taken(2001, 1000), [ms(5000), ms(6000), ms(7000)]);
        assert_eq!(taken(900, 3000), [ms(5000)]);
        assert_eq!(taken(0, 3000), [ms(5000)]);
        assert_eq!(taken(20_000, 0).len(), 1);
        assert_eq!(taken(3_600_000, 200).len(), IMAGES_PER_FRAGMENT);
        assert_eq!(sampling_instants(&span(1500), Axis::Server, ms(1000)), [ms(90_000), ms(91_000)]);
    }
}

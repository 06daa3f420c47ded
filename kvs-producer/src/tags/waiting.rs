//! Tags and events that wait for their fragment.

use std::num::NonZeroU32;
use std::time::Duration;

use kvs_mkv::Tag;

use super::event::FragmentEvent;
use super::set::TagSet;
use super::tag::PutTagError;
use crate::limits::PERSISTENT_TAGS;

/// How often an event is put on a fragment by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventInterval {
    /// On the first fragment and then on every n-th.
    Fragments(NonZeroU32),
    /// On the first fragment and then on the first one that begins at least so much later.
    Time(Duration),
}

/// An event that comes by itself.
#[derive(Debug)]
struct Regular {
    cadence: EventInterval,
    event: FragmentEvent,
    /// Fragments since the last one that had it, and that one's beginning in ms.
    last: Option<(u32, u64)>,
}

impl Regular {
    /// Whether the fragment that begins now has it.
    fn is_due(&mut self, at: u64) -> bool {
        let due = match (self.cadence, self.last) {
            (_, None) => true,
            (EventInterval::Fragments(every), Some((since, _))) => since + 1 >= every.get(),
            (EventInterval::Time(every), Some((_, last))) => u128::from(at.abs_diff(last)) >= every.as_millis(),
        };
        self.last = match self.last {
            Some((since, last)) if !due => Some((since.saturating_add(1), last)),
            _ => Some((0, at)),
        };
        due
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
    pub(crate) fn new(regular: &[(EventInterval, FragmentEvent)]) -> Self {
        let regular = regular.iter().cloned().map(|(cadence, event)| Regular { cadence, event, last: None });
        Self { regular: regular.collect(), ..Self::default() }
    }

    /// The tags of a fragment that begins at this time, in ms since the epoch.
    pub(crate) fn open(&mut self, at: u64) -> TagSet {
        let fresh = TagSet::of(&self.persistent);
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
        self.next.remove_tag(name);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tags::{ImageGeneration, Notification};

    #[test]
    fn regular_events_come_by_count_or_by_time() {
        let images: FragmentEvent = ImageGeneration::new().into();
        let third = EventInterval::Fragments(NonZeroU32::new(3).unwrap());
        let minute = EventInterval::Time(Duration::from_secs(60));
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
        assert!(waiting.open(0).groups().is_empty());
    }
}

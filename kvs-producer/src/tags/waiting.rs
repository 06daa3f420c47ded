//! Tags and events that wait for the next fragment.

use std::num::NonZeroU32;
use std::time::Duration;

use kvs_mkv::Tag;

use super::event::FragmentEvent;
use super::set::TagSet;
use super::tag::PutTagError;
use crate::limits::PERSISTENT_TAGS;

/// How often the producer adds a periodic event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventInterval {
    /// On the first fragment and then on every n-th fragment.
    Fragments(NonZeroU32),
    /// On the first fragment and then on the first fragment that starts at least this much later.
    Time(Duration),
}

/// An event that the producer adds by itself.
#[derive(Debug)]
struct PeriodicEvent {
    cadence: EventInterval,
    event: FragmentEvent,
    /// Number of fragments since the last one that carried it, and the start of that one in ms.
    last: Option<(u32, u64)>,
}

impl PeriodicEvent {
    /// Returns whether the fragment that starts at `at` ms carries it.
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

/// The tags for the next fragment, and those for all fragments.
#[derive(Debug, Default)]
pub(crate) struct WaitingTags {
    persistent: Vec<Tag>,
    next: TagSet,
    periodic: Vec<PeriodicEvent>,
}

impl WaitingTags {
    pub(crate) fn new(periodic: &[(EventInterval, FragmentEvent)]) -> Self {
        let periodic = periodic.iter().cloned().map(|(cadence, event)| PeriodicEvent { cadence, event, last: None });
        Self { periodic: periodic.collect(), ..Self::default() }
    }

    /// Takes the tags of a fragment that starts at `at` ms since the Unix epoch.
    pub(crate) fn open(&mut self, at: u64) -> TagSet {
        let fresh = TagSet::of(&self.persistent);
        let mut set = std::mem::replace(&mut self.next, fresh);
        for periodic in &mut self.periodic {
            if periodic.is_due(at) {
                // If the user already put such an event, or there is no room, the periodic event is skipped.
                let _ = set.add_event(&periodic.event);
            }
        }
        set
    }

    /// The tags of the next fragment so far.
    pub(crate) fn preview(&self) -> TagSet {
        self.next.clone()
    }

    /// The tags of the next fragment, to change.
    pub(crate) fn next(&mut self) -> &mut TagSet {
        &mut self.next
    }

    /// Adds a persistent tag, or replaces its value.
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

    /// Removes a persistent tag. Returns whether there was one with this name.
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
    fn periodic_events_are_due_by_count_or_by_time() {
        let images: FragmentEvent = ImageGeneration::new().into();
        let third = EventInterval::Fragments(NonZeroU32::new(3).unwrap());
        let minute = EventInterval::Time(Duration::from_secs(60));
        let mut waiting = WaitingTags::new(&[(third, images), (minute, Notification::new().into())]);
        let has: Vec<usize> = (0..8).map(|n| waiting.open(n * 20_000).groups().len()).collect();
        assert_eq!(has, [2, 0, 0, 2, 0, 0, 2, 0]);
    }

    #[test]
    fn persistent_tags_are_on_every_fragment_until_cleared() {
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

//! Where every part of the producer leaves what it has to tell.

use std::collections::VecDeque;

use crate::limits::WAITING_EVENTS;
use crate::report::event::{Event, FragmentId, Loss, LossReason, Persisted, Span};
use crate::report::stats::Stats;

/// The waiting events and the counts that go with them.
#[derive(Debug, Default)]
pub(crate) struct Reports {
    events: VecDeque<Event>,
    missed: u64,
    pub(crate) stats: Stats,
}

impl Reports {
    /// Queues an event; when nobody polls, the oldest make room and are counted.
    pub(crate) fn push(&mut self, event: Event) {
        if self.events.len() >= WAITING_EVENTS {
            self.events.pop_front();
            self.missed += 1;
            self.stats.dropped_events += 1;
        }
        self.events.push_back(event);
    }

    pub(crate) fn poll(&mut self) -> Option<Event> {
        if self.missed > 0 {
            return Some(Event::EventsDropped { count: std::mem::take(&mut self.missed) });
        }
        self.events.pop_front()
    }

    pub(crate) fn lost(&mut self, fragment: Option<FragmentId>, span: Span, reason: LossReason) {
        self.stats.totals.lose(&span, &reason);
        if let Some(Event::Lost(last)) = self.events.back_mut() {
            // Single frames of one stretch make one event.
            if fragment.is_none() && last.fragment.is_none() && last.reason == reason {
                last.span.extend(&span);
                return;
            }
        }
        self.push(Event::Lost(Loss { fragment, span, reason }));
    }

    pub(crate) fn persisted(&mut self, persisted: Persisted) {
        self.stats.totals.persisted.add(persisted.span.frames, persisted.span.bytes);
        self.stats.totals.persisted_fragments += 1;
        self.stats.ack_latency.record(persisted.latency);
        self.push(Event::Persisted(persisted));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_nobody_polls_are_bounded_and_counted() {
        let mut reports = Reports::default();
        for _ in 0..WAITING_EVENTS + 3 {
            reports.push(Event::Idle);
        }
        assert!(matches!(reports.poll(), Some(Event::EventsDropped { count: 3 })));
        assert_eq!(std::iter::from_fn(|| reports.poll()).count(), WAITING_EVENTS);
        assert_eq!(reports.stats.dropped_events, 3);
    }
}

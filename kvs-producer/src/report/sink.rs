//! Collects the events and statistics that all parts of the producer report.

use std::collections::VecDeque;

use super::event::Event;
use super::outcome::{Loss, LossReason, Persisted};
use super::span::{FragmentId, Span};
use super::stats::Stats;
use crate::limits::WAITING_EVENTS;

/// The events that wait to be polled, and the statistics.
#[derive(Debug, Default)]
pub(crate) struct ReportSink {
    events: VecDeque<Event>,
    dropped: u64,
    pub(crate) stats: Stats,
}

impl ReportSink {
    /// Queues an event. If the queue is full, drops and counts the oldest event.
    pub(crate) fn push(&mut self, event: Event) {
        if self.events.len() >= WAITING_EVENTS {
            self.events.pop_front();
            self.dropped += 1;
            self.stats.dropped_events += 1;
        }
        self.events.push_back(event);
    }

    /// Whether an event waits to be polled.
    #[cfg(feature = "tokio")]
    pub(crate) fn has_events(&self) -> bool {
        self.dropped > 0 || !self.events.is_empty()
    }

    pub(crate) fn poll(&mut self) -> Option<Event> {
        if self.dropped > 0 {
            return Some(Event::EventsDropped { count: std::mem::take(&mut self.dropped) });
        }
        self.events.pop_front()
    }

    pub(crate) fn lost(&mut self, fragment: Option<FragmentId>, span: Span, reason: LossReason) {
        self.stats.totals.lose(&span, &reason);
        if let Some(Event::Lost(last)) = self.events.back_mut() {
            // Consecutive single frames with the same reason become one event.
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
    fn unread_events_are_bounded_and_counted() {
        let mut sink = ReportSink::default();
        for _ in 0..WAITING_EVENTS + 3 {
            sink.push(Event::Idle);
        }
        assert!(matches!(sink.poll(), Some(Event::EventsDropped { count: 3 })));
        assert_eq!(std::iter::from_fn(|| sink.poll()).count(), WAITING_EVENTS);
        assert_eq!(sink.stats.dropped_events, 3);
    }
}

//! Scheduled events in the order of their times.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

/// Events by time; events of the same time keep the order in which they were scheduled.
#[derive(Debug)]
pub(crate) struct EventQueue<T> {
    /// Time, order, and index into `things`: events are large, and a heap moves its entries.
    times: BinaryHeap<Reverse<(Instant, u64, usize)>>,
    things: Vec<Option<T>>,
    free: Vec<usize>,
    planned: u64,
}

impl<T> Default for EventQueue<T> {
    fn default() -> Self {
        Self { times: BinaryHeap::new(), things: Vec::new(), free: Vec::new(), planned: 0 }
    }
}

impl<T> EventQueue<T> {
    pub(crate) fn schedule(&mut self, at: Instant, thing: T) {
        let place = self.free.pop().unwrap_or_else(|| {
            self.things.push(None);
            self.things.len() - 1
        });
        self.things[place] = Some(thing);
        self.planned += 1;
        self.times.push(Reverse((at, self.planned, place)));
    }

    /// Returns the time of the next event.
    pub(crate) fn next_time(&self) -> Option<Instant> {
        self.times.peek().map(|Reverse((at, _, _))| *at)
    }

    pub(crate) fn next(&mut self) -> Option<T> {
        let Reverse((_, _, place)) = self.times.pop()?;
        self.free.push(place);
        self.things.get_mut(place)?.take()
    }
}

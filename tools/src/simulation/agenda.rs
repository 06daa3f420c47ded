//! What is still to happen, by its time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

/// Things planned for their times; what is planned for one time happens in the order it was planned.
#[derive(Debug)]
pub(crate) struct Agenda<T> {
    /// Time, order of planning, and where the thing lies: things are large and heaps move what they hold.
    times: BinaryHeap<Reverse<(Instant, u64, usize)>>,
    things: Vec<Option<T>>,
    free: Vec<usize>,
    planned: u64,
}

impl<T> Default for Agenda<T> {
    fn default() -> Self {
        Self { times: BinaryHeap::new(), things: Vec::new(), free: Vec::new(), planned: 0 }
    }
}

impl<T> Agenda<T> {
    pub(crate) fn plan(&mut self, at: Instant, thing: T) {
        let place = self.free.pop().unwrap_or_else(|| {
            self.things.push(None);
            self.things.len() - 1
        });
        self.things[place] = Some(thing);
        self.planned += 1;
        self.times.push(Reverse((at, self.planned, place)));
    }

    /// When the next thing happens.
    pub(crate) fn next_time(&self) -> Option<Instant> {
        self.times.peek().map(|Reverse((at, _, _))| *at)
    }

    pub(crate) fn next(&mut self) -> Option<T> {
        let Reverse((_, _, place)) = self.times.pop()?;
        self.free.push(place);
        self.things.get_mut(place)?.take()
    }
}

//! The events of a producer as a blocking iterator.

use std::time::Duration;

use super::driver_thread::DriverThread;
use crate::driver;
use crate::report::event::Event;

/// The events of a producer, returned by [`Producer::events`](super::Producer::events): an iterator that waits for each event.
/// It ends after [`Event::Finished`], or when the producer is dropped.
///
/// ```no_run
/// # fn example(producer: &kvs_producer::blocking::Producer) {
/// use kvs_producer::Event;
///
/// let events = producer.events();
/// std::thread::spawn(move || {
///     for event in events {
///         if let Event::Lost(loss) = event {
///             eprintln!("lost {} frames: {}", loss.span.frames, loss.reason.name());
///         }
///     }
/// });
/// # }
/// ```
#[derive(Debug)]
pub struct Events {
    events: driver::Events,
    thread: DriverThread,
}

impl Events {
    pub(super) const fn new(events: driver::Events, thread: DriverThread) -> Self {
        Self { events, thread }
    }

    /// Returns an event that has already happened, without waiting: for loops that also put frames.
    pub fn try_next(&mut self) -> Option<Event> {
        self.events.try_next()
    }

    /// Waits at most `within` for the next event. Returns `None` at the timeout, and immediately at the end.
    pub fn next_within(&mut self, within: Duration) -> Option<Event> {
        let events = &mut self.events;
        self.thread.block_on(async { tokio::time::timeout(within, events.next()).await.ok().flatten() })
    }
}

impl Iterator for Events {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        self.thread.block_on(self.events.next())
    }
}

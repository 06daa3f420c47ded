//! Events, waited for.

use std::time::Duration;

use super::driver_thread::DriverThread;
use crate::driver;
use crate::report::event::Event;

/// What happens on a stream, out of [`Producer::events`](super::Producer::events): an iterator that waits for each and ends after
/// [`Event::Finished`], or when the stream is dropped.
///
/// ```no_run
/// # fn example(stream: &kvs_producer::blocking::Producer) {
/// use kvs_producer::Event;
///
/// let events = stream.events();
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
    driver_thread: DriverThread,
}

impl Events {
    pub(super) const fn new(events: driver::Events, driver_thread: DriverThread) -> Self {
        Self { events, driver_thread }
    }

    /// An event that has already happened, if there is one. Never waits: for a loop that also has frames to put.
    pub fn try_next(&mut self) -> Option<Event> {
        self.events.try_next()
    }

    /// The next event, waited for at most so long; `None` when none came, and at once when there will be none.
    pub fn next_within(&mut self, within: Duration) -> Option<Event> {
        let events = &mut self.events;
        self.driver_thread.block_on(async { tokio::time::timeout(within, events.next()).await.ok().flatten() })
    }
}

impl Iterator for Events {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        self.driver_thread.block_on(self.events.next())
    }
}

//! The events of a producer as a stream.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;

use super::shared::Shared;
use crate::report::event::Event;

/// The events of a [`Producer`](super::Producer), returned by [`Producer::events`](super::Producer::events). Ends after
/// [`Event::Finished`], or when the producer is dropped or its task has panicked.
///
/// If there are several for one producer, each event is delivered to one of them.
pub struct Events {
    waiting: Pin<Box<dyn Future<Output = Option<Event>> + Send>>,
    shared: Arc<Shared>,
}

impl Events {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { waiting: Box::pin(next(Arc::clone(&shared))), shared }
    }

    /// Waits for the next event. Returns `None` at the end. Cancel-safe.
    pub async fn next(&mut self) -> Option<Event> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// Returns an event that has already happened, without waiting.
    pub fn try_next(&mut self) -> Option<Event> {
        self.shared.core().poll_event()
    }
}

async fn next(shared: Arc<Shared>) -> Option<Event> {
    loop {
        let reported = shared.reported.notified();
        {
            let mut core = shared.core();
            if let Some(event) = core.poll_event() {
                return Some(event);
            }
            if core.is_finished() || shared.is_closed() {
                return None;
            }
        }
        reported.await;
    }
}

impl Stream for Events {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        let event = std::task::ready!(self.waiting.as_mut().poll(cx));
        self.waiting = Box::pin(next(Arc::clone(&self.shared)));
        Poll::Ready(event)
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").finish_non_exhaustive()
    }
}

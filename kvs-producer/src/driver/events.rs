//! The events of a stream, as they happen.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;

use super::task::Shared;
use crate::report::event::Event;

/// What happens on a stream, out of [`Producer::events`](super::Producer::events); ends after [`Event::Finished`].
///
/// Of several of these for one stream, each event goes to one.
pub struct Events {
    waiting: Pin<Box<dyn Future<Output = Option<Event>> + Send>>,
    shared: Arc<Shared>,
}

impl Events {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { waiting: Box::pin(next(Arc::clone(&shared))), shared }
    }

    /// The next event; `None` when there will be none. Cancel-safe.
    pub async fn next(&mut self) -> Option<Event> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// An event that has already happened, if there is one.
    pub fn try_next(&mut self) -> Option<Event> {
        self.shared.producer().poll_event()
    }
}

async fn next(shared: Arc<Shared>) -> Option<Event> {
    loop {
        let news = shared.news.notified();
        let mut news = std::pin::pin!(news);
        news.as_mut().enable();
        {
            let mut producer = shared.producer();
            if let Some(event) = producer.poll_event() {
                return Some(event);
            }
            if producer.is_finished() || shared.is_closed() {
                return None;
            }
        }
        news.await;
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

impl std::fmt::Debug for Events {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Events").finish_non_exhaustive()
    }
}

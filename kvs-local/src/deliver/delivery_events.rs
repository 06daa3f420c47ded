//! The events of delivery as a stream for one receiver.

use tokio::sync::broadcast;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};

use super::event::DeliveryEvent;
#[cfg(doc)]
use super::limits;

/// The events of delivery since it was subscribed to; returned by [`LocalKvs::deliveries`](crate::LocalKvs::deliveries).
///
/// Each receiver gets every event. One that is more than [4,096](limits::EVENT_QUEUE) events behind loses the oldest ones, so
/// that it cannot fill the memory of the service; [`missed`](Self::missed) counts them.
#[derive(Debug)]
pub struct DeliveryEvents {
    receiver: broadcast::Receiver<DeliveryEvent>,
    missed: u64,
}

impl DeliveryEvents {
    pub(super) const fn new(receiver: broadcast::Receiver<DeliveryEvent>) -> Self {
        Self { receiver, missed: 0 }
    }

    /// Waits for the next event. Returns `None` once the service has stopped and all events are returned. Cancel-safe.
    pub async fn next(&mut self) -> Option<DeliveryEvent> {
        loop {
            match self.receiver.recv().await {
                Ok(event) => return Some(event),
                Err(RecvError::Lagged(count)) => self.missed = self.missed.saturating_add(count),
                Err(RecvError::Closed) => return None,
            }
        }
    }

    /// Returns an event that has already happened, without waiting.
    pub fn try_next(&mut self) -> Option<DeliveryEvent> {
        loop {
            match self.receiver.try_recv() {
                Ok(event) => return Some(event),
                Err(TryRecvError::Lagged(count)) => self.missed = self.missed.saturating_add(count),
                Err(TryRecvError::Empty | TryRecvError::Closed) => return None,
            }
        }
    }

    /// Returns how many events were lost so far because this receiver was too slow.
    #[must_use]
    pub const fn missed(&self) -> u64 {
        self.missed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(number: u32) -> DeliveryEvent {
        DeliveryEvent::PublishFailed { topic_arn: String::new(), reason: number.to_string() }
    }

    #[tokio::test]
    async fn slow_receiver_loses_the_oldest_events_and_counts_them() {
        let (sender, receiver) = broadcast::channel(2);
        let mut events = DeliveryEvents::new(receiver);
        assert_eq!(events.try_next(), None);
        for number in 0..5 {
            sender.send(event(number)).unwrap();
        }
        assert_eq!((events.next().await, events.missed()), (Some(event(3)), 3));
        assert_eq!(events.try_next(), Some(event(4)));
        drop(sender);
        assert_eq!((events.next().await, events.missed()), (None, 3));
    }
}

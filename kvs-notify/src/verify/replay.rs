//! Messages that were there before.

use std::collections::{HashSet, VecDeque};
use std::time::{Duration, SystemTime};

use super::verifier::Verified;

/// Remembers which messages were there, so that a copy has no effect twice.
///
/// SNS itself repeats a message that it thinks lost, so a repetition is no attack by itself: answer it like the first one and do nothing.
/// Bounded by count (the oldest is forgotten first) and by age; choose the age not below the verifier's greatest age of a message,
/// then a copy is either remembered or too old. About 200 bytes a message.
///
/// Only what is verified can be remembered: nobody fills the window with messages that he made up.
#[derive(Clone, Debug)]
pub struct ReplayWindow {
    seen: HashSet<Box<str>>,
    /// Oldest first.
    order: VecDeque<(SystemTime, Box<str>)>,
    capacity: usize,
    max_age: Duration,
}

impl Default for ReplayWindow {
    /// 100,000 messages, two hours each.
    fn default() -> Self {
        Self::new(100_000, Duration::from_secs(2 * 60 * 60))
    }
}

impl ReplayWindow {
    /// Remembers so many messages, at least one, for so long.
    #[must_use]
    pub fn new(capacity: usize, max_age: Duration) -> Self {
        Self { seen: HashSet::new(), order: VecDeque::new(), capacity: capacity.max(1), max_age }
    }

    /// Remembers a message.
    ///
    /// # Errors
    /// It was there before.
    pub fn admit(&mut self, message: &Verified<'_>, now: SystemTime) -> Result<(), Replayed> {
        self.expire(now);
        let key = key(message);
        if self.seen.contains(&key) {
            return Err(Replayed);
        }
        if self.order.len() >= self.capacity {
            self.forget_oldest();
        }
        self.seen.insert(key.clone());
        self.order.push_back((now, key));
        Ok(())
    }

    /// Forgets a message that could not be worked on, so that its repetition is admitted.
    pub fn forget(&mut self, message: &Verified<'_>) {
        let key = key(message);
        if self.seen.remove(&key) {
            self.order.retain(|(_, kept)| *kept != key);
        }
    }

    fn expire(&mut self, now: SystemTime) {
        let max_age = self.max_age;
        let is_old = |at: SystemTime| now.duration_since(at).is_ok_and(|age| age > max_age);
        while self.order.front().is_some_and(|(at, _)| is_old(*at)) {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some((_, key)) = self.order.pop_front() {
            self.seen.remove(&key);
        }
    }
}

/// Ids are unique in a topic; verified ones have no line break.
fn key(verified: &Verified<'_>) -> Box<str> {
    let message = verified.message();
    format!("{}\n{}", message.topic_arn(), message.message_id()).into()
}

/// A message that was there before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, thiserror::Error)]
#[error("this message was there before")]
#[non_exhaustive]
pub struct Replayed;

//! Detection of duplicate messages.

use std::collections::{HashSet, VecDeque};
use std::time::{Duration, SystemTime};

use super::verifier::Verified;

/// A window of recent messages that detects duplicates.
///
/// SNS repeats messages that it considers lost, so a duplicate is not an attack by itself: respond as to the first one and do nothing
/// else. The window is limited by count (it drops the oldest message first) and by age. If its age is not below the verifier's
/// maximum age, every duplicate is either detected or too old. A message takes about 200 bytes.
///
/// Only verified messages can be added, so forged messages cannot fill the window.
#[derive(Clone, Debug)]
pub struct ReplayWindow {
    seen: HashSet<Box<str>>,
    /// Oldest first.
    order: VecDeque<(SystemTime, Box<str>)>,
    capacity: usize,
    max_age: Duration,
}

impl Default for ReplayWindow {
    /// Keeps 100,000 messages for two hours.
    fn default() -> Self {
        Self::new(100_000, Duration::from_secs(2 * 60 * 60))
    }
}

impl ReplayWindow {
    /// Creates a window of a number of messages, at least one, and an age.
    #[must_use]
    pub fn new(capacity: usize, max_age: Duration) -> Self {
        Self { seen: HashSet::new(), order: VecDeque::new(), capacity: capacity.max(1), max_age }
    }

    /// Adds a message.
    ///
    /// # Errors
    /// Returns an error if the message is a duplicate.
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

    /// Removes a message whose processing failed, so that its repetition is admitted.
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

/// Message ids are unique within a topic. Verified ones contain no line break.
fn key(verified: &Verified<'_>) -> Box<str> {
    let message = verified.message();
    format!("{}\n{}", message.topic_arn(), message.message_id()).into()
}

/// The message is a duplicate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, thiserror::Error)]
#[error("duplicate message")]
#[non_exhaustive]
pub struct Replayed;

//! A filter for one stream.

use crate::fragment::FragmentNotification;
use crate::image::{ImageObjectKey, KeyHints};
use crate::s3::ObjectEvent;

/// A filter for notifications and images of one stream, since streams often share topics and buckets.
///
/// ```
/// use kvs_notify::{ObjectEvent, OnlyStream};
///
/// let door = OnlyStream::new("door").account("111122223333");
/// let event = ObjectEvent::put("pictures", "111122223333_door_1690707290324_f20f9add-7e57-4399-a30f-fc7aefb1bab7.jpg", 22_693);
/// assert!(door.image(&event).is_some());
/// assert!(OnlyStream::new("gate").image(&event).is_none());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OnlyStream {
    stream: String,
    account: Option<String>,
}

impl OnlyStream {
    /// Creates a filter for the stream of this name, in any account.
    #[must_use]
    pub fn new(stream: impl Into<String>) -> Self {
        Self { stream: stream.into(), account: None }
    }

    /// Restricts the filter to an account id: 12 digits.
    #[must_use]
    pub fn account(mut self, account: impl Into<String>) -> Self {
        self.account = Some(account.into());
        self
    }

    /// Returns whether a notification belongs to the stream.
    #[must_use]
    pub fn admits(&self, notification: &FragmentNotification) -> bool {
        let arn = &notification.stream_arn;
        arn.stream_name() == self.stream && self.account.as_ref().is_none_or(|account| account == arn.account_id())
    }

    /// Returns the image key of an event if it belongs to the stream. The stream name resolves ambiguous keys.
    #[must_use]
    pub fn image(&self, event: &ObjectEvent) -> Option<ImageObjectKey> {
        let hints = KeyHints::new().stream(&self.stream);
        let hints = match &self.account {
            Some(account) => hints.account(account),
            None => hints,
        };
        event.image_key_with(&hints).ok()
    }
}

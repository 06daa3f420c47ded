//! What happened lately: error acks, results of delivery, and the producers that are connected now.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use kvs_types::__internal::epoch_millis;
use kvs_types::{Ack, FragmentNumber};
use serde_json::{Value, json};

use super::limits::{RECENT_EVENTS, SHOWN_CHARS};
use crate::deliver::DeliveryEvent;

/// The latest events of the service, in memory. Old ones make room for new ones.
#[derive(Debug, Default)]
pub(crate) struct Activity {
    error_acks: Mutex<VecDeque<Event>>,
    deliveries: Mutex<VecDeque<Event>>,
    producers: Mutex<BTreeMap<u64, Arc<Progress>>>,
    next: AtomicU64,
}

/// An event of a stream, or of all.
#[derive(Debug)]
struct Event {
    stream: Option<String>,
    shown: Value,
}

/// How much a producer has sent.
#[derive(Debug)]
struct Progress {
    stream: String,
    since: SystemTime,
    bytes: AtomicU64,
    fragments: AtomicU64,
}

/// A connected producer; it counts as one until this is dropped.
#[derive(Debug)]
pub(crate) struct ConnectedProducer {
    activity: Arc<Activity>,
    id: u64,
    progress: Arc<Progress>,
}

impl ConnectedProducer {
    pub(crate) fn received(&self, bytes: u64) {
        self.progress.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn stored(&self) {
        self.progress.fragments.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for ConnectedProducer {
    fn drop(&mut self) {
        lock(&self.activity.producers).remove(&self.id);
    }
}

impl Activity {
    pub(crate) fn producer(self: &Arc<Self>, stream: &str, since: SystemTime) -> ConnectedProducer {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let progress = Arc::new(Progress {
            stream: stream.to_owned(),
            since,
            bytes: AtomicU64::new(0),
            fragments: AtomicU64::new(0),
        });
        lock(&self.producers).insert(id, Arc::clone(&progress));
        ConnectedProducer { activity: Arc::clone(self), id, progress }
    }

    /// Remembers an ack if it reports an error.
    pub(crate) fn acked(&self, stream: &str, ack: &Ack, at: SystemTime) {
        let Some(error) = &ack.error else { return };
        let shown = json!({
            "at": epoch_millis(at),
            "stream": stream,
            "id": error.id.0,
            "code": error.code,
            "meaning": error.id.meaning(),
            "fragment": ack.fragment_number.as_ref().map(FragmentNumber::as_str),
            "timecode": ack.fragment_timecode,
        });
        push(&self.error_acks, Event { stream: Some(stream.to_owned()), shown });
    }

    /// Remembers the result of an image or a message.
    pub(crate) fn delivered(&self, event: &DeliveryEvent, at: SystemTime) {
        let Delivered { stream, kind, outcome, target, reason } = Delivered::of(event);
        let shown = json!({
            "at": epoch_millis(at),
            "stream": stream,
            "kind": kind,
            "outcome": outcome,
            "target": shortened(&target),
            "reason": reason.map(|reason| shortened(reason)),
        });
        push(&self.deliveries, Event { stream: stream.map(str::to_owned), shown });
    }

    /// Returns the latest error acks, of one stream or of all, the newest first.
    pub(super) fn error_acks(&self, stream: Option<&str>) -> Vec<Value> {
        latest(&self.error_acks, stream)
    }

    /// Returns the latest results of delivery, the newest first. Messages belong to a topic, not to a stream.
    pub(super) fn deliveries(&self, stream: Option<&str>) -> Vec<Value> {
        latest(&self.deliveries, stream)
    }

    /// Returns how many of the latest error acks each stream has.
    pub(super) fn error_counts(&self) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        for stream in lock(&self.error_acks).iter().filter_map(|event| event.stream.clone()) {
            *counts.entry(stream).or_default() += 1;
        }
        counts
    }

    /// Returns the producers that are connected to a stream.
    pub(super) fn producers(&self, stream: &str) -> Vec<Value> {
        let of_stream = |progress: &&Arc<Progress>| progress.stream == stream;
        let shown = |progress: &Arc<Progress>| {
            json!({
                "operation": "PutMedia",
                "since": epoch_millis(progress.since),
                "bytes": progress.bytes.load(Ordering::Relaxed),
                "fragments": progress.fragments.load(Ordering::Relaxed),
            })
        };
        lock(&self.producers).values().filter(of_stream).map(shown).collect()
    }
}

/// What the page shows of a delivery event.
struct Delivered<'a> {
    stream: Option<&'a str>,
    kind: &'static str,
    outcome: &'static str,
    target: String,
    reason: Option<&'a String>,
}

impl<'a> Delivered<'a> {
    fn of(event: &'a DeliveryEvent) -> Self {
        let image = |stream: &'a String, outcome, target, reason| Self {
            stream: Some(stream),
            kind: "image",
            outcome,
            target,
            reason,
        };
        let message = |outcome, target: String, reason| Self { stream: None, kind: "message", outcome, target, reason };
        match event {
            DeliveryEvent::ImageStored { stream, object, .. } => {
                image(stream, "stored", format!("{}/{}", object.bucket, object.key), None)
            }
            DeliveryEvent::ImageFailed { stream, fragment_number, reason, .. } => {
                image(stream, "failed", format!("fragment {fragment_number}"), Some(reason))
            }
            DeliveryEvent::MessagePublished { topic_arn, .. } => message("published", topic_arn.clone(), None),
            DeliveryEvent::PublishFailed { topic_arn, reason } => message("failed", topic_arn.clone(), Some(reason)),
            DeliveryEvent::SubscriptionConfirmed { topic_arn, url } => {
                message("subscription confirmed", posted(topic_arn, url), None)
            }
            DeliveryEvent::ConfirmationFailed { topic_arn, url, reason } => {
                message("confirmation failed", posted(topic_arn, url), Some(reason))
            }
            DeliveryEvent::MessageDelivered { topic_arn, url, .. } => {
                message("delivered", posted(topic_arn, url), None)
            }
            DeliveryEvent::MessageFailed { topic_arn, url, reason, .. } => {
                message("failed", posted(topic_arn, url), Some(reason))
            }
        }
    }
}

/// Names the subscriber by its host: the rest of its URL may contain secrets.
fn posted(topic_arn: &str, url: &str) -> String {
    let url: Option<http::Uri> = url.parse().ok();
    let host = url.as_ref().and_then(http::Uri::authority).map_or("", |authority| authority.host());
    format!("{topic_arn} to {host}")
}

fn push(events: &Mutex<VecDeque<Event>>, event: Event) {
    let mut events = lock(events);
    if events.len() >= RECENT_EVENTS {
        events.pop_front();
    }
    events.push_back(event);
}

fn latest(events: &Mutex<VecDeque<Event>>, stream: Option<&str>) -> Vec<Value> {
    let belongs = |event: &&Event| match (stream, &event.stream) {
        (Some(wanted), Some(stream)) => wanted == stream,
        _ => true,
    };
    lock(events).iter().rev().filter(belongs).map(|event| event.shown.clone()).collect()
}

fn shortened(text: &str) -> String {
    text.chars().take(SHOWN_CHARS).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    #[test]
    fn old_events_make_room_for_new_ones() {
        let activity = Activity::default();
        for number in 0..RECENT_EVENTS + 5 {
            let event = DeliveryEvent::PublishFailed { topic_arn: format!("topic {number}"), reason: "x".repeat(9000) };
            activity.delivered(&event, UNIX_EPOCH);
        }
        let latest = activity.deliveries(None);
        assert_eq!(latest.len(), RECENT_EVENTS);
        assert_eq!(latest[0]["target"], format!("topic {}", RECENT_EVENTS + 4));
        assert_eq!(latest[0]["reason"].as_str().unwrap().len(), SHOWN_CHARS);
    }

    #[test]
    fn secrets_in_urls_of_subscribers_are_not_shown() {
        let activity = Activity::default();
        let event = DeliveryEvent::MessageFailed {
            topic_arn: "topic".to_owned(),
            message_id: String::new(),
            url: "http://user:secret@hook.test:8080/path?token=secret".to_owned(),
            reason: "status 500".to_owned(),
        };
        activity.delivered(&event, UNIX_EPOCH);
        assert_eq!(activity.deliveries(Some("door"))[0]["target"], "topic to hook.test");
    }

    #[test]
    fn producers_are_listed_while_they_are_connected() {
        let activity = Arc::new(Activity::default());
        let producer = activity.producer("door", UNIX_EPOCH);
        producer.received(7);
        producer.stored();
        let listed = activity.producers("door");
        assert_eq!((&listed[0]["bytes"], &listed[0]["fragments"]), (&json!(7), &json!(1)));
        assert!(activity.producers("gate").is_empty());
        drop(producer);
        assert!(activity.producers("door").is_empty());
    }
}

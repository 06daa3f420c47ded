//! Records and shows what happens while it happens.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use kvs_notify::{Content, FragmentNotification};
use kvs_producer::{Ack, AckEventType, Event, Persisted, StopReport};

use crate::camera::Sent;
use crate::console::Console;
use crate::journal::{self, ImageObject, Journal, Notification, epoch_ms, millis};
use crate::options::Options;

/// The journal while it grows.
#[derive(Debug)]
pub(crate) struct Watch {
    journal: Mutex<Journal>,
    console: Console,
    started: Instant,
}

impl Watch {
    /// Starts now.
    pub(crate) fn new(journal: Journal, console: Console) -> Self {
        Self { journal: Mutex::new(journal), console, started: Instant::now() }
    }

    /// The console that lines are printed on.
    pub(crate) const fn console(&self) -> &Console {
        &self.console
    }

    /// Locks the journal.
    pub(crate) fn open(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the journal.
    pub(crate) fn journal(&self) -> Journal {
        std::mem::take(&mut self.open())
    }

    /// Records an event of the producer.
    pub(crate) fn event(&self, event: Event) {
        match event {
            Event::Ack { ack, .. } => self.ack(&ack),
            Event::Persisted(persisted) => self.persisted(&persisted),
            Event::Opened { session } => self.console.say(format!("connected: session {session}")),
            Event::Closed { session, reason } => self.console.say(format!("session {session} ended: {reason:?}")),
            Event::Retrying { wait, failure, .. } => {
                self.remark(format!("retrying in {} ms: {failure}", wait.as_millis()));
            }
            Event::Lost(loss) => {
                let (frames, name) = (loss.span.frames, loss.reason.name());
                self.remark(format!("lost {frames} frames from {} on: {name}", epoch_ms(loss.span.start)));
            }
            Event::Rejected { diagnosis, .. } => self.remark(format!("the service rejected media: {diagnosis}")),
            Event::RuleViolated { violation, .. } => {
                self.remark(format!("adapted to the rules of the service: {violation}"))
            }
            Event::Halted(reason) => self.remark(format!("sending stopped: {reason}")),
            Event::Ready { endpoint } => self.console.say(format!("data endpoint: {endpoint}")),
            _ => {}
        }
    }

    fn ack(&self, ack: &Ack) {
        let kind = match (&ack.event_type, &ack.error) {
            (AckEventType::Idle, _) => return,
            (_, Some(error)) => format!("ERROR {error}"),
            (AckEventType::Buffering, _) => "BUFFERING".to_owned(),
            (AckEventType::Received, _) => "RECEIVED".to_owned(),
            (AckEventType::Persisted, _) => "PERSISTED".to_owned(),
            (other, None) => format!("{other:?}"),
        };
        let Some(timecode) = ack.fragment_timecode else {
            return self.remark(format!("ack without a fragment: {kind}"));
        };
        let after_ms = self.after_ms();
        let number = ack.fragment_number.as_ref().map(ToString::to_string);
        if kind == "PERSISTED" {
            self.console.say(format!("fragment {timecode} PERSISTED as {}", number.as_deref().unwrap_or("?")));
        }
        let mut journal = self.open();
        let fragment = journal.fragment(timecode);
        fragment.number = number.or(fragment.number.take());
        fragment.acks.push(journal::Ack { kind, after_ms });
    }

    fn persisted(&self, persisted: &Persisted) {
        let span = &persisted.span;
        let mut journal = self.open();
        let fragment = journal.fragment(epoch_ms(span.start));
        fragment.persisted = true;
        fragment.frames = span.frames;
        fragment.bytes = span.bytes;
        fragment.span_ms = millis(span.end.duration_since(span.start).unwrap_or_default());
    }

    /// Records the end of streaming: what the producer reported, and which of its fragments have the tags.
    pub(crate) fn streamed(&self, options: &Options, sent: Sent, report: &StopReport) {
        if sent.empty > 0 {
            self.remark(format!("{} frames of the recording have no payload and were skipped", sent.empty));
        }
        let mut journal = self.open();
        journal.submitted_frames = report.totals.submitted.frames;
        journal.persisted_frames = report.totals.persisted.frames;
        journal.pictures = sent.pictures;
        for at in sent.tagged {
            // The producer decides where fragments begin; a tag is on the fragment of its key frame.
            let Some(timecode) = journal.fragment_at(at).map(|fragment| fragment.timecode) else {
                journal.lost_tags.push(at);
                continue;
            };
            let fragment = journal.fragment(timecode);
            fragment.image_tag = options.event.images();
            fragment.notification_tag = options.event.notifications();
        }
    }

    /// Records a message from SNS.
    pub(crate) fn content(&self, content: &Content) {
        match content {
            Content::Fragment(notification) => self.notification(notification),
            Content::Refused(error) => self.remark(format!("a notification could not be decoded: {error}")),
            _ => {}
        }
    }

    fn notification(&self, notification: &FragmentNotification) {
        let fragment_number = notification.fragment_number.to_string();
        self.console.say(format!("notification: fragment {fragment_number} {}", notification.kind));
        let record = Notification {
            fragment_number,
            producer_timestamp: epoch_ms(notification.producer_timestamp),
            kind: notification.kind.to_string(),
            payload: notification.payload.clone(),
            after_ms: self.after_ms(),
        };
        self.open().notifications.push(record);
    }

    /// Records the image objects in the bucket; shows the new ones.
    pub(crate) fn image_objects(&self, objects: Vec<ImageObject>) {
        let mut journal = self.open();
        for object in &objects {
            if !journal.image_objects.iter().any(|known| known.key == object.key) {
                self.console.say(format!("image: {}", object.key));
            }
        }
        journal.image_objects = objects;
    }

    /// Prints a line and keeps it for the report.
    pub(crate) fn remark(&self, line: String) {
        self.console.say(&line);
        self.open().remarks.push(line);
    }

    fn after_ms(&self) -> u64 {
        millis(self.started.elapsed())
    }
}

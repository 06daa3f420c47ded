//! Writes down and shows what happens while it happens.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use kvs_notify::{Content, FragmentNotification};
use kvs_producer::{Ack, AckKind, Event, Persisted, StopReport};

use crate::camera::Tagged;
use crate::console::Console;
use crate::journal::{self, Image, Journal, Notification, epoch_ms, millis};
use crate::options::Options;

/// The journal in the making.
#[derive(Debug)]
pub(crate) struct Watch {
    journal: Mutex<Journal>,
    console: Console,
    began: Instant,
}

impl Watch {
    /// Begins now.
    pub(crate) fn new(journal: Journal, console: Console) -> Self {
        Self { journal: Mutex::new(journal), console, began: Instant::now() }
    }

    /// Where lines go.
    pub(crate) const fn console(&self) -> &Console {
        &self.console
    }

    /// A part of the journal, or all of it, to look at or to change.
    pub(crate) fn open(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All of the journal, taken out.
    pub(crate) fn journal(&self) -> Journal {
        std::mem::take(&mut self.open())
    }

    /// Something happened in the producer.
    pub(crate) fn event(&self, event: Event) {
        match event {
            Event::Ack { ack, .. } => self.ack(&ack),
            Event::Persisted(persisted) => self.persisted(&persisted),
            Event::Opened { session } => self.console.say(format!("connected: session {session}")),
            Event::Closed { session, reason } => self.console.say(format!("session {session} ended: {reason:?}")),
            Event::Retrying { wait, failure, .. } => {
                self.remark(format!("trying again in {} ms: {failure}", wait.as_millis()));
            }
            Event::Lost(loss) => {
                let (frames, name) = (loss.span.frames, loss.reason.name());
                self.remark(format!("lost {frames} frames from {} on: {name}", epoch_ms(loss.span.start)));
            }
            Event::Rejected { diagnosis, .. } => self.remark(format!("the service refused media: {diagnosis}")),
            Event::RuleViolated { violation, .. } => {
                self.remark(format!("adapted to the service's rules: {violation}"))
            }
            Event::Halted(reason) => self.remark(format!("sending stopped: {reason}")),
            Event::Ready { endpoint } => self.console.say(format!("data endpoint: {endpoint}")),
            _ => {}
        }
    }

    fn ack(&self, ack: &Ack) {
        let kind = match (&ack.kind, &ack.error) {
            (AckKind::Idle, _) => return,
            (_, Some(error)) => format!("ERROR {error}"),
            (AckKind::Buffering, _) => "BUFFERING".to_owned(),
            (AckKind::Received, _) => "RECEIVED".to_owned(),
            (AckKind::Persisted, _) => "PERSISTED".to_owned(),
            (other, None) => format!("{other:?}"),
        };
        let Some(timecode) = ack.timecode else { return self.remark(format!("ack without a fragment: {kind}")) };
        let after_ms = self.after_ms();
        let number = ack.number.as_ref().map(ToString::to_string);
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
        fragment.frames = span.frames;
        fragment.bytes = span.bytes;
        fragment.span_ms = millis(span.end.duration_since(span.start).unwrap_or_default());
    }

    /// The producer has finished: what it says in the end, and which fragments were tagged.
    pub(crate) fn streamed(&self, options: &Options, tagged: &Tagged, report: &StopReport) {
        if !report.is_complete() {
            let (submitted, persisted) = (report.totals.submitted.frames, report.totals.persisted.frames);
            self.remark(format!("{persisted} of {submitted} frames were persisted"));
        }
        let mut journal = self.open();
        for &timecode in tagged {
            let fragment = journal.fragment(timecode);
            fragment.image_tag = options.event.images();
            fragment.notification_tag = options.event.notifications();
        }
    }

    /// A message arrived from SNS, and was verified where it came over the wire.
    pub(crate) fn content(&self, content: &Content) {
        match content {
            Content::Fragment(notification) => self.notification(notification),
            Content::Refused(error) => self.remark(format!("a notification that cannot be read: {error}")),
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

    /// All image objects that are there now; shows those that are new.
    pub(crate) fn images(&self, images: Vec<Image>) {
        let mut journal = self.open();
        for image in &images {
            if !journal.images.iter().any(|known| known.key == image.key) {
                self.console.say(format!("image: {}", image.key));
            }
        }
        journal.images = images;
    }

    /// Something worth a line in the report too.
    pub(crate) fn remark(&self, line: String) {
        self.console.say(&line);
        self.open().remarks.push(line);
    }

    fn after_ms(&self) -> u64 {
        millis(self.began.elapsed())
    }
}

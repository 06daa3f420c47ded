//! What the producer reports, as element messages on the bus, signals and errors.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use gst::prelude::*;
use kvs_producer::{Ack, AckEventType, CloseReason, Diagnosis, Event, HaltReason, Loss, Span};

use crate::CAT;
use crate::failure::sentence;
use crate::session::epoch_nanos;
use crate::settings::Settings;
use crate::sink::KvsProducerSink;

/// Why the last attempt to reach the service failed; nothing while the service is reached. Shared by the producers of a stream.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trouble(Arc<Mutex<Option<String>>>);

impl Trouble {
    fn set(&self, reason: Option<String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = reason;
    }

    pub(crate) fn reason(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Reports the events of one producer.
pub(crate) struct Reporter {
    stream: String,
    acks: bool,
    restart_on_error: bool,
    /// Why the connection is away, since it is.
    away: Mutex<Option<SystemTime>>,
    trouble: Trouble,
}

impl Reporter {
    pub(crate) fn new(settings: &Settings, trouble: Trouble) -> Self {
        Self {
            stream: settings.stream_name.clone(),
            acks: settings.fragment_acks,
            restart_on_error: settings.restart_on_error,
            away: Mutex::new(None),
            trouble,
        }
    }

    pub(crate) fn report(&self, sink: &KvsProducerSink, event: Event) {
        gst::debug!(CAT, obj = sink, "{event:?}");
        match event {
            Event::Ack { ack, .. } => self.ack(sink, &ack),
            Event::Lost(loss) => self.lost(sink, &loss),
            Event::Opened { .. } => self.opened(sink),
            Event::Closed { reason, .. } => self.closed(sink, &reason),
            Event::Retrying { attempt, wait, failure } => {
                let milliseconds = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
                let fields = self.message("kvs-retrying").field("attempt", attempt).field("wait-ms", milliseconds);
                self.left();
                self.trouble.set(Some(failure.to_string()));
                post(sink, fields.field("reason", failure.to_string()).build());
            }
            Event::Rejected { diagnosis, .. } => self.rejected(sink, &diagnosis),
            Event::Halted(reason) => {
                let text = match &reason {
                    HaltReason::StreamNotFound => "not found: create it, or set allow-create-stream=true".to_owned(),
                    reason => sentence(reason),
                };
                gst::element_error!(sink, gst::ResourceError::OpenWrite, ("stream {}: {text}", self.stream));
                sink.fail();
            }
            Event::KeyframeNeeded { .. } => sink.force_key_unit(),
            Event::Recovered { fragments, span } => {
                let fields = self.span("kvs-recovered", &span).field("fragments", fragments);
                post(sink, fields.build());
            }
            Event::SpoolProblem(problem) => {
                post(sink, self.message("kvs-spool-problem").field("reason", problem.to_string()).build());
            }
            Event::NoProgress(stuck) => {
                post(sink, self.message("kvs-no-progress").field("reason", stuck.to_string()).build());
            }
            _ => {}
        }
    }

    fn message(&self, name: &str) -> gst::structure::Builder {
        gst::Structure::builder(name).field("stream-name", &self.stream)
    }

    fn span(&self, name: &str, span: &Span) -> gst::structure::Builder {
        self.message(name)
            .field("start", epoch_nanos(span.start))
            .field("end", epoch_nanos(span.end))
            .field("frames", span.frames)
            .field("bytes", span.bytes)
    }

    fn lost(&self, sink: &KvsProducerSink, loss: &Loss) {
        post(sink, self.span("kvs-loss", &loss.span).field("reason", loss.reason.name()).build());
    }

    /// The fields are those of kvssink's `PFragmentAck`, and the stream.
    fn ack(&self, sink: &KvsProducerSink, ack: &Ack) {
        if !self.acks || ack.event_type == AckEventType::Idle {
            return;
        }
        let error = ack.error.as_ref().map_or(0, |error| u32::from(error.id.0));
        let number = ack.fragment_number.as_ref().map(ToString::to_string).unwrap_or_default();
        let fields = self
            .message("fragment-ack")
            .field("ack-type", ack.event_type.as_str())
            .field("timestamp", ack.fragment_timecode.unwrap_or_default())
            .field("sequence-number", number)
            .field("result", error);
        sink.emit_by_name::<()>("fragment-ack", &[&fields.build()]);
    }

    fn rejected(&self, sink: &KvsProducerSink, diagnosis: &Diagnosis) {
        let id = u32::from(diagnosis.error.id.0);
        let fields = self
            .message("kvs-error")
            .field("error-id", id)
            .field("cause", diagnosis.likely_cause)
            .field("advice", diagnosis.advice)
            .field("reason", diagnosis.to_string());
        post(sink, fields.build());
        sink.emit_by_name::<()>("stream-error", &[&u64::from(id)]);
        if !self.restart_on_error {
            gst::element_error!(sink, gst::ResourceError::Write, ("stream {}: {diagnosis}", self.stream));
            sink.fail();
        }
    }

    fn closed(&self, sink: &KvsProducerSink, reason: &CloseReason) {
        if matches!(reason, CloseReason::Complete | CloseReason::Superseded | CloseReason::Deadline) {
            return;
        }
        self.left();
        post(sink, self.message("kvs-disconnected").field("reason", reason.to_string()).build());
    }

    fn left(&self) {
        let mut away = self.away.lock().unwrap_or_else(PoisonError::into_inner);
        away.get_or_insert_with(SystemTime::now);
    }

    fn opened(&self, sink: &KvsProducerSink) {
        self.trouble.set(None);
        let away = self.away.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(since) = away {
            let gone = u64::try_from(since.elapsed().unwrap_or_default().as_millis()).unwrap_or(u64::MAX);
            post(sink, self.message("kvs-reconnected").field("away-ms", gone).build());
        }
    }
}

/// Posts an element message.
pub(crate) fn post(sink: &KvsProducerSink, fields: gst::Structure) {
    gst::info!(CAT, obj = sink, "{fields}");
    let _ = sink.post_message(gst::message::Element::builder(fields).src(sink).build());
}

//! What happens to the media of a producer.

use std::time::SystemTime;

use kvs_producer::{Event as CoreEvent, Span};
use pyo3::prelude::*;

/// Something that happened to a producer or its media. `kind` says what; fields that do not belong to the kind are `None`.
#[pyclass(frozen, get_all, module = "kvs")]
#[derive(Clone, Debug, Default)]
pub(crate) struct Event {
    /// What happened, such as `ack`, `persisted`, `lost`, `rejected`, `retrying`.
    kind: &'static str,
    /// The same as one sentence.
    message: String,
    /// The fragment number of the service.
    fragment_number: Option<String>,
    /// When the media starts.
    start: Option<SystemTime>,
    /// When the media ends.
    end: Option<SystemTime>,
    /// How many frames it has.
    frames: Option<u64>,
    /// How many bytes they have.
    bytes: Option<u64>,
    /// Why it was lost.
    reason: Option<String>,
    /// BUFFERING, RECEIVED, PERSISTED, ERROR or IDLE.
    ack_type: Option<String>,
    /// The number of the service's error, 4000 to 5001.
    error_id: Option<u16>,
    /// The service's word for the error.
    error_code: Option<String>,
}

#[pymethods]
impl Event {
    fn __repr__(&self) -> String {
        format!("<kvs.Event {}: {}>", self.kind, self.message)
    }
}

impl Event {
    fn of(kind: &'static str, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), ..Self::default() }
    }

    fn about(self, span: &Span) -> Self {
        let Span { start, end, frames, bytes, .. } = *span;
        Self { start: Some(start), end: Some(end), frames: Some(frames), bytes: Some(bytes), ..self }
    }

    pub(crate) fn new(event: &CoreEvent) -> Self {
        match event {
            CoreEvent::Ack { ack, .. } => Self::ack(ack),
            CoreEvent::Persisted(persisted) => {
                let message = format!("{} frames persisted", persisted.span.frames);
                let number = persisted.number.as_ref().map(ToString::to_string);
                Self { fragment_number: number, ..Self::of("persisted", message) }.about(&persisted.span)
            }
            CoreEvent::Lost(loss) => {
                let reason = loss.reason.name().to_owned();
                let message = format!("{} frames lost: {reason}", loss.span.frames);
                Self { reason: Some(reason), ..Self::of("lost", message) }.about(&loss.span)
            }
            CoreEvent::Spooled { span, .. } => {
                Self::of("spooled", format!("{} frames written to the spool", span.frames)).about(span)
            }
            CoreEvent::Recovered { span, .. } => {
                Self::of("recovered", format!("{} frames found in the spool", span.frames)).about(span)
            }
            CoreEvent::Rejected { diagnosis, .. } => Self {
                error_id: Some(diagnosis.error.id.0),
                error_code: Some(diagnosis.error.code.clone()),
                ..Self::of("rejected", diagnosis.to_string())
            },
            CoreEvent::Finished(_) => Self::of("finished", "the producer is finished"),
            other => Self::of_connection(other),
        }
    }

    fn ack(ack: &kvs_producer::Ack) -> Self {
        let kind = ack.event_type.as_str().to_owned();
        let number = ack.fragment_number.as_ref().map(ToString::to_string);
        let message = match &number {
            Some(number) => format!("{kind} fragment {number}"),
            None => kind.clone(),
        };
        Self {
            fragment_number: number,
            ack_type: Some(kind),
            error_id: ack.error.as_ref().map(|error| error.id.0),
            error_code: ack.error.as_ref().map(|error| error.code.clone()),
            ..Self::of("ack", message)
        }
    }

    fn of_connection(event: &CoreEvent) -> Self {
        match event {
            CoreEvent::Ready { endpoint } => Self::of("ready", format!("the data endpoint is {endpoint}")),
            CoreEvent::Opened { .. } => Self::of("opened", "a session is open"),
            CoreEvent::Closed { reason, .. } => Self::of("closed", reason.to_string()),
            CoreEvent::Retrying { attempt, wait, failure } => {
                let seconds = wait.as_secs_f64();
                Self::of("retrying", format!("attempt {attempt} failed, the next is in {seconds:.1} s: {failure}"))
            }
            CoreEvent::Halted(reason) => Self::of("halted", reason.to_string()),
            CoreEvent::SpoolProblem(problem) => Self::of("spool_problem", problem.to_string()),
            CoreEvent::KeyframeNeeded { elapsed, .. } => {
                Self::of("keyframe_needed", format!("no key frame for {:.1} s", elapsed.as_secs_f64()))
            }
            CoreEvent::RuleViolated { violation, .. } => Self::of("rule_violated", violation.to_string()),
            CoreEvent::TimeJump { .. } => Self::of("time_jump", format!("{event:?}")),
            CoreEvent::TagDeferred { name } => {
                Self::of("tag_deferred", format!("tag {name} goes on the next fragment"))
            }
            CoreEvent::TrackSilent { track } => Self::of("track_silent", format!("track {track} has no frames")),
            CoreEvent::TrackResumed { track } => Self::of("track_resumed", format!("track {track} has frames again")),
            CoreEvent::EventsDropped { count } => {
                Self::of("events_dropped", format!("{count} events were dropped: read events more often"))
            }
            CoreEvent::Idle => Self::of("idle", "nothing to send"),
            CoreEvent::NoProgress(_) => Self::of("no_progress", format!("{event:?}")),
            other => Self::of("other", format!("{other:?}")),
        }
    }
}

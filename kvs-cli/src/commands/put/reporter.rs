//! Reports what happens: lines and a progress bar for people, or one JSON object per line for programs.

use std::time::{Duration, Instant};

use kvs_producer::{AckEventType, Event, Stats, StopReport};
use kvs_types::__internal::Printable;
use kvs_types::__internal::epoch_millis;
use serde_json::{Value, json};

use super::progress::Progress;
use super::shortfall::Known;
use crate::bar::Bar;
use crate::output::{Output, print_json, print_line};
use crate::values::show_time;

/// Time between two updates of the progress bar.
const UPDATE_INTERVAL: Duration = Duration::from_millis(200);

/// Prints events and progress.
pub(crate) struct Reporter {
    form: Form,
    started: Instant,
    updated: Instant,
    length: Option<Duration>,
    progress: Progress,
    put: Duration,
}

enum Form {
    Json,
    Text { bar: Bar, quiet: bool },
}

impl Reporter {
    /// JSON lines, or text with a bar for media of this length or a spinner.
    pub(crate) fn new(output: Output, length: Option<Duration>) -> Self {
        let form = if output.is_json() {
            Form::Json
        } else {
            Form::Text { bar: Bar::of_media(output, length), quiet: output.is_quiet() }
        };
        let now = Instant::now();
        Self { form, started: now, updated: now, length, progress: Progress::default(), put: Duration::ZERO }
    }

    /// Reports an event of the producer.
    pub(crate) fn event(&mut self, event: &Event, stats: impl FnOnce() -> Stats) {
        match event {
            Event::Persisted(persisted) => self.progress.persisted(persisted),
            Event::Lost(loss) => self.progress.lost(loss),
            _ => {}
        }
        self.update(stats);
        match &self.form {
            Form::Json => {
                if let Some(object) = object_of(event) {
                    print_json(object);
                }
            }
            Form::Text { quiet: true, .. } => {}
            Form::Text { .. } => {
                if let Some(line) = line_of(event) {
                    self.line(&line);
                }
            }
        }
    }

    /// Updates the progress bar, if it is time.
    pub(crate) fn update(&mut self, stats: impl FnOnce() -> Stats) {
        let Form::Text { bar, .. } = &self.form else { return };
        if self.updated.elapsed() < UPDATE_INTERVAL {
            return;
        }
        self.updated = Instant::now();
        if bar.is_hidden() {
            return;
        }
        let (elapsed, position, stats) = (self.started.elapsed(), self.progress.position(), stats());
        let left = self.length.and_then(|length| self.progress.left(length, elapsed));
        let message = format!(
            "{:.1} s persisted, {:.2} Mbit/s, {}buffer {} kB / {:.1} s, ack p50 {} ms",
            position.as_secs_f64(),
            self.progress.rate(elapsed),
            left.map_or_else(String::new, |left| format!("{} s left, ", left.as_secs())),
            stats.buffered_bytes / 1000,
            stats.buffered_time.as_secs_f64(),
            stats.ack_latency.quantile(0.5).as_millis()
        );
        bar.set(position, message);
    }

    /// The source was put up to here.
    pub(crate) fn put(&mut self, position: Duration) {
        self.put = self.put.max(position);
    }

    /// What is known of the media that was put.
    pub(crate) const fn known(&self) -> Known {
        Known { first_lost: self.progress.first_lost(), put: self.put }
    }

    /// Reports the totals at the end, and how many frames came too late to be ordered.
    pub(crate) fn report(&self, report: &StopReport, late: u64) {
        let (totals, stats) = (&report.totals, &report.stats);
        match &self.form {
            Form::Json => print_json(json!({
                "event": "report", "complete": report.is_complete() && late == 0, "late_frames": late,
                "submitted_frames": totals.submitted.frames, "submitted_bytes": totals.submitted.bytes,
                "persisted_frames": totals.persisted.frames, "persisted_bytes": totals.persisted.bytes,
                "persisted_fragments": totals.persisted_fragments,
                "lost_frames": totals.lost.frames, "lost_bytes": totals.lost.bytes,
                "recovered_frames": totals.recovered.frames, "spooled_frames": totals.spooled.frames,
                "spooled_bytes": totals.spooled.bytes,
                "sessions": stats.sessions, "reconnects": stats.reconnects, "resent_bytes": stats.resent_bytes,
            })),
            Form::Text { bar, .. } => {
                bar.clear();
                self.line(&format!(
                    "{} of {} frames persisted in {} fragments, {} lost; {} sessions, {} reconnects, {} bytes sent again; ack \
                     latency p50 {} ms, max {} ms",
                    totals.persisted.frames,
                    // What an earlier run left in the spool is sent too.
                    totals.submitted.frames + totals.recovered.frames,
                    totals.persisted_fragments,
                    totals.lost.frames,
                    stats.sessions,
                    stats.reconnects,
                    stats.resent_bytes,
                    stats.ack_latency.quantile(0.5).as_millis(),
                    stats.ack_latency.max.as_millis()
                ));
            }
        }
    }

    fn line(&self, line: &str) {
        match &self.form {
            Form::Text { bar, .. } if !bar.is_hidden() => bar.println(Printable(line)),
            _ => print_line(line),
        }
    }
}

fn object_of(event: &Event) -> Option<Value> {
    Some(match event {
        Event::Opened { session } => json!({"event": "session", "state": "open", "session": session.to_string()}),
        Event::Closed { session, reason } => {
            json!({"event": "session", "state": "closed", "session": session.to_string(), "reason": reason.to_string()})
        }
        Event::Ack { session, ack } => json!({
            "event": "ack", "session": session.to_string(), "type": ack.event_type.as_str(), "timecode": ack.fragment_timecode,
            "number": ack.fragment_number.as_ref().map(ToString::to_string),
            "error_id": ack.error.as_ref().map(|error| error.id.0), "error_code": ack.error.as_ref().map(|error| &error.code),
        }),
        Event::Lost(loss) => json!({
            "event": "loss", "reason": loss.reason.name(), "frames": loss.span.frames, "bytes": loss.span.bytes,
            "from": epoch_millis(loss.span.start), "to": epoch_millis(loss.span.end),
        }),
        Event::Spooled { span, .. } => json!({
            "event": "spooled", "frames": span.frames, "bytes": span.bytes,
            "from": epoch_millis(span.start), "to": epoch_millis(span.end),
        }),
        Event::Recovered { fragments, span } => json!({
            "event": "recovered", "fragments": fragments, "frames": span.frames, "bytes": span.bytes,
            "from": epoch_millis(span.start), "to": epoch_millis(span.end),
        }),
        Event::SpoolProblem(problem) => json!({"event": "spool_problem", "reason": problem.to_string()}),
        Event::Retrying { wait, failure, attempt } => {
            json!({"event": "retry", "attempt": attempt, "wait_ms": millis(*wait), "reason": failure.to_string()})
        }
        Event::Halted(reason) => json!({"event": "halt", "reason": reason.to_string()}),
        Event::NoProgress(report) => json!({
            "event": "no_progress", "sessions": report.sessions, "fragment_bytes": report.span.bytes,
            "accepted_bytes": report.accepted_bytes, "reason": report.to_string(),
        }),
        Event::RuleViolated { violation, .. } => json!({"event": "warning", "reason": violation.to_string()}),
        Event::Rejected { diagnosis, .. } => json!({"event": "rejected", "reason": diagnosis.to_string()}),
        _ => return None,
    })
}

fn line_of(event: &Event) -> Option<String> {
    Some(match event {
        Event::Opened { session } => format!("session {session} open"),
        Event::Closed { session, reason } => format!("session {session} closed: {reason}"),
        Event::Ack { ack, .. } if ack.event_type == AckEventType::Persisted => {
            let number = ack.fragment_number.as_ref().map_or("?", |number| number.as_str());
            format!("fragment {} PERSISTED as {number}", ack.fragment_timecode.unwrap_or_default())
        }
        Event::Lost(loss) => {
            format!(
                "lost {} frames from {} on: {}",
                loss.span.frames,
                epoch_millis(loss.span.start),
                loss.reason.name()
            )
        }
        Event::Recovered { fragments, span } => format!(
            "an earlier run left {fragments} fragments with {} frames from {} to {} in the spool",
            span.frames,
            show_time(span.start),
            show_time(span.end)
        ),
        Event::SpoolProblem(problem) => format!("spool: {problem}"),
        Event::Retrying { wait, failure, .. } => format!("retrying in {} ms: {failure}", wait.as_millis()),
        Event::Halted(reason) => format!("sending stopped: {reason}"),
        Event::NoProgress(report) => format!("no progress: {report}"),
        Event::RuleViolated { violation, .. } => format!("adapted to the rules of the service: {violation}"),
        Event::Rejected { diagnosis, .. } => format!("the service rejected media: {diagnosis}"),
        _ => return None,
    })
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

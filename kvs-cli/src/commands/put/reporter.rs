//! How the program tells what happens: lines and a bar for people, or one JSON object a line for programs.

use std::io::Write;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use kvs_producer::{AckKind, Event, StopReport};
use serde_json::{Value, json};

/// How often the bar's figures are worked out anew.
const FIGURES_EVERY: Duration = Duration::from_millis(200);

/// The way to the user.
pub(crate) struct Reporter {
    form: Form,
    began: Instant,
    figured: Instant,
    frames: u64,
    bytes: u64,
}

enum Form {
    Json,
    Text(ProgressBar),
}

impl Reporter {
    /// JSON lines.
    pub(crate) fn json() -> Self {
        Self::new(Form::Json)
    }

    /// Text, with a bar of this length or a spinner.
    pub(crate) fn text(duration: Option<Duration>) -> Self {
        let bar = duration.map_or_else(ProgressBar::new_spinner, |duration| ProgressBar::new(millis(duration)));
        let template = if duration.is_some() { "{bar:30} {percent:>3}%  {msg}" } else { "{spinner} {msg}" };
        let style = ProgressStyle::with_template(template).expect("the template is well formed");
        bar.set_style(style);
        Self::new(Form::Text(bar))
    }

    fn new(form: Form) -> Self {
        let now = Instant::now();
        Self { form, began: now, figured: now, frames: 0, bytes: 0 }
    }

    /// Something happened in the producer.
    pub(crate) fn event(&self, event: &Event) {
        match &self.form {
            Form::Json => {
                if let Some(object) = object_of(event) {
                    print_line(&object.to_string());
                }
            }
            Form::Text(_) => {
                if let Some(line) = line_of(event) {
                    self.line(&line);
                }
            }
        }
    }

    /// A frame was taken; shows how it goes.
    pub(crate) fn sent(&mut self, position: Duration, bytes: usize, stats: impl Fn() -> kvs_producer::Stats) {
        self.frames += 1;
        self.bytes += bytes as u64;
        let Form::Text(bar) = &self.form else { return };
        if self.figured.elapsed() < FIGURES_EVERY {
            return;
        }
        self.figured = Instant::now();
        if bar.is_hidden() {
            return;
        }
        let (elapsed, stats) = (self.began.elapsed().as_secs_f64().max(0.001), stats());
        bar.set_position(millis(position));
        bar.set_message(format!(
            "{:.1} s, {:.0} fps, {:.2} Mbit/s, buffer {} kB / {:.1} s, ack p50 {} ms",
            position.as_secs_f64(),
            self.frames as f64 / elapsed,
            self.bytes as f64 * 8.0 / elapsed / 1e6,
            stats.buffered_bytes / 1000,
            stats.buffered_time.as_secs_f64(),
            stats.ack_latency.quantile(0.5).as_millis()
        ));
    }

    /// What became of everything.
    pub(crate) fn report(&self, report: &StopReport) {
        let (totals, stats) = (&report.totals, &report.stats);
        match &self.form {
            Form::Json => print_line(
                &json!({
                    "event": "report", "complete": report.is_complete(),
                    "submitted_frames": totals.submitted.frames, "submitted_bytes": totals.submitted.bytes,
                    "persisted_frames": totals.persisted.frames, "persisted_bytes": totals.persisted.bytes,
                    "persisted_fragments": totals.persisted_fragments,
                    "lost_frames": totals.lost.frames, "lost_bytes": totals.lost.bytes,
                    "sessions": stats.sessions, "reconnects": stats.reconnects, "resent_bytes": stats.resent_bytes,
                })
                .to_string(),
            ),
            Form::Text(bar) => {
                bar.finish_and_clear();
                self.line(&format!(
                    "{} of {} frames persisted in {} fragments, {} lost; {} sessions, {} reconnections, {} bytes sent again; ack \
                     latency p50 {} ms, max {} ms",
                    totals.persisted.frames,
                    totals.submitted.frames,
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
            Form::Text(bar) if !bar.is_hidden() => bar.println(line),
            _ => print_line(line),
        }
    }
}

/// A line at once, also into a pipe; a reader who has gone away is no error.
fn print_line(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

fn object_of(event: &Event) -> Option<Value> {
    Some(match event {
        Event::Opened { session } => json!({"event": "session", "state": "open", "session": session.to_string()}),
        Event::Closed { session, reason } => {
            json!({"event": "session", "state": "closed", "session": session.to_string(), "reason": format!("{reason:?}")})
        }
        Event::Ack { session, ack } => json!({
            "event": "ack", "session": session.to_string(), "type": name_of(&ack.kind), "timecode": ack.timecode,
            "number": ack.number.as_ref().map(ToString::to_string),
            "error_id": ack.error.as_ref().map(|error| error.id.0), "error_code": ack.error.as_ref().map(|error| &error.code),
        }),
        Event::Lost(loss) => json!({
            "event": "loss", "reason": loss.reason.name(), "frames": loss.span.frames, "bytes": loss.span.bytes,
            "from": millis(loss.span.start), "to": millis(loss.span.end),
        }),
        Event::Retrying { wait, failure, attempt } => {
            json!({"event": "retry", "attempt": attempt, "wait_ms": millis(*wait), "reason": failure.to_string()})
        }
        Event::Halted(reason) => json!({"event": "halt", "reason": reason.to_string()}),
        Event::RuleViolated { violation, .. } => json!({"event": "warning", "reason": violation.to_string()}),
        Event::Rejected { diagnosis, .. } => json!({"event": "rejected", "reason": diagnosis.to_string()}),
        _ => return None,
    })
}

fn line_of(event: &Event) -> Option<String> {
    Some(match event {
        Event::Opened { session } => format!("session {session} open"),
        Event::Closed { session, reason } => format!("session {session} closed: {reason:?}"),
        Event::Ack { ack, .. } if ack.kind == AckKind::Persisted => {
            let number = ack.number.as_ref().map_or("?", |number| number.as_str());
            format!("fragment {} PERSISTED as {number}", ack.timecode.unwrap_or_default())
        }
        Event::Lost(loss) => {
            format!("lost {} frames from {} on: {}", loss.span.frames, millis(loss.span.start), loss.reason.name())
        }
        Event::Retrying { wait, failure, .. } => format!("trying again in {} ms: {failure}", wait.as_millis()),
        Event::Halted(reason) => format!("sending stopped: {reason}"),
        Event::RuleViolated { violation, .. } => format!("adapted to the service's rules: {violation}"),
        Event::Rejected { diagnosis, .. } => format!("the service refused media: {diagnosis}"),
        _ => return None,
    })
}

fn name_of(kind: &AckKind) -> String {
    match kind {
        AckKind::Buffering => "BUFFERING".to_owned(),
        AckKind::Received => "RECEIVED".to_owned(),
        AckKind::Persisted => "PERSISTED".to_owned(),
        AckKind::Error => "ERROR".to_owned(),
        AckKind::Idle => "IDLE".to_owned(),
        AckKind::Other(other) => other.clone(),
        other => format!("{other:?}"),
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

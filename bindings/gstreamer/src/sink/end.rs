//! Producers: their start, their end, and the end of the stream.

use std::sync::Arc;
use std::time::{Duration, Instant};

use gst::subclass::prelude::*;
use kvs_producer::{StopReport, Track};

use super::imp::KvsProducerSink;
use crate::failure::sentence;
use crate::report::{Reporter, post};
use crate::runtime;
use crate::session::{self, Session, Source};
use crate::stream::{Ending, Put, Stream};

/// How much longer than `drain-timeout` a change of state may take: a spool writes what is left, and the last events are told.
const GRACE: Duration = Duration::from_secs(12);

impl KvsProducerSink {
    /// Starts a producer with these tracks and hands over what waits. The error is a sentence.
    pub(super) fn start_session(
        &self,
        stream: &mut Stream,
        tracks: Vec<Track>,
    ) -> Result<(Vec<Put>, Option<Arc<Session>>), String> {
        let source = match stream.source {
            // Nothing of a recording gives way.
            _ if stream.is_recording() => Source::Patient,
            source => source.unwrap_or(Source::Live),
        };
        let config = session::config(&stream.settings, tracks.clone(), source).map_err(|error| sentence(&error))?;
        let reporter = Reporter::new(&stream.settings, stream.trouble.clone());
        let sink = self.obj().downgrade();
        let report = move |event| {
            if let Some(sink) = sink.upgrade() {
                reporter.report(&sink, event);
            }
        };
        let session = Session::start(config, tracks, stream.client.clone(), &stream.handle, report);
        let session =
            session.map_err(|error| format!("stream {}: {}", stream.settings.stream_name, sentence(&error)))?;
        Ok(stream.send(Arc::new(session)))
    }

    /// Lets the present producer send what it has.
    pub(super) fn drain(&self, stream: &mut Stream) {
        if let Some(session) = stream.close() {
            self.drain_session(stream, session);
        }
    }

    pub(super) fn drain_session(&self, stream: &Stream, session: Arc<Session>) {
        let within = stream.drain_timeout();
        let sink = self.obj().downgrade();
        stream.handle.spawn(async move {
            let report = session.stop(within).await;
            if let Some(sink) = sink.upgrade() {
                sink.imp().drained(&session, &report);
            }
        });
    }

    /// A producer is done: the next one may start, or the stream ends.
    fn drained(&self, session: &Arc<Session>, report: &StopReport) {
        let (is_recording, trouble) = match &mut self.lock().stream {
            Some(stream) => {
                stream.closed(session, report);
                (stream.is_recording(), stream.trouble.reason())
            }
            // Told by the change of state that waits for it.
            None => return,
        };
        self.changed.notify_all();
        self.tell_if_incomplete(report, is_recording, trouble);
        self.advance();
        self.ended(None);
    }

    /// Says what is not persisted: a warning, and for a recording an error.
    fn tell_if_incomplete(&self, report: &StopReport, is_recording: bool, trouble: Option<String>) {
        if report.is_complete() || report.halted.is_some() {
            return;
        }
        let (submitted, lost) = (report.totals.submitted.frames, report.totals.lost.frames);
        let text = format!(
            "{} of {submitted} frames are not persisted: {lost} lost, {} left in the spool{}",
            submitted.saturating_sub(report.totals.persisted.frames),
            report.totals.held().frames,
            trouble.map(|reason| format!("; the last attempt failed: {reason}")).unwrap_or_default()
        );
        if is_recording {
            gst::element_imp_error!(self, gst::ResourceError::Write, ("{text}"));
        } else {
            gst::element_imp_warning!(self, gst::ResourceError::Write, ("{text}"));
        }
    }

    /// Ends the stream when all pads have ended: what is buffered is sent, then the end is posted.
    pub(super) fn ended(&self, seqnum: Option<gst::Seqnum>) {
        let mut state = self.lock();
        if state.pads.is_empty() || !state.pads.values().all(|pad| pad.has_ended) {
            return;
        }
        let Some(stream) = &mut state.stream else { return };
        if stream.ending == Ending::Open {
            stream.ending = Ending::Draining(seqnum.unwrap_or_else(gst::Seqnum::next));
        }
        let Ending::Draining(seqnum) = stream.ending else { return };
        drop(state);
        // What waits for caps goes with the tracks that there are.
        self.advance();
        let mut state = self.lock();
        let Some(stream) = &mut state.stream else { return };
        self.drain(stream);
        if stream.is_empty() && stream.ending == Ending::Draining(seqnum) {
            stream.ending = Ending::Drained(seqnum);
            drop(state);
            self.tell_end();
        }
    }

    /// PAUSED to READY: waits for the acknowledgements, at most `drain-timeout` and a little more.
    pub(super) fn close(&self) {
        let Some(mut stream) = self.take_stream() else { return };
        let (sessions, rest) = stream.end();
        for put in rest {
            if let Put::Refused(frame, refusal) = put {
                self.lost(&frame, &refusal);
            }
        }
        let within = stream.drain_timeout();
        let started = Instant::now();
        for session in sessions {
            let rest = within.saturating_sub(started.elapsed());
            if let Some(report) = runtime::wait(&stream.handle, rest + GRACE, async move { session.stop(rest).await }) {
                stream.done.add(&report.stats);
                self.tell_if_incomplete(&report, stream.is_recording(), stream.trouble.reason());
            }
        }
        post(&self.obj(), stream.stats());
    }

    fn take_stream(&self) -> Option<Stream> {
        let mut state = self.lock();
        state.is_playing = false;
        state.stream.take()
    }
}

//! Outputs of the producer: transmits and events.

use std::time::Duration;

use kvs_producer::{Event, FailureKind, Transmit};

use super::super::loss_checker::SLACK;
use super::{SimEvent, World};

impl World {
    /// Polls all transmits and events.
    pub(super) fn drain(&mut self) {
        while let Some(transmit) = self.producer.poll_transmit(self.now) {
            self.transmit(transmit);
        }
        self.handle_events();
        if self.loss_checker.waits_for_resumption() && self.has_nothing_to_send() {
            self.loss_checker.must_resume(None);
        }
    }

    fn has_nothing_to_send(&self) -> bool {
        self.producer.stats().buffered_fragments == 0 || self.loss_checker.holds_nothing()
    }

    /// Checks the memory of the producer, by its own statistics and by the payloads it has not dropped.
    pub(super) fn measure(&mut self) {
        let stats = self.producer.stats();
        let checked = self.loss_checker.check_memory();
        self.record(checked);
        if stats.buffered_bytes > self.scenario.buffer_bytes + SLACK {
            let (has, may) = (stats.buffered_bytes, self.scenario.buffer_bytes);
            self.violation.get_or_insert_with(|| format!("{has} bytes buffered, {may} allowed"));
        }
    }

    pub(super) fn handle_events(&mut self) {
        while let Some(event) = self.producer.poll_event() {
            self.handle_event(event);
        }
    }

    fn handle_event(&mut self, event: Event) {
        if self.verbose {
            println!("{:9.3} {event:?}", self.now.saturating_duration_since(self.start).as_secs_f64());
        }
        let checked = self.progress.event(&event);
        self.record(checked);
        match event {
            Event::Persisted(persisted) => self.persisted.push(persisted),
            Event::Lost(loss) => {
                let checked = self.loss_checker.lost(&loss);
                self.record(checked);
                self.lost.push(loss);
            }
            Event::Opened { .. } => {
                self.retrying = false;
                self.loss_checker.must_resume(None);
            }
            Event::TimeJump { .. } | Event::TrackSilent { .. } => self.loss_checker.group_broken(),
            Event::TagDeferred { name } => {
                self.moved_tags.insert(name);
            }
            Event::Halted(_) => {
                self.retrying = false;
                self.loss_checker.must_resume(None);
                if self.calm {
                    self.resume();
                } else {
                    self.after(Duration::from_secs(7), SimEvent::Resume);
                }
            }
            Event::Retrying { wait, failure, .. } => {
                // After an error ack the fragment may be lost, with nothing else to send.
                self.retrying = failure.kind != FailureKind::Service;
                if wait > self.scenario.backoff_cap {
                    self.record(Err(format!("a wait of {wait:?} is above the cap")));
                }
                // Known only after an attempt: the endpoint changed, or the credentials expired.
                if !matches!(failure.kind, FailureKind::TimedOut) {
                    self.loss_checker.must_resume(None);
                    self.network_is_back();
                }
            }
            Event::EventsDropped { count } => {
                self.violation.get_or_insert_with(|| format!("{count} events missed although all are polled"));
            }
            _ => {}
        }
    }

    pub(super) fn transmit(&mut self, transmit: Transmit) {
        match transmit {
            Transmit::Control { id, request: call } => {
                self.retrying = false;
                self.on_call(id, &call);
            }
            Transmit::Open { session, request } => {
                self.retrying = false;
                self.on_open(session, &request);
            }
            Transmit::Body { session, chunks } => {
                self.progress.handed(session, chunks.len());
                self.on_send(session, chunks.into_bytes());
            }
            Transmit::End { session } => {
                let passage = self.carry(session, 5);
                if let Some(there) = passage {
                    self.at(there, SimEvent::BodyEnd(session));
                }
            }
            Transmit::Abort { session } => self.leave(session),
            other => self.violation = Some(format!("unknown {other:?}")),
        }
    }
}

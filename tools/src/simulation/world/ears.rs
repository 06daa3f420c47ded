//! What the producer wants and tells.

use std::time::Duration;

use kvs_producer::{Event, FailureKind, Transmit};

use super::super::judge::SLACK;
use super::{Happening, World};

impl World {
    /// Does what the producer wants and hears what it tells.
    pub(super) fn drain(&mut self) {
        while let Some(transmit) = self.producer.poll_transmit(self.now) {
            self.transmit(transmit);
        }
        self.hear_all();
        if self.judge.waits_for_resumption() && self.has_nothing_to_send() {
            self.judge.must_resume(None);
        }
    }

    fn has_nothing_to_send(&self) -> bool {
        self.producer.stats().buffered_fragments == 0 || self.judge.holds_nothing()
    }

    /// Whether the producer holds more than it may, by its own word and by what it lets go of.
    pub(super) fn measure(&mut self) {
        let stats = self.producer.stats();
        let judged = self.judge.check_memory();
        self.blame(judged);
        if stats.buffered_bytes > self.scenario.buffer_bytes + SLACK {
            let (has, may) = (stats.buffered_bytes, self.scenario.buffer_bytes);
            self.trouble.get_or_insert_with(|| format!("{has} bytes buffered, {may} allowed"));
        }
    }

    pub(super) fn hear_all(&mut self) {
        while let Some(event) = self.producer.poll_event() {
            self.hear(event);
        }
    }

    fn hear(&mut self, event: Event) {
        if self.loud {
            println!("{:9.3} {event:?}", self.now.saturating_duration_since(self.start).as_secs_f64());
        }
        match event {
            Event::Persisted(persisted) => self.persisted.push(persisted),
            Event::Lost(loss) => {
                let judged = self.judge.lost(&loss);
                self.blame(judged);
                self.lost.push(loss);
            }
            Event::Opened { .. } => {
                self.retrying = false;
                self.judge.must_resume(None);
            }
            Event::TimeJump { .. } | Event::TrackSilent { .. } => self.judge.group_broken(),
            Event::TagDeferred { name } => {
                self.moved_tags.insert(name);
            }
            Event::Halted(_) => {
                self.retrying = false;
                self.judge.must_resume(None);
                if self.calm {
                    self.resume();
                } else {
                    self.after(Duration::from_secs(7), Happening::Resume);
                }
            }
            Event::Retrying { wait, failure, .. } => {
                // After an error ack the fragment at hand may be gone, and nothing else there to send.
                self.retrying = failure.kind != FailureKind::Service;
                if wait > self.scenario.backoff_cap {
                    self.blame(Err(format!("a wait of {wait:?} is above the cap")));
                }
                // What is found out only by trying: the endpoint is another one, the credentials ended.
                if !matches!(failure.kind, FailureKind::TimedOut) {
                    self.judge.must_resume(None);
                    self.network_is_back();
                }
            }
            Event::EventsDropped { count } => {
                self.trouble.get_or_insert_with(|| format!("{count} events missed although all are polled"));
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
            Transmit::Body { session, chunks } => self.on_send(session, chunks.into_bytes()),
            Transmit::End { session } => {
                let passage = self.carry(session, 5);
                if let Some(there) = passage {
                    self.at(there, Happening::BodyEnd(session));
                }
            }
            Transmit::Abort { session } => self.leave(session),
            other => self.trouble = Some(format!("unknown {other:?}")),
        }
    }
}

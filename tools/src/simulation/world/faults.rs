//! Start and end of each fault.

use std::time::Duration;

use kvs_mkv::TrackNumber;
use kvs_producer::CloseReason;
use kvs_types::ErrorId;

use super::super::scenario::Fault;
use super::super::service::{around, wall};
use super::{SimEvent, World};

impl World {
    /// Breaks the connection; the producer is notified unless it is half open.
    pub(super) fn cut(&mut self, notify: bool) {
        let Some(session) = self.line.as_ref().map(|line| line.service.session) else { return };
        self.leave(session);
        if notify {
            let wait = around(self.scenario.latency, &mut self.rng);
            self.after(wait, SimEvent::Failed(session, CloseReason::Broken("reset by peer".to_owned())));
        }
    }

    pub(super) fn begin(&mut self, fault: Fault, lasts: Duration) {
        if self.calm {
            return;
        }
        *self.faults.entry(fault).or_default() += 1;
        if self.verbose {
            println!("{:9.3} {fault:?} for {lasts:?}", self.now.saturating_duration_since(self.start).as_secs_f64());
        }
        self.loss_checker.fault(fault);
        self.loss_checker.must_resume(None);
        let until = Some(self.now + lasts);
        match fault {
            Fault::Outage => {
                self.link_faults.refused_until = until;
                self.cut(true);
            }
            Fault::BlackHole if self.rng.bool() => self.link_faults.swallowed_until = until,
            // The network recovers before TCP times out: everything arrives late.
            Fault::BlackHole => {
                let until = self.now + lasts;
                if let Some(line) = &mut self.line {
                    line.up.stall(until);
                    line.acks_until = line.acks_until.max(until);
                }
            }
            Fault::CutInside => self.cut(true),
            Fault::HalfOpen => self.cut(false),
            Fault::SlowLine => self.link_faults.slow_until = until,
            Fault::ErrorAck => self.error_ack(),
            Fault::StoreError => {}
            Fault::AcksLost => self.link_faults.acks_lost_until = until,
            Fault::AcksDoubled => self.link_faults.acks_doubled_until = until,
            Fault::AcksLate => self.link_faults.acks_late_until = until,
            Fault::Refusals => self.link_faults.refusals_until = until,
            Fault::NoCredentials => self.link_faults.no_credentials_until = until,
            Fault::EndpointMoved => {
                self.service.endpoint += 1;
                self.cut(true);
            }
            Fault::SourcePause | Fault::Burst => self.paused_source = true,
            Fault::TrackStall => {
                self.source.stalled = Some(if self.rng.bool() { TrackNumber::TWO } else { TrackNumber::THREE });
            }
            Fault::Dns => self.link_faults.no_names_until = until,
            Fault::Tls => self.link_faults.no_handshakes_until = until,
            Fault::NewSets => self.source.change_sets(),
            Fault::ClockJump => self.source.offset += self.rng.i64(-100_000..100_000),
            Fault::LongGroup => self.source.long_groups = true,
            Fault::Pause => {
                self.loss_checker.paused = true;
                self.producer.pause(self.now);
            }
        }
        self.after(lasts, SimEvent::FaultEnds(fault));
    }

    fn error_ack(&mut self) {
        let id = ErrorId::ALL[self.rng.usize(..ErrorId::ALL.len())];
        let now = wall(self.start, self.now);
        if let Some(line) = &mut self.line {
            line.service.ingest.handle_error(id, now);
        }
        self.poll_service();
    }

    pub(super) fn end(&mut self, fault: Fault) {
        match fault {
            Fault::SourcePause => self.paused_source = false,
            Fault::Burst if self.calm => self.paused_source = false,
            Fault::Burst => {
                self.paused_source = false;
                // The delayed frames come all at once, with their original times.
                for _ in 0..20 {
                    self.source.offset += i64::try_from(self.scenario.frame_ms).unwrap_or(0);
                    self.put_step();
                }
            }
            Fault::TrackStall => self.source.stalled = None,
            Fault::LongGroup => self.source.long_groups = false,
            Fault::Pause => self.resume(),
            _ => {}
        }
        self.loss_checker.fault_ended(fault);
        self.network_is_back();
    }
}

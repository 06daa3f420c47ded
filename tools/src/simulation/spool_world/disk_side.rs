//! The thread that executes the requests to the spool.

use std::time::Duration;

use kvs_producer::SpoolRequest;

use super::super::service::around;
use super::super::spool_scenario::SpoolFault;
use super::{RunStep, SpoolWorld};

impl SpoolWorld {
    pub(super) fn on_request(&mut self, request: SpoolRequest) {
        self.requests.push_back(request);
        if self.requests.len() == 1 {
            self.execute_soon();
        }
    }

    fn execute_soon(&mut self) {
        let time = if self.is_slow { SLOW } else { self.scenario.disk_time };
        let at = self.now + around(time, &mut self.rng);
        self.in_run(at, RunStep::Disk);
    }

    /// Executes the oldest request.
    pub(super) fn execute(&mut self) {
        let Some(request) = self.requests.pop_front() else { return };
        for response in self.spool.handle(request) {
            self.producer.handle_spool(response, self.now);
        }
        if !self.requests.is_empty() {
            self.execute_soon();
        }
    }

    pub(super) fn spoil(&mut self, fault: SpoolFault) {
        match fault {
            SpoolFault::DiskFull => self.disk.set_capacity(Some(self.disk.bytes() + self.rng.u64(..200_000))),
            SpoolFault::ReadOnly => self.disk.set_read_only(true),
            SpoolFault::NoSync => self.disk.set_fails_to_sync(true),
            _ => self.is_slow = true,
        }
    }
}

/// Time of a request on a slow disk, around which it varies: longer than the producer waits.
const SLOW: Duration = Duration::from_secs(8);

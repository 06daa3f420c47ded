//! What the gateway says about itself on loopback: metrics for Prometheus, health for people and programs.

pub(super) mod health;
pub(super) mod metrics;
pub(super) mod server;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use super::camera::{Board, Snapshot};

/// What is served: the cameras and the state of the configuration.
#[derive(Debug)]
pub(super) struct Overview {
    started: SystemTime,
    memory: usize,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    boards: Vec<Arc<Board>>,
    reloads: Reloads,
}

/// How reloads of the configuration ended.
#[derive(Clone, Debug, Default)]
pub(super) struct Reloads {
    pub(super) done: u64,
    pub(super) refused: u64,
    /// Why the last one was refused, if it was.
    pub(super) refusal: Option<String>,
}

/// The gateway at one moment.
#[derive(Debug)]
pub(super) struct Status {
    started: SystemTime,
    memory: usize,
    reloads: Reloads,
    cameras: Vec<Snapshot>,
}

impl Overview {
    pub(super) fn new(memory: usize) -> Self {
        Self { started: SystemTime::now(), memory, known: Mutex::default() }
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces the cameras.
    pub(super) fn show(&self, boards: Vec<Arc<Board>>) {
        self.known().boards = boards;
    }

    pub(super) fn reloaded(&self) {
        let reloads = &mut self.known().reloads;
        reloads.done += 1;
        reloads.refusal = None;
    }

    pub(super) fn reload_refused(&self, refusal: String) {
        let reloads = &mut self.known().reloads;
        reloads.refused += 1;
        reloads.refusal = Some(refusal);
    }

    pub(super) fn status(&self) -> Status {
        let (boards, reloads) = {
            let known = self.known();
            (known.boards.clone(), known.reloads.clone())
        };
        let cameras = boards.iter().map(|board| board.snapshot()).collect();
        Status { started: self.started, memory: self.memory, reloads, cameras }
    }
}

//! The producer core and the service's ingest core, connected by a faulty network, under one virtual clock.

mod drain;
mod event_queue;
mod final_check;
mod loss_checker;
mod network;
mod payload_tracker;
mod progress_checker;
mod scenario;
mod service;
mod source;
mod spool_judge;
mod spool_scenario;
mod spool_world;
mod world;

/// The disk of the spool's unit tests, which has to be as cruel here.
#[path = "../../../kvs-producer/src/spool/sim.rs"]
#[expect(dead_code, reason = "the unit tests use more of it")]
mod sim_disk;

/// What the file above expects beside it.
mod disk {
    pub(super) use kvs_producer::__internal::{Durability, SpoolDisk};
}

pub use drain::drain;
pub use scenario::{FAULTS, Fault};
pub use spool_scenario::SPOOL_FAULTS;
pub use spool_scenario::SpoolFault;
pub use spool_world::{SpoolOutcome, run as run_with_spool};
pub use world::{Verbosity, run};

//! The producer core and the service's ingest core, connected by a faulty network, under one virtual clock.

mod event_queue;
mod final_check;
mod loss_checker;
mod network;
mod payload_tracker;
mod progress_checker;
mod scenario;
mod service;
mod source;
mod world;

pub use scenario::{FAULTS, Fault};
pub use world::{Verbosity, run};

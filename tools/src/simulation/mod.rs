//! The producer's core and the service's ingest core, joined by a network that misbehaves, under one virtual clock.

mod agenda;
mod checker;
mod judge;
mod ledger;
mod network;
mod scenario;
mod service;
mod source;
mod world;

pub use scenario::{FAULTS, Fault};
pub use world::{Voice, run};

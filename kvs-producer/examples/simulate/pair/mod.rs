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

pub(crate) use scenario::{FAULTS, Fault};
pub(crate) use world::{Voice, run};

//! Unpublished tools that test and measure the family: the producer under simulated and real network faults, load on the local
//! service, and the figures of its documentation. `src/bin` has one program for each.

pub mod chaos;
pub mod flaky;
pub mod program;
pub mod simulation;

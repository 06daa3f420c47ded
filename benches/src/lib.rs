//! Shared by the benchmarks of several crates.

pub mod container;
pub mod cpu_time;

//! What the benchmarks of several crates share.

pub mod container;
pub mod cpu_time;

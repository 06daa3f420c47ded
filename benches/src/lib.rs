//! Shared by the benchmarks of several crates, and by the program `table`.

pub mod caches;
pub mod container;
pub mod peers;

//! Shared by the example programs.

pub mod chaos;
pub mod cli;

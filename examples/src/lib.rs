//! Shared by the example programs.

pub mod cli;

//! Shared by the example programs.

pub mod sns_endpoint;

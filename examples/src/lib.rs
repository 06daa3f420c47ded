//! Shared by the example programs.

pub mod cli;
pub mod media;
pub mod sns_endpoint;
pub mod timelapse;

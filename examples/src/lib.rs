//! Shared by the example programs.

pub mod sns_endpoint;
pub mod timelapse;

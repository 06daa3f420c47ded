//! Shared by the example programs.

pub mod chaos;
pub mod cli;
pub mod configuration;
pub mod cuts;
pub mod media;
pub mod sns_endpoint;
pub mod timelapse;

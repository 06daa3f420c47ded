//! Connects the intake to a camera, by the RTSP library and tokio.

mod camera;
mod failure;
mod queue;
mod session;
mod stale;
mod supervisor;
mod tracks;

pub use camera::Camera;

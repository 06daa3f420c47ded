//! From what a camera sees to a message: the last step of the journey.
//!
//! ```text
//! image in a folder ----------------------------+
//! notification or image event --> GetImages ----+--> CameraImage --> Detector --> Rule --> Alert --> stdout, webhook
//! ```
//!
//! A [`Detector`] looks at JPEG images. [`FaceDetector`] works on this machine; `examples/rekognition` has one that asks Amazon
//! Rekognition. [`Watch`] joins a detector with the [`Rule`] that decides when somebody is told.

mod alert;
mod detector;
mod face;
mod folder;
mod gray;
mod message;
mod program;
mod rule;
mod sns;
mod watch;
mod webhook;

pub use alert::Alert;
pub use detector::{CameraImage, Detection, Detector};
pub use face::FaceDetector;
pub use folder::Folder;
pub use program::run;
pub use rule::Rule;
pub use watch::Watch;

/// An error of any kind: this is a program, not a library for others.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// An error with its causes: the errors of the crates do not repeat them.
fn with_causes(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

//! What somebody is told.

use serde_json::{Value, json};

use crate::detector::{CameraImage, Detection};

/// An alert.
#[derive(Clone, Debug)]
pub struct Alert {
    image: CameraImage,
    detection: Detection,
}

impl Alert {
    /// Creates an alert.
    #[must_use]
    pub const fn new(image: CameraImage, detection: Detection) -> Self {
        Self { image, detection }
    }

    /// Returns the JSON object that is printed and posted.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let CameraImage { stream, at, place, .. } = &self.image;
        let at = jiff::Timestamp::try_from(*at).map(|at| format!("{at:.3}")).unwrap_or_default();
        json!({
            "type": "alert", "stream": stream, "at": at, "label": self.detection.label,
            // Two decimals: more would promise what no detector can keep.
            "score": (self.detection.score * 100.0).round() / 100.0, "image": place,
        })
    }
}

//! A detector with a rule.

use crate::BoxError;
use crate::alert::Alert;
use crate::detector::{CameraImage, Detector};
use crate::rule::Rule;

/// Looks at images one after the other.
#[derive(Debug)]
pub struct Watch<D> {
    detector: D,
    rule: Rule,
}

impl<D: Detector> Watch<D> {
    /// Creates a watch.
    pub const fn new(detector: D, rule: Rule) -> Self {
        Self { detector, rule }
    }

    /// Looks at an image, and returns an alert if the rule says so.
    ///
    /// # Errors
    /// Returns an error if the detector does. The rule does not count the image then.
    pub async fn look(&mut self, image: CameraImage) -> Result<Option<Alert>, BoxError> {
        let best = self.detector.detect(&image).await?.into_iter().max_by(|a, b| a.score.total_cmp(&b.score));
        let tell = self.rule.take(&image.stream, image.at, best.is_some());
        Ok(best.filter(|_| tell).map(|detection| Alert::new(image, detection)))
    }
}

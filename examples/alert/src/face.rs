//! Frontal faces, found on this machine.
//!
//! The model is SeetaFace's `seeta_fd_frontal_v1.0`, from the crate `rustface`, BSD-2-Clause (`model/LICENSE-SEETAFACE`). It finds faces
//! that look at the camera; not profiles, not people from behind, not faces below [`SMALLEST_FACE`]. It says that there is a face, not
//! whose. Test it with images of your own camera before you rely on it.

use rustface::ImageData;

use crate::BoxError;
use crate::detector::{CameraImage, Detection, Detector};
use crate::gray::gray;

const MODEL: &[u8] = include_bytes!("../model/seeta_fd_frontal_v1.0.bin");
/// The smallest face that is looked for, in pixels of the reduced image. Half of it takes four times as long.
const SMALLEST_FACE: u32 = 40;
/// The lowest score that counts. Faces that look at the camera have 4 and more; textures below 2 are common.
const LOWEST_SCORE: f64 = 3.0;

/// Finds frontal faces.
#[expect(missing_debug_implementations, reason = "the detector inside has none")]
pub struct FaceDetector(Box<dyn rustface::Detector>);

impl FaceDetector {
    /// Reads the model that is compiled in.
    ///
    /// # Errors
    /// Returns an error if the model is damaged.
    pub fn new() -> Result<Self, BoxError> {
        let mut detector = rustface::create_detector_with_model(rustface::read_model(MODEL)?);
        detector.set_min_face_size(SMALLEST_FACE);
        detector.set_score_thresh(LOWEST_SCORE);
        detector.set_pyramid_scale_factor(0.8);
        detector.set_slide_window_step(4, 4);
        Ok(Self(detector))
    }
}

impl Detector for FaceDetector {
    async fn detect(&mut self, image: &CameraImage) -> Result<Vec<Detection>, BoxError> {
        let gray = gray(&image.jpeg)?;
        let faces = self.0.detect(&ImageData::new(&gray.pixels, gray.width, gray.height));
        Ok(faces.iter().map(|face| Detection::new("face", face.score())).collect())
    }
}

//! Amazon Rekognition as the detector of `kvs-alert`.

use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_rekognition::Client;
use aws_sdk_rekognition::error::DisplayErrorContext;
use aws_sdk_rekognition::primitives::Blob;
use aws_sdk_rekognition::types::Image;
use aws_smithy_http_client::{Builder, tls};
use kvs_alert::{BoxError, CameraImage, Detection, Detector};

/// The lowest confidence that counts, in percent.
const LOWEST_CONFIDENCE: f32 = 75.0;
/// The most labels of an image that are asked for.
const MAX_LABELS: i32 = 20;
/// The largest image that may come with the request: 5 MB, read as the smaller of the two usual meanings.
pub const MAX_BYTES: usize = 5_000_000;

/// Asks DetectLabels about each image.
#[derive(Debug)]
pub struct Rekognition {
    client: Client,
    label: String,
}

impl Rekognition {
    /// Looks for a label, such as `Person`, spelled as Rekognition spells it.
    #[must_use]
    pub fn new(config: &SdkConfig, label: impl Into<String>) -> Self {
        Self { client: Client::new(config), label: label.into() }
    }
}

impl Detector for Rekognition {
    async fn detect(&mut self, image: &CameraImage) -> Result<Vec<Detection>, BoxError> {
        if image.jpeg.len() > MAX_BYTES {
            return Err(format!("{} bytes, and Rekognition takes {MAX_BYTES}", image.jpeg.len()).into());
        }
        let image = Image::builder().bytes(Blob::new(image.jpeg.as_ref())).build();
        let request = self.client.detect_labels().image(image).max_labels(MAX_LABELS);
        let answer = request.min_confidence(LOWEST_CONFIDENCE).send().await;
        // The error of the SDK alone says only "service error".
        let answer = answer.map_err(|error| DisplayErrorContext(error).to_string())?;
        let labels = answer.labels().iter().filter(|label| label.name() == Some(&self.label));
        let scores = labels.filter_map(|label| label.confidence());
        Ok(scores.map(|confidence| Detection::new(self.label.to_lowercase(), f64::from(confidence))).collect())
    }
}

/// Takes Region, credentials and endpoint from the environment or an AWS profile.
pub async fn config() -> SdkConfig {
    let tls = tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring);
    let http = Builder::new().tls_provider(tls).build_https();
    aws_config::defaults(BehaviorVersion::v2026_01_12()).http_client(http).load().await
}

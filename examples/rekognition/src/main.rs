//! `kvs-alert` with Amazon Rekognition as its detector: a message when a camera sees a person, or whatever `LABEL` names.
//!
//! The command line is that of `kvs-alert`; Region and credentials come from the environment or an AWS profile.

use std::env;

use aws_config::BehaviorVersion;
use aws_sdk_rekognition::Client;
use aws_sdk_rekognition::primitives::Blob;
use aws_sdk_rekognition::types::Image;
use aws_smithy_http_client::{Builder, tls};
use kvs_alert::{BoxError, Detection, Detector, CameraImage, run};

/// The lowest confidence that counts, in percent.
const LOWEST_CONFIDENCE: f32 = 75.0;
/// The most labels of an image that are asked for.
const MAX_LABELS: i32 = 20;
/// The largest image that may come with the request: 5 MB, read as the smaller of the two usual meanings.
const MAX_BYTES: usize = 5_000_000;

struct Rekognition {
    client: Client,
    /// What to look for, such as `Person`.
    label: String,
}

impl Detector for Rekognition {
    async fn detect(&mut self, image: &CameraImage) -> Result<Vec<Detection>, BoxError> {
        if image.jpeg.len() > MAX_BYTES {
            return Err(format!("{} bytes, and Rekognition takes {MAX_BYTES}", image.jpeg.len()).into());
        }
        let image = Image::builder().bytes(Blob::new(image.jpeg.as_ref())).build();
        let request = self.client.detect_labels().image(image).max_labels(MAX_LABELS);
        let answer = request.min_confidence(LOWEST_CONFIDENCE).send().await?;
        let labels = answer.labels().iter().filter(|label| label.name() == Some(&self.label));
        let scores = labels.filter_map(|label| label.confidence());
        Ok(scores.map(|confidence| Detection::new(self.label.to_lowercase(), f64::from(confidence))).collect())
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    let label = env::var("LABEL").unwrap_or_else(|_| "Person".to_owned());
    let tls = tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring);
    let http = Builder::new().tls_provider(tls).build_https();
    let config = aws_config::defaults(BehaviorVersion::v2026_01_12()).http_client(http).load().await;
    run(Rekognition { client: Client::new(&config), label }).await
}

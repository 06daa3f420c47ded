//! `kvs-alert`: a message when a camera sees a face.

use kvs_alert::{BoxError, FaceDetector, run};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    run(FaceDetector::new()?).await
}

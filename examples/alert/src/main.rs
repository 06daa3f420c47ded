//! `kvs-alert`: a message when a camera sees a face.

use std::process::ExitCode;

use kvs_alert::{BoxError, FaceDetector, run};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode, BoxError> {
    Ok(run(FaceDetector::new()?).await)
}

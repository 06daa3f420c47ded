//! The detector on images that kvs-local made, and the rule behind it.

use std::time::Duration;

use kvs_alert::{CameraImage, Detector, FaceDetector, Folder, Rule, Watch};
use kvs_local::LocalKvs;

use crate::camera::send;

async fn images(name: &str) -> Vec<CameraImage> {
    let local = LocalKvs::builder().start().await.unwrap();
    send(&local, "front-door", name).await;
    let images = Folder::of_service(local.data_dir()).new_images().unwrap();
    local.shutdown().await;
    images
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_with_a_face_alerts_and_one_with_a_cat_does_not() {
    let (person, cat) = (images("person.mp4").await, images("cat.mp4").await);
    assert!(person.len() >= 3 && cat.len() >= 3, "{} and {} images", person.len(), cat.len());
    let mut detector = FaceDetector::new().unwrap();
    let (mut lowest, mut highest) = (f64::MAX, f64::MIN);
    for image in &person {
        lowest = lowest.min(detector.detect(image).await.unwrap().iter().map(|found| found.score).fold(0.0, f64::max));
    }
    for image in &cat {
        highest =
            highest.max(detector.detect(image).await.unwrap().iter().map(|found| found.score).fold(0.0, f64::max));
    }
    // The order, not the values: another build may round differently.
    assert!(lowest > highest && lowest > 0.0, "each face scores higher than the cat: {lowest} and {highest}");

    for (images, alerts) in [(person, 1), (cat, 0)] {
        let mut watch = Watch::new(FaceDetector::new().unwrap(), Rule::new(2, 3, Duration::from_secs(60)));
        let mut told = Vec::new();
        for image in images {
            told.extend(watch.look(image).await.unwrap().map(|alert| alert.to_json()));
        }
        assert_eq!(told.len(), alerts, "{told:?}");
        for alert in told {
            assert_eq!(
                (&alert["type"], &alert["stream"], &alert["label"]),
                (&"alert".into(), &"front-door".into(), &"face".into())
            );
            assert!(
                alert["image"].as_str().unwrap().ends_with(".jpg") && alert["at"].as_str().unwrap().ends_with('Z'),
                "{alert}"
            );
        }
    }
}

#[tokio::test]
async fn a_file_that_is_no_picture_is_an_error() {
    let mut detector = FaceDetector::new().unwrap();
    for jpeg in [&b"not an image"[..], &[0xff, 0xd8, 0xff], b""] {
        let image = CameraImage::new("front-door", std::time::SystemTime::UNIX_EPOCH, "nowhere", jpeg.to_vec());
        assert!(detector.detect(&image).await.is_err());
    }
}

//! Notifications and image events as images.

use std::time::SystemTime;

use kvs_images::{Client, ImagesExt, StreamId};
use kvs_notify::{Content, ObjectEventKind, decode};

use crate::BoxError;
use crate::detector::CameraImage;

/// A moment of a stream that a message speaks of.
struct Moment {
    stream: String,
    at: SystemTime,
    place: String,
}

/// Returns the images that a message speaks of, in whatever envelope it came.
///
/// Both kinds of message give the time of an image, and GetImages returns it: so no access to the bucket is needed.
pub(crate) async fn images(client: &Client, body: &[u8]) -> Result<Vec<CameraImage>, BoxError> {
    let mut images = Vec::new();
    for Moment { stream, at, place } in moments(body)? {
        let image = client.images(stream.parse::<StreamId>()?).nearest(at).await?;
        // A fragment that retention has removed meanwhile has no image.
        if let Some(jpeg) = image.and_then(|image| image.content.ok()) {
            images.push(CameraImage::new(stream, at, place, jpeg));
        }
    }
    Ok(images)
}

fn moments(body: &[u8]) -> Result<Vec<Moment>, BoxError> {
    let mut moments = Vec::new();
    for message in decode(body)?.messages {
        match message.content {
            Content::Fragment(fragment) => moments.push(Moment {
                stream: fragment.stream_arn.stream_name().to_owned(),
                at: fragment.producer_timestamp,
                place: format!("fragment {}", fragment.fragment_number),
            }),
            Content::Objects(events) => {
                for event in events.iter().filter(|event| matches!(event.kind, ObjectEventKind::Created(_))) {
                    let Ok(key) = event.image_key() else { continue };
                    let place = format!("s3://{}/{}", event.bucket, event.key);
                    moments.push(Moment { stream: key.stream().to_owned(), at: key.timecode(), place });
                }
            }
            _ => {}
        }
    }
    Ok(moments)
}

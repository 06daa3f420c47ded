//! The images of a range: one every two seconds of the last minute, as files.
//!
//! ```text
//! cargo run -p kvs-examples --example images -- front-door /tmp/images
//! ```

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use kvs_images::{Client, ClientConfig, ImageError, ImageFailure, ImagesExt, StreamId};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [stream, directory] = &arguments[..] else { return Err("usage: images STREAM DIRECTORY".into()) };
    let (stream, directory): (StreamId, _) = (stream.parse()?, PathBuf::from(directory));
    std::fs::create_dir_all(&directory)?;

    let client = Client::new(ClientConfig::from_env()?)?;
    let now = SystemTime::now();
    let range = now - Duration::from_secs(60)..now;
    let images = client.images(stream).range(range).every(Duration::from_secs(2)).size(640, 360).jpeg(80);

    // One item for each timestamp: an image, or the reason why there is none.
    let mut images = images.stream()?;
    while let Some(image) = images.next().await {
        let millis = image.at.duration_since(SystemTime::UNIX_EPOCH)?.as_millis();
        match image.content {
            Ok(jpeg) => {
                let path = directory.join(format!("{millis}.jpg"));
                std::fs::write(&path, &jpeg)?;
                println!("{}: {} bytes", path.display(), jpeg.len());
            }
            // Nothing was recorded at that time: a gap, not a failure.
            Err(ImageFailure::Service(ImageError::NoMedia)) => println!("{millis}: no media"),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

//! Saves the images of a time range: `get-images-kvs STREAM FROM TO`, with times in seconds since the Unix epoch.

use std::error::Error;
use std::time::{Duration, SystemTime};

use kvs_aws::{Client, ClientConfig, TimestampOrigin};
use kvs_aws::GetImages;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut argument = || arguments.next().ok_or("usage: get-images-kvs STREAM FROM TO");
    let stream = argument()?.parse()?;
    let from = SystemTime::UNIX_EPOCH + Duration::from_secs(argument()?.parse()?);
    let to = SystemTime::UNIX_EPOCH + Duration::from_secs(argument()?.parse()?);
    let client = Client::new(ClientConfig::from_env()?)?;
    let request = GetImages::new(stream, from..to).selector(TimestampOrigin::Server);
    let page = client.send(request.every(Duration::from_secs(1)).jpeg(80)).await?;
    for (number, image) in page.images.into_iter().enumerate() {
        std::fs::write(format!("{number}.jpg"), image.content?)?;
    }
    Ok(())
}

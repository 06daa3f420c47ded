//! A script for boto3 (`examples/boto3/images.py`), call by call: the images of the last seconds as files.
//!
//! ```text
//! cargo run -p kvs-examples --example from_boto3 -- front-door 60 images
//! ```

use std::path::Path;
use std::time::{Duration, SystemTime};

use kvs_aws::{Client, ClientConfig, ListFragments, StreamId, TimestampOrigin};
use kvs_images::ImagesExt;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [stream, seconds, folder] = &arguments[..] else {
        return Err("usage: from_boto3 STREAM SECONDS FOLDER".into());
    };
    let stream: StreamId = stream.parse()?;
    let now = SystemTime::now();
    let start = now - Duration::from_secs(seconds.parse()?);
    // boto3.client(...): one client for all operations. get_data_endpoint is called when it is needed.
    let client = Client::new(ClientConfig::from_env()?)?;

    // get_paginator("list_fragments")
    let mut pages = client.pages(ListFragments::new(stream.clone(), TimestampOrigin::Producer, start..now));
    let mut fragments = Vec::new();
    while let Some(page) = pages.next().await? {
        fragments.extend(page.fragments);
    }
    println!("{} fragments", fragments.len());

    // get_paginator("get_images"). Any range is taken; it begins at the first fragment to get the images of the script.
    let first = fragments.iter().filter_map(|fragment| fragment.producer_timestamp).min().ok_or("no fragments")?;
    let images = client.images(stream).range(first..now).every(Duration::from_secs(1)).size(320, 180);
    let mut images = images.stream()?;
    while let Some(image) = images.next().await {
        // `Err` says why there is no image: a gap, or a call that failed.
        let Ok(jpeg) = image.content else { continue };
        let millis = image.at.duration_since(SystemTime::UNIX_EPOCH)?.as_millis();
        std::fs::write(Path::new(folder).join(format!("{millis}.jpg")), jpeg)?;
    }
    Ok(())
}

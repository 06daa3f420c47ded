//! Saves the images of a time range: `get-images-aws-sdk STREAM FROM TO`, with times in seconds since the Unix epoch.

use std::error::Error;

use aws_sdk_kinesisvideo::types::ApiName;
use aws_sdk_kinesisvideoarchivedmedia::primitives::DateTime;
use aws_sdk_kinesisvideoarchivedmedia::types::{Format, FormatConfigKey, ImageSelectorType};
use aws_smithy_types::base64;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut argument = || arguments.next().ok_or("usage: get-images-aws-sdk STREAM FROM TO");
    let stream = argument()?;
    let from = DateTime::from_secs(argument()?.parse()?);
    let to = DateTime::from_secs(argument()?.parse()?);
    let config = aws_config::load_from_env().await;
    let control = aws_sdk_kinesisvideo::Client::new(&config);
    let found = control.get_data_endpoint().stream_name(&stream).api_name(ApiName::GetImages).send().await?;
    let at = aws_sdk_kinesisvideoarchivedmedia::config::Builder::from(&config)
        .endpoint_url(found.data_endpoint().ok_or("no endpoint")?)
        .build();
    let client = aws_sdk_kinesisvideoarchivedmedia::Client::from_conf(at);
    let request = client.get_images().stream_name(stream).image_selector_type(ImageSelectorType::ServerTimestamp);
    let request = request.start_timestamp(from).end_timestamp(to).sampling_interval(1000);
    let request = request.format(Format::Jpeg).format_config(FormatConfigKey::JpegQuality, "80");
    for (number, image) in request.send().await?.images().iter().enumerate() {
        let content = image.image_content().ok_or("no picture")?;
        std::fs::write(format!("{number}.jpg"), base64::decode(content)?)?;
    }
    Ok(())
}

//! The operations of image generation.

use kvs_types::{ImageGenerationConfiguration, InvalidField};

use crate::ops::configuration::StreamConfiguration;

impl StreamConfiguration for ImageGenerationConfiguration {
    const MEMBER: &'static str = "ImageGenerationConfiguration";
    const UPDATE: [&'static str; 2] = ["UpdateImageGenerationConfiguration", "/updateImageGenerationConfiguration"];
    const DESCRIBE: [&'static str; 2] =
        ["DescribeImageGenerationConfiguration", "/describeImageGenerationConfiguration"];

    fn check(&self) -> Result<(), InvalidField> {
        Self::check(self)
    }
}

#[cfg(test)]
mod tests {
    use super::super::UpdateImageGenerationConfiguration;
    use kvs_types::SamplingProfile;

    /// A sample of AWS.
    const SAMPLE: &str = r#"{"StreamName":"demo-stream","ImageGenerationConfiguration":{"Status":"ENABLED","DestinationConfig":{"DestinationRegion":"us-east-1","Uri":"s3://my-bucket-name"},"SamplingInterval":200,"ImageSelectorType":"PRODUCER_TIMESTAMP","Format":"JPEG","FormatConfig":{"JPEGQuality":"80"},"WidthPixels":320,"HeightPixels":240}}"#;

    #[test]
    fn reads_and_writes_the_sample_of_aws() {
        let update = UpdateImageGenerationConfiguration::from_json(SAMPLE).unwrap();
        let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(value(&update.to_json()), value(SAMPLE));
    }

    fn error_for(from: &str, to: &str) -> String {
        assert!(SAMPLE.contains(from), "{from}");
        UpdateImageGenerationConfiguration::from_json(&SAMPLE.replace(from, to)).unwrap_err().to_string()
    }

    #[test]
    fn errors_name_the_member_and_its_limit() {
        for (from, to, message) in [
            ("200", "199", "SamplingInterval: must be 200 to 2147483647, got 199"),
            (r#""80""#, r#""101""#, "JPEGQuality: must be 1 to 100, got 101"),
            (r#""80""#, r#""high""#, r#"JPEGQuality: must be a number from 1 to 100 as text, got "high""#),
            ("320", "3841", "WidthPixels: must be 1 to 3840, got 3841"),
            (r#""WidthPixels":320,"#, "", "WidthPixels: width and height must be given both or neither"),
            (r#""Format":"JPEG""#, r#""Format":"PNG""#, "FormatConfig: JPEGQuality is not accepted with PNG"),
            (
                "us-east-1",
                "us-east-one",
                r#"DestinationRegion: must be a region code such as eu-central-1, got "us-east-one""#,
            ),
            (
                "s3://my-bucket-name",
                "arn:aws:s3:::b",
                r#"Uri: must be s3://bucket or s3://bucket/path, got "arn:aws:s3:::b""#,
            ),
            ("WidthPixels", "WidthPixel", "unknown member ImageGenerationConfiguration.WidthPixel"),
            (r#""StreamName":"demo-stream","#, "", "StreamName or StreamARN is missing"),
        ] {
            assert_eq!(error_for(from, to), message);
        }
    }

    #[test]
    fn checks_the_minimum_interval_of_2022() {
        let update = UpdateImageGenerationConfiguration::from_json(SAMPLE).unwrap();
        let error = update.configuration().unwrap().check_with(SamplingProfile::Year2022).unwrap_err();
        assert_eq!(error.to_string(), "SamplingInterval: must be 3000 to 2147483647, got 200");
    }

    #[test]
    fn deletes_with_a_request_without_configuration() {
        let delete = UpdateImageGenerationConfiguration::delete("cam".parse().unwrap());
        assert_eq!(serde_json::to_string(&delete).unwrap(), r#"{"StreamName":"cam"}"#);
        let error = UpdateImageGenerationConfiguration::from_json(r#"{"StreamName":"cam"}"#).unwrap_err();
        assert_eq!(error.to_string(), "ImageGenerationConfiguration is missing");
    }
}

//! Image generation and notification configuration.

use std::collections::BTreeMap;
use std::time::SystemTime;

use kvs_types::{ImageGenerationConfiguration, ImageGenerationDestinationConfig, NotificationConfiguration};
use serde::{Deserialize, Serialize};

use crate::api::{self, ApiError, Text};
use crate::limits;

/// A value that becomes effective some time after it is set.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Delayed<T> {
    /// The value before the last change.
    before: Option<T>,
    /// The value set last, effective from `since`.
    set: Option<T>,
    since: SystemTime,
}

impl<T> Default for Delayed<T> {
    fn default() -> Self {
        Self { before: None, set: None, since: SystemTime::UNIX_EPOCH }
    }
}

impl<T: Clone> Delayed<T> {
    /// Sets the value that is effective from `since`.
    pub(crate) fn set(&mut self, value: Option<T>, since: SystemTime, now: SystemTime) {
        self.before = self.in_effect(now).cloned();
        self.set = value;
        self.since = since;
    }

    /// Returns the value set last, effective or not, as the Describe operations do.
    pub(crate) const fn latest(&self) -> Option<&T> {
        self.set.as_ref()
    }

    /// Returns the value that is effective at `now`.
    pub(crate) fn in_effect(&self, now: SystemTime) -> Option<&T> {
        if now >= self.since { self.set.as_ref() } else { self.before.as_ref() }
    }
}

/// Checks ranges, bucket and region.
///
/// [`ImageGenerationConfiguration::check`] is for clients: it refuses a single side, which the service accepts here.
pub(crate) fn check_images(
    configuration: &ImageGenerationConfiguration,
    region: &str,
    shortest_interval: u64,
) -> Result<(), ApiError> {
    let sampling_interval = u64::from(configuration.sampling_interval);
    check_destination(&configuration.destination_config, region)?;
    if !(shortest_interval..=i32::MAX.unsigned_abs().into()).contains(&sampling_interval) {
        return Err(ApiError::invalid(format!(
            "SamplingInterval must be at least {shortest_interval} ms, but is {sampling_interval}"
        )));
    }
    check_quality(configuration.format_config.as_ref())?;
    api::within("WidthPixels", configuration.width_pixels.map(u64::from), 1, limits::IMAGE_WIDTH)?;
    api::within("HeightPixels", configuration.height_pixels.map(u64::from), 1, limits::IMAGE_HEIGHT)
}

/// Checks `FormatConfig` and returns `JPEGQuality`, the only key: a string with a number from 1 to 100.
pub(crate) fn check_quality(config: Option<&BTreeMap<String, String>>) -> Result<Option<u8>, ApiError> {
    let Some(config) = config else { return Ok(None) };
    let mut entries = config.iter();
    let (Some((key, value)), None) = (entries.next(), entries.next()) else {
        return Err(ApiError::invalid(format!("FormatConfig takes exactly 1 entry, got {}", config.len())));
    };
    if key != "JPEGQuality" {
        return Err(ApiError::invalid(format!("FormatConfig has no key '{}', only JPEGQuality", key.escape_debug())));
    }
    match value.parse::<u8>() {
        Ok(quality @ 1..=100) => Ok(Some(quality)),
        _ => Err(ApiError::invalid(format!("JPEGQuality must be 1 to 100, but is '{}'", value.escape_debug()))),
    }
}

fn check_destination(destination: &ImageGenerationDestinationConfig, region: &str) -> Result<(), ApiError> {
    let ImageGenerationDestinationConfig { uri, destination_region, .. } = destination;
    api::text(&Text::DESTINATION_URI, uri)?;
    let bucket = uri.strip_prefix("s3://").and_then(|rest| rest.split('/').next());
    if !bucket.is_some_and(is_bucket_name) {
        return Err(ApiError::invalid(format!(
            "Uri must be s3://BUCKET or s3://BUCKET/PREFIX with a valid bucket name, but is '{}'",
            uri.escape_debug()
        )));
    }
    if destination_region == region {
        return Ok(());
    }
    let given = destination_region.escape_debug();
    Err(ApiError::invalid(format!("DestinationRegion must be the stream's region '{region}', but is '{given}'")))
}

/// The rule of S3: 3 to 63 of a-z, 0-9, '.' and '-', starting and ending with a letter or digit, no two dots in a row.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html>
fn is_bucket_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = name.as_bytes();
    (3..=63).contains(&bytes.len())
        && bytes.iter().all(|&byte| plain(byte) || byte == b'.' || byte == b'-')
        && bytes.first().is_some_and(|&byte| plain(byte))
        && bytes.last().is_some_and(|&byte| plain(byte))
        && !name.contains("..")
}

/// Checks that the destination is a standard SNS topic, whose name also becomes a folder.
pub(crate) fn check_notifications(configuration: &NotificationConfiguration) -> Result<(), ApiError> {
    let uri = &configuration.destination_config.uri;
    api::text(&Text::DESTINATION_URI, uri)?;
    let fields: Vec<&str> = uri.splitn(6, ':').collect();
    let [arn, _, service, region, account, topic] = fields.as_slice() else {
        return Err(not_a_topic(uri));
    };
    let named = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    let account_ok = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    let topic_ok = (1..=256).contains(&topic.len()) && named(topic);
    if *arn == "arn" && *service == "sns" && named(region) && account_ok && topic_ok {
        return Ok(());
    }
    Err(not_a_topic(uri))
}

fn not_a_topic(uri: &str) -> ApiError {
    ApiError::invalid(format!(
        "Uri must be the ARN of a standard SNS topic, arn:aws:sns:REGION:ACCOUNT:TOPIC, but is '{}'",
        uri.escape_debug()
    ))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn delayed_value_becomes_effective_at_its_time() {
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(100);
        let later = start + Duration::from_secs(60);
        let mut value = Delayed::default();
        value.set(Some(1), start, start);
        value.set(Some(2), later, start);
        assert_eq!((value.latest(), value.in_effect(start), value.in_effect(later)), (Some(&2), Some(&1), Some(&2)));
    }

    #[test]
    fn rejects_bucket_names_that_escape_the_folder() {
        for bad in ["", "..", "a..b", "ab", "../x", "A-bucket", "-abc", "abc.", "a/b", "con\0x"] {
            assert!(!is_bucket_name(bad), "{bad:?}");
        }
        assert!(is_bucket_name("my-bucket.2"));
    }

    #[test]
    fn accepts_only_standard_sns_topics() {
        let check = |uri: &str| check_notifications(&NotificationConfiguration::new(uri));
        assert!(check("arn:aws:sns:us-west-2:111122223333:door").is_ok());
        for bad in [
            "arn:aws:sns:us-west-2:111122223333:door.fifo",
            "arn:aws:sns:us-west-2:111122223333:../x",
            "arn:aws:sqs:us-west-2:111122223333:door",
            "arn:aws:sns:us-west-2:1:door",
            "https://example.com",
            "",
        ] {
            assert!(check(bad).is_err(), "{bad:?}");
        }
    }
}

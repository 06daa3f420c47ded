//! Where images and notifications may be sent.

use crate::check::check_length;
use crate::field::InvalidField;
use crate::limits::DESTINATION_URI_CHARS;

const FIELD: &str = "Uri";

/// Checks the model's pattern `^[a-zA-Z_0-9]+:(//)?([^/]+)/?([^*]*)$`, 1 to 255 characters.
///
/// # Errors
/// Returns an error if the text is too long or does not match.
pub fn check_uri(uri: &str) -> Result<(), InvalidField> {
    check_length(FIELD, uri.chars().count(), (1, DESTINATION_URI_CHARS))?;
    let shape = uri.split_once(':').is_some_and(|(scheme, rest)| {
        let rest = rest.strip_prefix("//").unwrap_or(rest);
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let scheme_letters = scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        !scheme.is_empty() && scheme_letters && !host.is_empty() && !path.contains('*')
    });
    if shape { Ok(()) } else { Err(InvalidField::malformed(FIELD, "a destination such as s3://bucket", uri)) }
}

/// Checks that image generation writes to an S3 bucket.
pub(crate) fn check_bucket_uri(uri: &str) -> Result<(), InvalidField> {
    let bucket = uri.strip_prefix("s3://").map(|rest| rest.split('/').next().unwrap_or_default());
    let letters = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'_');
    // Bucket names: 3 to 63 characters, https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
    match bucket {
        Some(bucket) if (3..=63).contains(&bucket.len()) && bucket.bytes().all(letters) => Ok(()),
        _ => Err(InvalidField::malformed(FIELD, "s3://bucket or s3://bucket/path", uri)),
    }
}

/// Checks that notifications are sent to a standard SNS topic.
pub(crate) fn check_topic(uri: &str) -> Result<(), InvalidField> {
    let expected = "the ARN of an SNS topic, arn:aws:sns:REGION:ACCOUNT:NAME";
    let parts: Vec<&str> = uri.split(':').collect();
    match parts[..] {
        ["arn", partition, "sns", region, account, name]
            if partition.starts_with("aws") && !region.is_empty() && !account.is_empty() && !name.is_empty() =>
        {
            if name.ends_with(".fifo") {
                return Err(InvalidField::combination(FIELD, "FIFO topics are not supported, use a standard topic"));
            }
            Ok(())
        }
        _ => Err(InvalidField::malformed(FIELD, expected, uri)),
    }
}

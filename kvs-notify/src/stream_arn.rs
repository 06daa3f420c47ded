//! The rules for stream ARNs, account ids and stream names that are specific to notifications.

use kvs_types::__internal::is_name_character;
use kvs_types::StreamArn;
use kvs_types::limits::{ACCOUNT_ID_DIGITS, STREAM_NAME_CHARS};
use serde::{Deserialize, Deserializer, de};

/// Reads the ARN of a stream. The type accepts every resource type and any account id; the service names a `stream` of an
/// account with 12 digits.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<StreamArn, D::Error> {
    let arn = StreamArn::deserialize(deserializer)?;
    match fault(&arn) {
        None => Ok(arn),
        Some(fault) => Err(de::Error::custom(format_args!("invalid stream ARN {arn}: {fault}"))),
    }
}

fn fault(arn: &StreamArn) -> Option<&'static str> {
    if arn.resource_type() != "stream" {
        return Some("the resource type is not stream");
    }
    if !is_account_id(arn.account_id()) {
        return Some("the account id does not have 12 digits");
    }
    (!is_stream_name(arn.stream_name())).then_some("the stream name is longer than 256 characters")
}

/// Returns whether this is an account id: 12 decimal digits.
pub(crate) fn is_account_id(text: &str) -> bool {
    text.len() == ACCOUNT_ID_DIGITS && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Returns whether a stream can have this name, by the API reference of CreateStream.
pub(crate) fn is_stream_name(text: &str) -> bool {
    (1..=STREAM_NAME_CHARS).contains(&text.len()) && text.chars().all(is_name_character)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(arn: &str) -> Result<StreamArn, String> {
        deserialize(de::value::StrDeserializer::<de::value::Error>::new(arn)).map_err(|error| error.to_string())
    }

    #[test]
    fn accepts_other_partitions_and_names_with_dots() {
        let arn = read("arn:aws-cn:kinesisvideo:cn-north-1:111122223333:stream/a_b.c-d/0").unwrap();
        assert_eq!((arn.region(), arn.stream_name()), ("cn-north-1", "a_b.c-d"));
    }

    #[test]
    fn rejects_arns_of_anything_but_a_stream() {
        for text in [
            "",
            "arn:aws:kinesisvideo:us-west-2:111122223333:channel/demo/1",
            "arn:aws:kinesisvideo:us-west-2:111122223333:stream/demo",
            "arn:aws:kinesisvideo:us-west-2:111122223333:stream/demo/1/2",
            "arn:aws:kinesisvideo:us-west-2:111122223333:stream/a b/1",
            "arn:aws:kinesisvideo:us-west-2:11112222333:stream/demo/1",
            "arn:aws:kinesis:us-west-2:111122223333:stream/demo/1",
            "arn:aws:kinesisvideo::111122223333:stream/demo/1",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
        let name = "n".repeat(257);
        assert!(read(&format!("arn:aws:kinesisvideo:us-west-2:111122223333:stream/{name}/1")).is_err());
        let long = format!("arn:aws:kinesisvideo:us-west-2:111122223333:stream/demo/{}", "1".repeat(1024));
        assert!(read(&long).unwrap_err().contains("1024"));
    }
}

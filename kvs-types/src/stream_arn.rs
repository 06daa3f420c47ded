//! The ARN of a stream.

use crate::check::{self, check_length};
use crate::field::InvalidField;
use crate::limits::STREAM_ARN_CHARS;
use crate::validated_text::validated_text;

/// The ARN of a stream: `arn:aws:kinesisvideo:REGION:ACCOUNT-ID:stream/NAME/CREATION-TIME`.
///
/// This type accepts what the pattern of the service model accepts: any partition, any resource type and account ids of
/// any length.
///
/// ```
/// use kvs_types::StreamArn;
///
/// let arn = StreamArn::new("arn:aws:kinesisvideo:us-west-2:111122223333:stream/front-door/1705489836421")?;
/// assert_eq!((arn.region(), arn.account_id(), arn.stream_name()), ("us-west-2", "111122223333", "front-door"));
/// # Ok::<(), kvs_types::InvalidField>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(try_from = "String", into = "String"))]
pub struct StreamArn(String);

impl StreamArn {
    /// Checks an ARN.
    ///
    /// # Errors
    /// Returns an error if the text is longer than 1,024 characters or does not have the form
    /// `arn:PARTITION:kinesisvideo:REGION:ACCOUNT-ID:TYPE/NAME/DIGITS`.
    pub fn new(arn: impl Into<String>) -> Result<Self, InvalidField> {
        let arn = arn.into();
        check_length("StreamARN", arn.chars().count(), (1, STREAM_ARN_CHARS))?;
        if Parts::of(&arn).is_none() {
            let expected = "arn:PARTITION:kinesisvideo:REGION:ACCOUNT:stream/NAME/CREATION-TIME";
            return Err(InvalidField::malformed("StreamARN", expected, &arn));
        }
        Ok(Self(arn))
    }

    /// Returns the whole ARN.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the partition, for example `aws` or `aws-cn`.
    #[must_use]
    pub fn partition(&self) -> &str {
        self.parts().partition
    }

    /// Returns the region, for example `us-west-2`.
    #[must_use]
    pub fn region(&self) -> &str {
        self.parts().region
    }

    /// Returns the id of the account that owns the stream.
    #[must_use]
    pub fn account_id(&self) -> &str {
        self.parts().account_id
    }

    /// Returns the resource type: `stream` for every ARN that the service issues for a stream.
    #[must_use]
    pub fn resource_type(&self) -> &str {
        self.parts().resource_type
    }

    /// Returns the name of the stream.
    #[must_use]
    pub fn stream_name(&self) -> &str {
        self.parts().stream_name
    }

    fn parts(&self) -> Parts<'_> {
        Parts::of(&self.0).expect("the ARN was checked when it was created")
    }
}

struct Parts<'a> {
    partition: &'a str,
    region: &'a str,
    account_id: &'a str,
    resource_type: &'a str,
    stream_name: &'a str,
}

impl<'a> Parts<'a> {
    /// Splits by the pattern of the service model,
    /// `arn:[a-z\d-]+:kinesisvideo:[a-z0-9-]+:[0-9]+:[a-z]+/[a-zA-Z0-9_.-]+/[0-9]+`.
    fn of(arn: &'a str) -> Option<Self> {
        let mut segments = arn.splitn(6, ':');
        let (scheme, partition, service) = (segments.next()?, segments.next()?, segments.next()?);
        let (region, account_id, resource) = (segments.next()?, segments.next()?, segments.next()?);
        let mut resource = resource.split('/');
        let (resource_type, stream_name, created) = (resource.next()?, resource.next()?, resource.next()?);
        let matches = scheme == "arn"
            && service == "kinesisvideo"
            && all(partition, |c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
            && all(region, |c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
            && all(account_id, |c| c.is_ascii_digit())
            && all(resource_type, |c| c.is_ascii_lowercase())
            && all(stream_name, check::is_name_character)
            && all(created, |c| c.is_ascii_digit())
            && resource.next().is_none();
        matches.then_some(Self { partition, region, account_id, resource_type, stream_name })
    }
}

fn all(text: &str, allowed: impl Fn(char) -> bool) -> bool {
    !text.is_empty() && text.chars().all(allowed)
}

validated_text!(StreamArn);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn returns_its_parts() {
        let arn = StreamArn::new("arn:aws-us-gov:kinesisvideo:us-gov-west-1:111122223333:stream/cam.1/1705489836421")
            .unwrap();
        assert_eq!((arn.region(), arn.account_id(), arn.stream_name()), ("us-gov-west-1", "111122223333", "cam.1"));
        assert_eq!((arn.partition(), arn.resource_type()), ("aws-us-gov", "stream"));
    }

    #[test]
    fn rejects_malformed_arns() {
        for broken in [
            "",
            "arn:",
            "arn:aws:kinesisvideo:us-east-1:1:stream/cam",
            "arn:aws:kinesisvideo:us-east-1:1:stream/cam/1/2",
            "arn:aws:kinesisvideo:us-east-1:1:stream/cam/x",
            "arn:aws:s3:us-east-1:1:stream/cam/1",
            "arn:aws:kinesisvideo:us-east-1::stream/cam/1",
            "arn:aws:kinesisvideo:us-east-1:1:stream/c m/1",
        ] {
            assert!(StreamArn::new(broken).is_err(), "{broken}");
        }
    }
}

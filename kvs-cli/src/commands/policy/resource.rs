//! ARNs and buckets as a policy names them.

use crate::failure::Failure;

/// The longest ARN and bucket that we take; IAM policies have 6,144 characters in all.
const MAX_CHARS: usize = 2048;

/// Checks the form `arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE`. Wildcards and policy variables may stand in the resource.
pub(super) fn parse_arn(text: &str) -> Result<String, String> {
    let parts: Vec<_> = text.splitn(6, ':').collect();
    let plain = |part: &str| part.chars().all(|c| c.is_ascii_alphanumeric() || "-*?".contains(c));
    match parts[..] {
        ["arn", partition, service, region, account, resource]
            if text.len() <= MAX_CHARS
                && partition.starts_with("aws")
                && [partition, service, region, account].iter().all(|part| plain(part))
                && !service.is_empty()
                && !resource.is_empty()
                && text.chars().all(|c| c.is_ascii_graphic() && !"\"\\<>".contains(c)) =>
        {
            Ok(text.to_owned())
        }
        _ => Err(format!("{text:?} is not an ARN: arn:aws:SERVICE:REGION:ACCOUNT:RESOURCE")),
    }
}

/// Checks the name of a bucket.
pub(super) fn parse_bucket(text: &str) -> Result<String, String> {
    let good = (3..=63).contains(&text.len())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-".contains(c));
    if good {
        Ok(text.to_owned())
    } else {
        Err(format!("{text:?} is not the name of a bucket, such as my-camera-images"))
    }
}

/// Checks that a checked ARN is of this service and has a resource of this form.
pub(super) fn is_of(arn: &str, service: &str, resource: &str) -> Result<(), Failure> {
    let mut parts = arn.splitn(6, ':').skip(2);
    let (found, given) = (parts.next().unwrap_or_default(), parts.nth(2).unwrap_or_default());
    // The text before the first slash must be equal, and the number of slashes too.
    let (kind, rest) = resource.split_once('/').unwrap_or(("", resource));
    let parts_wanted = rest.split('/').count();
    let fits = match given.split_once('/') {
        Some((given_kind, rest)) => {
            given_kind == kind
                && (rest == "*" || rest.split('/').filter(|part| !part.is_empty()).count() == parts_wanted)
        }
        None => kind.is_empty() && !given.is_empty(),
    };
    if found == service && fits {
        return Ok(());
    }
    Err(Failure::input(format!("{arn} is not of the form arn:aws:{service}:REGION:ACCOUNT:{resource}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arns_of_other_services_and_forms_are_refused() {
        let stream = |arn: &str| is_of(&parse_arn(arn).unwrap(), "kinesisvideo", "stream/NAME/CREATION-TIME");
        for good in ["stream/door/1705489836421", "stream/door/*", "stream/*", "stream/${credentials-iot:ThingName}/*"]
        {
            assert!(stream(&format!("arn:aws:kinesisvideo:eu-west-1:111122223333:{good}")).is_ok(), "{good}");
        }
        for bad in ["stream/door", "stream/door/", "channel/door/1", "stream", "stream/a/b/c"] {
            assert!(stream(&format!("arn:aws:kinesisvideo:eu-west-1:111122223333:{bad}")).is_err(), "{bad}");
        }
        assert!(stream("arn:aws:kinesis:eu-west-1:111122223333:stream/door/1").is_err());
        assert!(stream("arn:aws-cn:kinesisvideo:cn-north-1:111122223333:stream/door/1").is_ok());
        for bad in
            ["door", "arn:aws:kinesisvideo", "arn:aws:s3:::", "arn:aws:kinesisvideo:a:1:stream/\"/1", "arn:a b:s3:::x"]
        {
            assert!(parse_arn(bad).is_err(), "{bad}");
        }
        assert!(
            parse_bucket("my-images.example").is_ok()
                && parse_bucket("My Images").is_err()
                && parse_bucket("a").is_err()
        );
    }
}

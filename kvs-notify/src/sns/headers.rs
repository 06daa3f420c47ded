//! The headers of SNS requests to an endpoint.

use super::message::SnsType;

/// The headers of a POST request by SNS; names are case-insensitive.
///
/// With raw delivery the body is the published message, and these headers are the only envelope.
///
/// ```
/// use kvs_notify::{SnsHeaders, SnsType};
///
/// let headers = SnsHeaders::from_headers([
///     ("X-Amz-Sns-Message-Type", "Notification"),
///     ("x-amz-sns-topic-arn", "arn:aws:sns:us-west-2:111122223333:cameras"),
///     ("content-length", "12"),
/// ])?;
/// assert_eq!(headers.kind, SnsType::Notification);
/// assert!(!headers.raw_delivery);
/// # Ok::<(), kvs_notify::InvalidSnsHeaders>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SnsHeaders {
    /// `x-amz-sns-message-type`.
    pub kind: SnsType,
    /// `x-amz-sns-message-id`.
    pub message_id: Option<String>,
    /// `x-amz-sns-topic-arn`.
    pub topic_arn: Option<String>,
    /// `x-amz-sns-subscription-arn`; `None` before the subscription is confirmed.
    pub subscription_arn: Option<String>,
    /// `x-amz-sns-rawdelivery`: the body is the published message, without envelope and signature.
    pub raw_delivery: bool,
}

impl SnsHeaders {
    /// Reads the headers of a request.
    ///
    /// # Errors
    /// Returns an error if `x-amz-sns-message-type` is missing or unknown: the request is not from SNS.
    pub fn from_headers<N, V>(headers: impl IntoIterator<Item = (N, V)>) -> Result<Self, InvalidSnsHeaders>
    where
        N: AsRef<str>,
        V: AsRef<str>,
    {
        let (mut kind, mut message_id, mut topic_arn, mut subscription_arn) = (None, None, None, None);
        let mut raw_delivery = false;
        for (name, value) in headers {
            let value = value.as_ref();
            match name.as_ref().to_ascii_lowercase().as_str() {
                "x-amz-sns-message-type" => kind = Some(message_type(value)?),
                "x-amz-sns-message-id" => message_id = Some(value.to_owned()),
                "x-amz-sns-topic-arn" => topic_arn = Some(value.to_owned()),
                "x-amz-sns-subscription-arn" => subscription_arn = Some(value.to_owned()),
                "x-amz-sns-rawdelivery" => raw_delivery = value.eq_ignore_ascii_case("true"),
                _ => {}
            }
        }
        let kind = kind.ok_or(InvalidSnsHeaders::NoType)?;
        Ok(Self { kind, message_id, topic_arn, subscription_arn, raw_delivery })
    }
}

fn message_type(value: &str) -> Result<SnsType, InvalidSnsHeaders> {
    let kinds = [SnsType::Notification, SnsType::SubscriptionConfirmation, SnsType::UnsubscribeConfirmation];
    let known = kinds.into_iter().find(|kind| kind.as_str() == value);
    known.ok_or_else(|| InvalidSnsHeaders::UnknownType { value: value.chars().take(64).collect() })
}

/// Why headers are not those of SNS.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidSnsHeaders {
    /// The header with the type is missing.
    #[error("missing header x-amz-sns-message-type: the request is not from SNS")]
    NoType,
    /// The type is unknown.
    #[error("unknown type {value:?} in the header x-amz-sns-message-type")]
    UnknownType {
        /// The type, cut to 64 characters.
        value: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recognizes_raw_delivery() {
        let headers = [("x-amz-sns-message-type", "Notification"), ("x-amz-sns-rawdelivery", "true")];
        assert!(SnsHeaders::from_headers(headers).unwrap().raw_delivery);
    }

    #[test]
    fn rejects_headers_that_are_not_from_sns() {
        assert_eq!(SnsHeaders::from_headers([("accept", "*/*")]), Err(InvalidSnsHeaders::NoType));
        let odd = [("x-amz-sns-message-type", "x".repeat(1000))];
        let Err(InvalidSnsHeaders::UnknownType { value }) = SnsHeaders::from_headers(odd) else { panic!() };
        assert_eq!(value.len(), 64);
    }
}

//! Where GetMedia starts.

use std::time::SystemTime;

use crate::fragment_number::FragmentNumber;
use crate::timestamp_origin::TimestampOrigin;

/// Where GetMedia starts (`StartSelector`).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum StartSelector {
    /// With the latest fragment.
    Now,
    /// With the oldest fragment that is retained.
    Earliest,
    /// After the fragment with this number, whether that fragment is still retained or not.
    AfterFragment(FragmentNumber),
    /// With the fragment that covers this time by the service's clock, or else the next one.
    ServerTimestamp(SystemTime),
    /// With the fragment that covers this time by the producer's clock, or else the next one.
    ProducerTimestamp(SystemTime),
    /// After the fragment that carried this continuation token.
    ContinuationToken(String),
}

impl StartSelector {
    /// Creates a selector of a time by the clock of `origin`.
    #[must_use]
    pub const fn timestamp(origin: TimestampOrigin, time: SystemTime) -> Self {
        match origin {
            TimestampOrigin::Server => Self::ServerTimestamp(time),
            TimestampOrigin::Producer => Self::ProducerTimestamp(time),
        }
    }

    /// Returns the value of `StartSelectorType`.
    #[must_use]
    pub const fn selector_type(&self) -> &'static str {
        match self {
            Self::Now => "NOW",
            Self::Earliest => "EARLIEST",
            Self::AfterFragment(_) => "FRAGMENT_NUMBER",
            Self::ServerTimestamp(_) => "SERVER_TIMESTAMP",
            Self::ProducerTimestamp(_) => "PRODUCER_TIMESTAMP",
            Self::ContinuationToken(_) => "CONTINUATION_TOKEN",
        }
    }
}

/// Writes the members that the selector type requires.
#[cfg(feature = "serde")]
impl serde::Serialize for StartSelector {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;

        let members = if matches!(self, Self::Now | Self::Earliest) { 1 } else { 2 };
        let mut selector = serializer.serialize_struct("StartSelector", members)?;
        selector.serialize_field("StartSelectorType", self.selector_type())?;
        match self {
            Self::Now | Self::Earliest => {}
            Self::AfterFragment(number) => selector.serialize_field("AfterFragmentNumber", number)?,
            Self::ServerTimestamp(time) | Self::ProducerTimestamp(time) => {
                selector.serialize_field("StartTimestamp", &crate::time::EpochSeconds(*time))?;
            }
            Self::ContinuationToken(token) => selector.serialize_field("ContinuationToken", token)?,
        }
        selector.end()
    }
}

#[cfg(all(test, feature = "serde"))]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn serializes_the_members_of_its_type_only() {
        let json = |selector| serde_json::to_string(&selector).unwrap();
        let time = SystemTime::UNIX_EPOCH + Duration::from_millis(1_705_489_836_421);
        assert_eq!(json(StartSelector::Now), r#"{"StartSelectorType":"NOW"}"#);
        assert_eq!(
            json(StartSelector::AfterFragment("42".parse().unwrap())),
            r#"{"StartSelectorType":"FRAGMENT_NUMBER","AfterFragmentNumber":"42"}"#
        );
        assert_eq!(
            json(StartSelector::timestamp(TimestampOrigin::Producer, time)),
            r#"{"StartSelectorType":"PRODUCER_TIMESTAMP","StartTimestamp":1705489836.421}"#
        );
        assert_eq!(
            json(StartSelector::ContinuationToken("42".to_owned())),
            r#"{"StartSelectorType":"CONTINUATION_TOKEN","ContinuationToken":"42"}"#
        );
    }
}

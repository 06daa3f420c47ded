//! Notifications: a message to an SNS topic for each tagged fragment.

use kvs_types::InvalidField;
use serde::{Deserialize, Serialize};

use super::StreamConfiguration;
use super::destination;
use super::status::ConfigurationStatus;

/// Where a stream's notifications go.
///
/// ```
/// use kvs_aws::NotificationConfiguration;
///
/// NotificationConfiguration::new("arn:aws:sns:us-east-1:111122223333:cameras").check()?;
/// # Ok::<(), kvs_aws::InvalidField>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[non_exhaustive]
pub struct NotificationConfiguration {
    /// Whether notifications are sent.
    pub status: ConfigurationStatus,
    /// Where to.
    pub destination_config: NotificationDestination,
}

/// Where notifications go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[non_exhaustive]
pub struct NotificationDestination {
    /// The ARN of a standard SNS topic; FIFO topics are not served.
    pub uri: String,
}

impl NotificationConfiguration {
    /// Enabled, to the topic of this ARN.
    pub fn new(topic_arn: impl Into<String>) -> Self {
        let destination_config = NotificationDestination { uri: topic_arn.into() };
        Self { status: ConfigurationStatus::Enabled, destination_config }
    }

    /// Sets whether notifications are sent.
    #[must_use]
    pub const fn status(mut self, status: ConfigurationStatus) -> Self {
        self.status = status;
        self
    }

    /// Checks everything that can be known without asking the service.
    ///
    /// # Errors
    /// When the destination is no topic, or a FIFO one.
    pub fn check(&self) -> Result<(), InvalidField> {
        destination::check_uri(&self.destination_config.uri)?;
        destination::check_topic(&self.destination_config.uri)
    }
}

impl StreamConfiguration for NotificationConfiguration {
    const MEMBER: &'static str = "NotificationConfiguration";
    const UPDATE: [&'static str; 2] = ["UpdateNotificationConfiguration", "/updateNotificationConfiguration"];
    const DESCRIBE: [&'static str; 2] = ["DescribeNotificationConfiguration", "/describeNotificationConfiguration"];

    fn check(&self) -> Result<(), InvalidField> {
        Self::check(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_told_from_other_destinations() {
        let problem = |uri: &str| NotificationConfiguration::new(uri).check().unwrap_err().to_string();
        assert!(NotificationConfiguration::new("arn:aws-cn:sns:cn-north-1:111122223333:t").check().is_ok());
        assert!(problem("https://example.com").starts_with("Uri: must be the ARN of an SNS topic"));
        assert!(problem("arn:aws:sns:us-east-1:111122223333:t.fifo").contains("FIFO"));
        assert!(problem("").starts_with("Uri: must have 1 to 255"));
    }
}

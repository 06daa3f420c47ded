//! Notifications: the service publishes a message to an SNS topic for each tagged fragment.

use crate::configuration_status::ConfigurationStatus;
use crate::destination::{check_topic, check_uri};
use crate::field::InvalidField;

/// The configuration of notifications.
///
/// ```
/// use kvs_types::NotificationConfiguration;
///
/// NotificationConfiguration::new("arn:aws:sns:us-east-1:111122223333:cameras").check()?;
/// # Ok::<(), kvs_types::InvalidField>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "PascalCase"))]
#[non_exhaustive]
pub struct NotificationConfiguration {
    /// Whether notifications are sent.
    pub status: ConfigurationStatus,
    /// Where they are sent.
    pub destination_config: NotificationDestinationConfig,
}

/// Where notifications are sent.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "PascalCase"))]
#[non_exhaustive]
pub struct NotificationDestinationConfig {
    /// The ARN of a standard SNS topic. The service does not support FIFO topics.
    pub uri: String,
}

impl NotificationConfiguration {
    /// Creates an enabled configuration for the topic of this ARN.
    pub fn new(topic_arn: impl Into<String>) -> Self {
        let destination_config = NotificationDestinationConfig { uri: topic_arn.into() };
        Self { status: ConfigurationStatus::Enabled, destination_config }
    }

    /// Sets whether notifications are sent. Default: enabled.
    #[must_use]
    pub const fn with_status(mut self, status: ConfigurationStatus) -> Self {
        self.status = status;
        self
    }

    /// Checks everything that can be checked without the service.
    ///
    /// # Errors
    /// Returns an error if the destination is not an SNS topic, or a FIFO one.
    pub fn check(&self) -> Result<(), InvalidField> {
        check_uri(&self.destination_config.uri)?;
        check_topic(&self.destination_config.uri)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_standard_topics_only() {
        let problem = |uri: &str| NotificationConfiguration::new(uri).check().unwrap_err().to_string();
        assert!(NotificationConfiguration::new("arn:aws-cn:sns:cn-north-1:111122223333:t").check().is_ok());
        assert!(problem("https://example.com").starts_with("Uri: must be the ARN of an SNS topic"));
        assert!(problem("arn:aws:sns:us-east-1:111122223333:t.fifo").contains("FIFO"));
        assert!(problem("").starts_with("Uri: must have 1 to 255"));
    }
}

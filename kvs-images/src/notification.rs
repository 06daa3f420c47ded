//! Notifications: a message to an SNS topic for each tagged fragment.

use kvs_aws::{Error, InvalidField, Operation, Reply, StreamId};
use serde::{Deserialize, Serialize};

use crate::destination;
use crate::json_file::{self, JsonFileError};
use crate::status::ConfigurationStatus;

/// Where a stream's notifications go.
///
/// ```
/// use kvs_images::NotificationConfiguration;
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

/// Sets a stream's notifications, or deletes them.
///
/// As JSON it is what the AWS CLI takes with `--cli-input-json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct UpdateNotificationConfiguration {
    #[serde(flatten)]
    stream: StreamId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    notification_configuration: Option<NotificationConfiguration>,
}

impl UpdateNotificationConfiguration {
    /// Sets them.
    #[must_use]
    pub const fn new(stream: StreamId, configuration: NotificationConfiguration) -> Self {
        Self { stream, notification_configuration: Some(configuration) }
    }

    /// Deletes them: the service takes a missing configuration for that.
    #[must_use]
    pub const fn delete(stream: StreamId) -> Self {
        Self { stream, notification_configuration: None }
    }

    /// The stream.
    #[must_use]
    pub const fn stream(&self) -> &StreamId {
        &self.stream
    }

    /// The configuration to set; `None` deletes.
    #[must_use]
    pub const fn configuration(&self) -> Option<&NotificationConfiguration> {
        self.notification_configuration.as_ref()
    }

    /// Reads the JSON that the AWS CLI takes with `--cli-input-json`. A file without a configuration is refused:
    /// [`delete`](Self::delete) says that aloud.
    ///
    /// # Errors
    /// When it is no such JSON, has an unknown member, no stream, or a value the service would refuse.
    pub fn from_json(text: &str) -> Result<Self, JsonFileError> {
        let update: Self = json_file::read(text)?;
        if update.notification_configuration.is_none() {
            return Err(JsonFileError::Missing("NotificationConfiguration"));
        }
        update.check()?;
        Ok(update)
    }

    /// Writes the JSON that [`from_json`](Self::from_json) and the AWS CLI read.
    #[must_use]
    pub fn to_json(&self) -> String {
        json_file::write(self)
    }
}

impl Operation for UpdateNotificationConfiguration {
    type Output = ();
    const NAME: &'static str = "UpdateNotificationConfiguration";
    const PATH: &'static str = "/updateNotificationConfiguration";

    fn check(&self) -> Result<(), InvalidField> {
        self.notification_configuration.as_ref().map_or(Ok(()), NotificationConfiguration::check)
    }

    async fn read(reply: Reply) -> Result<(), Error> {
        crate::status::nothing(reply).await
    }
}

/// Asks for a stream's notifications; `None` when it has none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DescribeNotificationConfiguration {
    #[serde(flatten)]
    stream: StreamId,
}

impl DescribeNotificationConfiguration {
    /// Asks about `stream`.
    #[must_use]
    pub const fn new(stream: StreamId) -> Self {
        Self { stream }
    }
}

impl Operation for DescribeNotificationConfiguration {
    type Output = Option<NotificationConfiguration>;
    const NAME: &'static str = "DescribeNotificationConfiguration";
    const PATH: &'static str = "/describeNotificationConfiguration";

    fn check(&self) -> Result<(), InvalidField> {
        Ok(())
    }

    async fn read(reply: Reply) -> Result<Self::Output, Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Answer {
            notification_configuration: Option<NotificationConfiguration>,
        }
        let answer: Answer = reply.json(kvs_aws::limits::RESPONSE_BYTES).await?;
        Ok(answer.notification_configuration)
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

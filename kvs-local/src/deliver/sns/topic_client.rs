//! Topics in SNS, or in an emulator of it: Publish calls.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::topic::Topic;
use crate::deliver::aws::{AwsClient, AwsRequest, EndpointError};

/// Publishes to the topics of an endpoint.
#[derive(Clone, Debug)]
pub(in crate::deliver) struct TopicClient(AwsClient);

impl TopicClient {
    pub(in crate::deliver) const fn new(client: AwsClient) -> Self {
        Self(client)
    }

    /// Publishes a message; creates the topic if that was asked for. It must get the ARN that the configuration names, so the
    /// account and region of the endpoint must be those of the ARN.
    pub(in crate::deliver) async fn publish(
        &self,
        topic: &Topic,
        subject: &str,
        text: &str,
    ) -> Result<(), EndpointError> {
        let parameters = [("Action", "Publish"), ("TopicArn", topic.arn()), ("Subject", subject), ("Message", text)];
        match self.call(topic, &parameters).await {
            Err(error) if self.0.endpoint.create_missing && error.is_missing("NotFound") => {
                self.call(topic, &[("Action", "CreateTopic"), ("Name", topic.name())]).await?;
                tracing::info!(topic = topic.arn(), "created a topic");
                self.call(topic, &parameters).await
            }
            result => result,
        }
    }

    async fn call(&self, topic: &Topic, parameters: &[(&str, &str)]) -> Result<(), EndpointError> {
        let mut body = String::from("Version=2010-03-31");
        for (name, value) in parameters {
            body.push_str(&format!("&{name}={}", utf8_percent_encode(value, IN_FORM)));
        }
        let request = AwsRequest {
            method: "POST",
            path: "/".to_owned(),
            region: topic.region(),
            content_type: "application/x-www-form-urlencoded; charset=utf-8",
            headers: &[],
            body: body.into(),
        };
        self.0.send(&request).await.map(drop)
    }
}

/// What is encoded in a form: all but unreserved characters.
const IN_FORM: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

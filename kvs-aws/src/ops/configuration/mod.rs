//! Setting, deleting and asking for a configuration of a stream: the same calls, whatever it configures.

pub(crate) mod image_generation;
pub(crate) mod json_file;
pub(crate) mod notification;
pub(crate) mod status;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::marker::PhantomData;

use kvs_types::{ImageGenerationConfiguration, InvalidField, NotificationConfiguration, StreamId};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::protocol::error::{Error, ResponseProblem};
use crate::protocol::operation::Operation;
use crate::protocol::response::Response;
use json_file::JsonFileError;

/// Sets a stream's image generation, or deletes it.
pub type UpdateImageGenerationConfiguration = UpdateConfiguration<ImageGenerationConfiguration>;
/// Asks for a stream's image generation.
pub type DescribeImageGenerationConfiguration = DescribeConfiguration<ImageGenerationConfiguration>;
/// Sets a stream's notifications, or deletes them.
pub type UpdateNotificationConfiguration = UpdateConfiguration<NotificationConfiguration>;
/// Asks for a stream's notifications.
pub type DescribeNotificationConfiguration = DescribeConfiguration<NotificationConfiguration>;

/// What a stream is configured to do by itself: [`ImageGenerationConfiguration`] or [`NotificationConfiguration`].
pub trait StreamConfiguration: Clone + Debug + Serialize + DeserializeOwned + Send + Sync + sealed::Sealed {
    /// The member that holds it, in requests, answers and files.
    const MEMBER: &'static str;
    /// Name and path of the call that sets it.
    #[doc(hidden)]
    const UPDATE: [&'static str; 2];
    /// Name and path of the call that asks for it.
    #[doc(hidden)]
    const DESCRIBE: [&'static str; 2];

    /// Checks everything that can be known without asking the service.
    ///
    /// # Errors
    /// With the first member that the service would refuse.
    fn check(&self) -> Result<(), InvalidField>;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::ImageGenerationConfiguration {}
    impl Sealed for super::NotificationConfiguration {}
}

/// Sets a configuration of a stream, or deletes it.
///
/// As JSON it is what the AWS CLI takes with `--cli-input-json`.
///
/// ```no_run
/// # async fn example(client: kvs_aws::Client) -> Result<(), Box<dyn std::error::Error>> {
/// use kvs_aws::{ImageGenerationConfiguration, NotificationConfiguration, StreamId, UpdateConfiguration};
///
/// let door: StreamId = "front-door".parse()?;
/// let images = ImageGenerationConfiguration::new("s3://my-bucket-name", "us-east-1");
/// client.send(UpdateConfiguration::new(door.clone(), images)).await?;
/// let told = NotificationConfiguration::new("arn:aws:sns:us-east-1:111122223333:cameras");
/// client.send(UpdateConfiguration::new(door.clone(), told)).await?;
/// client.send(UpdateConfiguration::<NotificationConfiguration>::delete(door)).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound = "C: StreamConfiguration", into = "Members<C>", try_from = "Members<Value>")]
pub struct UpdateConfiguration<C: StreamConfiguration> {
    stream: StreamId,
    configuration: Option<C>,
}

/// A stream and what else a request holds, by name.
#[derive(Serialize, Deserialize)]
struct Members<V> {
    #[serde(flatten)]
    stream: StreamId,
    #[serde(flatten)]
    others: BTreeMap<String, V>,
}

impl<C: StreamConfiguration> From<UpdateConfiguration<C>> for Members<C> {
    fn from(update: UpdateConfiguration<C>) -> Self {
        let others = update.configuration.map(|configuration| (C::MEMBER.to_owned(), configuration));
        Self { stream: update.stream, others: others.into_iter().collect() }
    }
}

impl<C: StreamConfiguration> TryFrom<Members<Value>> for UpdateConfiguration<C> {
    type Error = serde_json::Error;

    fn try_from(mut members: Members<Value>) -> Result<Self, Self::Error> {
        let configuration = members.others.remove(C::MEMBER).map_or(Ok(None), serde_json::from_value)?;
        Ok(Self { stream: members.stream, configuration })
    }
}

impl<C: StreamConfiguration> UpdateConfiguration<C> {
    /// Sets it.
    #[must_use]
    pub const fn new(stream: StreamId, configuration: C) -> Self {
        Self { stream, configuration: Some(configuration) }
    }

    /// Deletes it: the service takes a missing configuration for that.
    #[must_use]
    pub const fn delete(stream: StreamId) -> Self {
        Self { stream, configuration: None }
    }

    /// The stream.
    #[must_use]
    pub const fn stream(&self) -> &StreamId {
        &self.stream
    }

    /// The configuration to set; `None` deletes.
    #[must_use]
    pub const fn configuration(&self) -> Option<&C> {
        self.configuration.as_ref()
    }

    /// Reads the JSON that the AWS CLI takes with `--cli-input-json`. A file without a configuration is refused:
    /// [`delete`](Self::delete) says that aloud.
    ///
    /// # Errors
    /// When it is no such JSON, has an unknown member, no stream, or a value the service would refuse.
    pub fn from_json(text: &str) -> Result<Self, JsonFileError> {
        let update: Self = json_file::read(text)?;
        update.configuration.as_ref().ok_or(JsonFileError::Missing(C::MEMBER))?.check()?;
        Ok(update)
    }

    /// Writes the JSON that [`from_json`](Self::from_json) and the AWS CLI read.
    #[must_use]
    pub fn to_json(&self) -> String {
        json_file::write(self)
    }
}

impl<C: StreamConfiguration> Operation for UpdateConfiguration<C> {
    type Output = ();
    const NAME: &'static str = C::UPDATE[0];
    const PATH: &'static str = C::UPDATE[1];

    fn check(&self) -> Result<(), InvalidField> {
        self.configuration.as_ref().map_or(Ok(()), C::check)
    }

    async fn read(response: Response) -> Result<(), Error> {
        status::nothing(response).await
    }
}

/// Asks for a configuration of a stream; `None` when it has none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DescribeConfiguration<C> {
    #[serde(flatten)]
    stream: StreamId,
    #[serde(skip)]
    of: PhantomData<fn() -> C>,
}

impl<C: StreamConfiguration> DescribeConfiguration<C> {
    /// Asks about `stream`.
    #[must_use]
    pub const fn new(stream: StreamId) -> Self {
        Self { stream, of: PhantomData }
    }
}

impl<C: StreamConfiguration> Operation for DescribeConfiguration<C> {
    type Output = Option<C>;
    const NAME: &'static str = C::DESCRIBE[0];
    const PATH: &'static str = C::DESCRIBE[1];

    fn check(&self) -> Result<(), InvalidField> {
        Ok(())
    }

    async fn read(response: Response) -> Result<Option<C>, Error> {
        let mut answer: BTreeMap<String, Value> = response.json(crate::limits::RESPONSE_BYTES).await?;
        let configuration = answer.remove(C::MEMBER).map_or(Ok(None), serde_json::from_value);
        configuration.map_err(|error| Error::Response { operation: Self::NAME, problem: ResponseProblem::json(error) })
    }
}

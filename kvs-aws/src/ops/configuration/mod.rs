//! The operations on image-generation and notification configurations, which have the same form.

pub(crate) mod image_generation;
pub(crate) mod json_file;
pub(crate) mod notification;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::marker::PhantomData;

use kvs_types::{ImageGenerationConfiguration, InvalidField, NotificationConfiguration, StreamId};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::client_limits;
use crate::protocol::error::{Error, ResponseProblem};
use crate::protocol::operation::Operation;
use crate::protocol::response::Response;
use json_file::{JsonFile, JsonFileError};

/// Sets or deletes the image-generation configuration of a stream.
pub type UpdateImageGenerationConfiguration = UpdateConfiguration<ImageGenerationConfiguration>;
/// Returns the image-generation configuration of a stream.
pub type DescribeImageGenerationConfiguration = DescribeConfiguration<ImageGenerationConfiguration>;
/// Sets or deletes the notification configuration of a stream.
pub type UpdateNotificationConfiguration = UpdateConfiguration<NotificationConfiguration>;
/// Returns the notification configuration of a stream.
pub type DescribeNotificationConfiguration = DescribeConfiguration<NotificationConfiguration>;

/// A configuration of a stream: [`ImageGenerationConfiguration`] or [`NotificationConfiguration`]. The trait is sealed.
pub trait StreamConfiguration: Clone + Debug + Serialize + DeserializeOwned + Send + Sync + sealed::Sealed {
    /// The name of its JSON member.
    #[doc(hidden)]
    const MEMBER: &'static str;
    /// Name and path of the operation that sets it.
    #[doc(hidden)]
    const UPDATE: [&'static str; 2];
    /// Name and path of the operation that returns it.
    #[doc(hidden)]
    const DESCRIBE: [&'static str; 2];

    /// Checks the values against the service model.
    ///
    /// # Errors
    /// Returns the first member that the service would reject.
    fn check(&self) -> Result<(), InvalidField>;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::ImageGenerationConfiguration {}
    impl Sealed for super::NotificationConfiguration {}
}

/// Sets or deletes a configuration of a stream.
///
/// It reads and writes the JSON files for the option `--cli-input-json` of the AWS CLI.
///
/// ```no_run
/// # async fn example(client: kvs_aws::Client) -> Result<(), Box<dyn std::error::Error>> {
/// use kvs_aws::{ImageGenerationConfiguration, NotificationConfiguration, StreamId, UpdateConfiguration};
///
/// let door: StreamId = "front-door".parse()?;
/// let images = ImageGenerationConfiguration::new("s3://my-bucket-name", "us-east-1");
/// client.send(UpdateConfiguration::new(door.clone(), images)).await?;
/// let notifications = NotificationConfiguration::new("arn:aws:sns:us-east-1:111122223333:cameras");
/// client.send(UpdateConfiguration::new(door.clone(), notifications)).await?;
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

/// The stream and all other members of a request, by name.
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
    /// Creates a request that sets the configuration.
    #[must_use]
    pub const fn new(stream: StreamId, configuration: C) -> Self {
        Self { stream, configuration: Some(configuration) }
    }

    /// Creates a request that deletes the configuration: one without a configuration.
    #[must_use]
    pub const fn delete(stream: StreamId) -> Self {
        Self { stream, configuration: None }
    }

    /// Returns the stream.
    #[must_use]
    pub const fn stream(&self) -> &StreamId {
        &self.stream
    }

    /// Returns the configuration to set; `None` if the request deletes it.
    #[must_use]
    pub const fn configuration(&self) -> Option<&C> {
        self.configuration.as_ref()
    }

    /// Reads a JSON file for the option `--cli-input-json` of the AWS CLI. The file must have a configuration: deletion is
    /// explicit, with [`delete`](Self::delete).
    ///
    /// # Errors
    /// Returns an error if the text is not such JSON, has an unknown member, no stream, no configuration, or a value that the
    /// service would reject.
    pub fn from_json(text: &str) -> Result<Self, JsonFileError> {
        let file = JsonFile::parse(text)?;
        let update = Self::new(file.stream()?, file.member(C::MEMBER)?);
        file.check_unknown(&update)?;
        update.check()?;
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

    fn region(&self) -> Option<&str> {
        self.stream.region()
    }

    fn check(&self) -> Result<(), InvalidField> {
        self.configuration.as_ref().map_or(Ok(()), C::check)
    }

    async fn read(response: Response) -> Result<(), Error> {
        response.empty().await
    }
}

/// Returns a configuration of a stream; `None` if it has none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DescribeConfiguration<C> {
    #[serde(flatten)]
    stream: StreamId,
    #[serde(skip)]
    of: PhantomData<fn() -> C>,
}

impl<C: StreamConfiguration> DescribeConfiguration<C> {
    /// Creates a request.
    #[must_use]
    pub const fn new(stream: StreamId) -> Self {
        Self { stream, of: PhantomData }
    }
}

impl<C: StreamConfiguration> Operation for DescribeConfiguration<C> {
    type Output = Option<C>;
    const NAME: &'static str = C::DESCRIBE[0];
    const PATH: &'static str = C::DESCRIBE[1];

    fn region(&self) -> Option<&str> {
        self.stream.region()
    }

    fn check(&self) -> Result<(), InvalidField> {
        Ok(())
    }

    async fn read(response: Response) -> Result<Option<C>, Error> {
        let mut members: BTreeMap<String, Value> = response.json(client_limits::RESPONSE_BYTES).await?;
        let configuration = members.remove(C::MEMBER).map_or(Ok(None), serde_json::from_value);
        configuration.map_err(|error| Error::Response { operation: Self::NAME, problem: ResponseProblem::json(error) })
    }
}

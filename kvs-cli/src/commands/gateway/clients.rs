//! The clients of the cameras: one for each service and set of credentials.

use kvs_aws::Client;

use super::config::{AwsConfig, CameraConfig};
use crate::connection::{Connection, GivenKeys};
use crate::failure::Failure;

/// The clients so far.
#[derive(Debug)]
pub(super) struct Clients {
    connection: Connection,
    known: Vec<(AwsConfig, Client)>,
}

impl Clients {
    /// What a configuration does not set comes from the command line and the environment.
    pub(super) const fn new(connection: Connection) -> Self {
        Self { connection, known: Vec::new() }
    }

    /// Returns the client of a camera.
    pub(super) async fn of(&mut self, camera: &CameraConfig) -> Result<Client, Failure> {
        let aws = &camera.aws;
        if let Some((_, client)) = self.known.iter().find(|(known, _)| known == aws) {
            return Ok(client.clone());
        }
        let keys = aws.keys.as_ref().map(|keys| GivenKeys {
            id: keys.id.clone(),
            secret: keys.secret.expose().to_owned(),
            token: keys.token.as_ref().map(|token| token.expose().to_owned()),
        });
        let connection = self.connection.with(aws.profile.clone(), aws.region.clone(), aws.endpoint.clone());
        let client = connection.client_with(keys).await?;
        self.known.push((aws.clone(), client.clone()));
        Ok(client)
    }

    /// Forgets clients that no camera uses.
    pub(super) fn keep<'a>(&mut self, cameras: impl Iterator<Item = &'a CameraConfig> + Clone) {
        self.known.retain(|(aws, _)| cameras.clone().any(|camera| camera.aws == *aws));
    }
}

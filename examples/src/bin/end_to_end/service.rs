//! The service of the journey: embedded, or one that already runs.

use std::path::{Path, PathBuf};

use kvs_aws::{Client, ClientConfig, ConfigError, Credentials, Region};
use kvs_local::LocalKvs;
use kvs_notify::{TrustRoots, UrlPolicy, Verifier};

use crate::failure::Failure;
use crate::inbox::{CERTIFICATE_NAME, Inbox, InboxAddress};
use crate::options::Options;

/// The bucket that images go to.
pub(crate) const BUCKET: &str = "end-to-end-images";
/// The name of the topic that notifications go to.
const TOPIC: &str = "end-to-end";
/// The account of the embedded service.
const ACCOUNT: &str = "111122223333";
/// The region of the embedded service.
const REGION: &str = "us-west-2";

/// The service and a client of it.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) client: Client,
    pub(crate) region: String,
    /// Where notifications arrive; only the embedded service posts to it.
    pub(crate) inbox: Option<Inbox>,
    /// The data directory of the service, if it is on this machine.
    data: Option<PathBuf>,
    embedded: Option<LocalKvs>,
}

impl Service {
    /// Starts the embedded service, or creates a client of the running one.
    pub(crate) async fn open(options: &Options) -> Result<Self, Failure> {
        match options.endpoint.as_deref() {
            None => Self::embedded(&options.out.join("service")).await,
            Some(_) => Self::running(options),
        }
    }

    async fn embedded(data: &Path) -> Result<Self, Failure> {
        let address = InboxAddress::listen().await.map_err(Failure::of_run)?;
        let local = LocalKvs::builder()
            .data_dir(data)
            .region(REGION)
            .account(ACCOUNT)
            .subscribe(topic_arn(REGION, ACCOUNT), address.url())
            .start()
            .await
            .map_err(Failure::of_run)?;
        let inbox = address.serve(verifier_of(&local).await?);
        let client = client_of(&local).map_err(Failure::of_run)?;
        let data = Some(data.to_owned());
        Ok(Self { client, region: REGION.to_owned(), inbox: Some(inbox), data, embedded: Some(local) })
    }

    fn running(options: &Options) -> Result<Self, Failure> {
        let client = client_of_environment(options).map_err(Failure::of_input)?;
        let region = client.region().to_string();
        Ok(Self { client, region, inbox: None, data: options.service_data.clone(), embedded: None })
    }

    /// Its name in messages.
    pub(crate) fn name(&self, options: &Options) -> String {
        match &self.embedded {
            Some(local) => format!("embedded service at {}", local.endpoint_url()),
            None => format!("service at {}", options.endpoint.as_deref().unwrap_or_default()),
        }
    }

    /// The directory of the bucket's objects, if it is on this machine.
    pub(crate) fn bucket(&self) -> Option<PathBuf> {
        self.data.as_ref().map(|data| data.join("s3").join(BUCKET))
    }

    /// The directory of the topic's messages, if it is on this machine.
    pub(crate) fn topic(&self) -> Option<PathBuf> {
        self.data.as_ref().map(|data| data.join("sns").join(TOPIC))
    }

    /// Shuts the embedded service down.
    pub(crate) async fn close(self) {
        if let Some(local) = self.embedded {
            local.shutdown().await;
        }
    }
}

/// Accepts messages of the journey's topic that this service signed, and no others.
async fn verifier_of(local: &LocalKvs) -> Result<Verifier, Failure> {
    let authority = local.message_authority().await.map_err(Failure::of_run)?;
    let roots = TrustRoots::new().roots_pem(authority.as_bytes()).map_err(Failure::of_run)?;
    let urls = UrlPolicy::aws().and_origin(local.endpoint_url(), CERTIFICATE_NAME);
    Ok(Verifier::new(roots, vec![topic_arn(REGION, ACCOUNT)]).urls(urls))
}

/// The ARN of the journey's topic.
pub(crate) fn topic_arn(region: &str, account: &str) -> String {
    format!("arn:aws:sns:{region}:{account}:{TOPIC}")
}

fn client_of(local: &LocalKvs) -> Result<Client, ConfigError> {
    let credentials = Credentials::from_keys(local.access_key(), local.secret_key(), None);
    Client::new(ClientConfig::new(Region::new(local.region())?, credentials).endpoint_url(local.endpoint_url())?)
}

/// A client of a running service, with the environment's credentials or those of kvs-local.
fn client_of_environment(options: &Options) -> Result<Client, ConfigError> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    // One key of a pair is a mistake to report, not a reason to sign with other keys.
    let has_keys = variable("AWS_ACCESS_KEY_ID").or_else(|| variable("AWS_SECRET_ACCESS_KEY")).is_some();
    let config = ClientConfig::from_vars(|name| match name {
        "AWS_REGION" => options
            .region
            .clone()
            .or_else(|| variable(name))
            .or_else(|| variable("AWS_DEFAULT_REGION"))
            .or_else(|| Some(REGION.to_owned())),
        "AWS_ACCESS_KEY_ID" if !has_keys => Some(kvs_local::ACCESS_KEY.to_owned()),
        "AWS_SECRET_ACCESS_KEY" if !has_keys => Some(kvs_local::SECRET_KEY.to_owned()),
        "AWS_ENDPOINT_URL_KINESIS_VIDEO" => options.endpoint.clone(),
        name => variable(name),
    })?;
    Client::new(config)
}

//! The service of the journey: embedded, or one that already runs.

use std::path::{Path, PathBuf};

use kvs_aws::Client;
use kvs_examples::cli::{Failure, client_of};
use kvs_local::LocalKvs;
use kvs_notify::{TrustRoots, UrlPolicy, Verifier};

use crate::inbox::{CERTIFICATE_NAME, Inbox, InboxAddress};
use crate::options::Options;

/// The bucket that images go to.
pub(crate) const BUCKET: &str = "end-to-end-images";
/// The name of the topic that notifications go to.
const TOPIC: &str = "end-to-end";
/// The account of the embedded service, as AWS's documentation likes to print it.
const ACCOUNT: &str = "111122223333";
/// The region of the embedded service.
const REGION: &str = "us-west-2";

/// A service and a client of it.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) client: Client,
    pub(crate) region: String,
    /// Where notifications arrive; only the embedded service knows of it.
    pub(crate) inbox: Option<Inbox>,
    /// The folder that the service keeps its images in, if it can be seen from here.
    data: Option<PathBuf>,
    embedded: Option<LocalKvs>,
}

impl Service {
    /// Starts the embedded service, or makes a client of the one that runs.
    pub(crate) async fn open(options: &Options) -> Result<Self, Failure> {
        match options.service.endpoint() {
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
        let client = options.service.client()?;
        let region = client.region().to_string();
        Ok(Self { client, region, inbox: None, data: options.service_data.clone(), embedded: None })
    }

    /// How to name it to people.
    pub(crate) fn name(&self, options: &Options) -> String {
        match &self.embedded {
            Some(local) => format!("embedded service at {}", local.endpoint_url()),
            None => format!("service at {}", options.service.endpoint().unwrap_or_default()),
        }
    }

    /// The folder of the bucket's objects, if it can be seen from here.
    pub(crate) fn bucket(&self) -> Option<PathBuf> {
        self.data.as_ref().map(|data| data.join("s3").join(BUCKET))
    }

    /// The folder of the topic's messages, if it can be seen from here.
    pub(crate) fn topic(&self) -> Option<PathBuf> {
        self.data.as_ref().map(|data| data.join("sns").join(TOPIC))
    }

    /// Ends the embedded service in order.
    pub(crate) async fn close(self) {
        if let Some(local) = self.embedded {
            local.shutdown().await;
        }
    }
}

/// Believes the messages of the journey's topic that this service signed, and no others.
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

//! Credentials as the AWS SDK finds them: its default chain, or a profile of the AWS CLI.

use std::fmt;
use std::time::Duration;

use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::meta::region::ProvideRegion;
use aws_config::profile::{ProfileFileCredentialsProvider, ProfileFileRegionProvider};
use aws_config::provider_config::ProviderConfig;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{SharedCredentialsProvider, future};
use aws_smithy_http_client::{Builder, tls};
use kvs_aws::ProvideCredentials;
use tokio::runtime::Handle;
use tokio::sync::OnceCell;

use crate::runtime;

/// Set up with the first request, because that may wait.
pub(crate) struct SdkCredentials {
    region: String,
    profile: Option<String>,
    provider: OnceCell<SharedCredentialsProvider>,
}

/// The SDK does not say which profile it looked for.
#[derive(Debug, thiserror::Error)]
#[error("profile {profile} has no credentials in the files of the AWS CLI")]
struct ProfileError {
    profile: String,
    source: CredentialsError,
}

/// The files of the AWS CLI are small.
const FILES: Duration = Duration::from_secs(5);

impl SdkCredentials {
    /// Environment, profile, single sign-on, container and instance role.
    pub(crate) fn of_environment(region: &str) -> Self {
        Self { region: region.to_owned(), profile: None, provider: OnceCell::new() }
    }

    /// This profile. As with the AWS CLI, it replaces the keys in the environment.
    pub(crate) fn of_profile(profile: &str, region: &str) -> Self {
        Self { profile: Some(profile.to_owned()), ..Self::of_environment(region) }
    }

    async fn provider(&self) -> &SharedCredentialsProvider {
        self.provider
            .get_or_init(async || {
                // The SDK's default client would add aws-lc as a second TLS provider.
                let tls = tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring);
                let http = Builder::new().tls_provider(tls).build_https();
                let region = aws_config::Region::new(self.region.clone());
                let config = ProviderConfig::without_region().with_region(Some(region)).with_http_client(http);
                let config = config.with_behavior_version(Some(aws_config::BehaviorVersion::v2026_01_12()));
                match &self.profile {
                    Some(profile) => {
                        let provider = ProfileFileCredentialsProvider::builder().configure(&config);
                        SharedCredentialsProvider::new(provider.profile_name(profile).build())
                    }
                    None => {
                        let chain = DefaultCredentialsChain::builder().configure(config).build().await;
                        SharedCredentialsProvider::new(chain)
                    }
                }
            })
            .await
    }
}

/// The Region in the configuration files: of this profile, or of the one that the environment names.
pub(crate) fn region_of_profile(profile: Option<&str>, handle: &Handle) -> Option<String> {
    let provider = ProfileFileRegionProvider::builder();
    let provider = match profile {
        Some(profile) => provider.profile_name(profile),
        None => provider,
    };
    let region = async move { provider.build().region().await };
    runtime::wait(handle, FILES, region).flatten().map(|region| region.to_string())
}

impl fmt::Debug for SdkCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct("SdkCredentials");
        fields.field("region", &self.region).field("profile", &self.profile).finish_non_exhaustive()
    }
}

impl ProvideCredentials for SdkCredentials {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            let found = self.provider().await.provide_credentials().await;
            found.map_err(|source| match &self.profile {
                Some(profile) => CredentialsError::provider_error(ProfileError { profile: profile.clone(), source }),
                None => source,
            })
        })
    }
}

//! AWS profiles, single sign-on and the rest of the SDK's credential chain, through `aws-config`.

use kvs_aws::ClientConfig;

use crate::failure::Failure;

/// Loads a profile, or the default chain when no profile is named.
#[cfg(feature = "aws-config")]
pub(crate) async fn load(profile: Option<&str>, region: Option<String>) -> Result<ClientConfig, Failure> {
    use aws_config::profile::ProfileFileCredentialsProvider;
    use aws_config::provider_config::ProviderConfig;
    use aws_config::{BehaviorVersion, Region};
    use aws_smithy_http_client::{Builder, tls};

    // ring is in the program already; the SDK's default client would add aws-lc as a second TLS provider.
    let tls = tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring);
    let (http, version) = (Builder::new().tls_provider(tls).build_https(), BehaviorVersion::v2026_01_12());
    let region = region.map(Region::new);
    let mut loader = aws_config::defaults(version).http_client(http.clone());
    if let Some(region) = region.clone() {
        loader = loader.region(region);
    }
    if let Some(profile) = profile {
        // As with the AWS CLI, --profile replaces the keys in the environment. The default chain would prefer those.
        let provider = ProviderConfig::without_region().with_region(region).with_http_client(http);
        let provider = provider.with_behavior_version(Some(version));
        let credentials = ProfileFileCredentialsProvider::builder().configure(&provider).profile_name(profile).build();
        loader = loader.profile_name(profile).credentials_provider(credentials);
    }
    let sdk = loader.load().await;
    ClientConfig::try_from(&sdk).map_err(|error| {
        let failure = Failure::of_input(error);
        match profile {
            Some(profile) => failure.about(format!("profile {profile}")),
            None => failure,
        }
    })
}

/// Explains that this build has no profiles; without a profile the environment has to say everything.
#[cfg(not(feature = "aws-config"))]
#[expect(clippy::unused_async, reason = "the other build waits for files and HTTP")]
pub(crate) async fn load(profile: Option<&str>, region: Option<String>) -> Result<ClientConfig, Failure> {
    if profile.is_some() {
        return Err(Failure::input(
            "--profile: this kvs was built without the feature aws-config; set AWS_ACCESS_KEY_ID, \
             AWS_SECRET_ACCESS_KEY and AWS_REGION instead",
        ));
    }
    Ok(ClientConfig::from_vars(|name| match name {
        "AWS_REGION" => region.clone(),
        name => std::env::var(name).ok().filter(|value| !value.is_empty()),
    })?)
}

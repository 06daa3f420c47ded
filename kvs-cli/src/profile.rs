//! AWS profiles, single sign-on and the rest of the SDK's credential chain, through `aws-config`.

use kvs_aws::ClientConfig;

use crate::failure::Failure;

/// Loads a profile, or the default chain when no profile is named.
#[cfg(feature = "aws-config")]
pub(crate) async fn load(profile: Option<&str>, region: Option<String>) -> Result<ClientConfig, Failure> {
    use aws_config::{BehaviorVersion, Region};
    use aws_smithy_http_client::{Builder, tls};

    // ring is in the program already; the SDK's default client would add aws-lc as a second TLS provider.
    let provider = tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring);
    let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .http_client(Builder::new().tls_provider(provider).build_https());
    if let Some(profile) = profile {
        loader = loader.profile_name(profile);
    }
    if let Some(region) = region {
        loader = loader.region(Region::new(region));
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

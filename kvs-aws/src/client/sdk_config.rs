//! Conversion from the configuration of the AWS SDK for Rust.

use aws_types::SdkConfig;
use aws_types::service_config::ServiceConfigKey;

use crate::client::config::{ClientConfig, ConfigError};
use crate::net::region::Region;

/// Takes region, credentials provider, FIPS, dual-stack and endpoint from the `SdkConfig` that the crate `aws-config` loads, for
/// example from a profile, SSO or IMDS.
///
/// The endpoint for Kinesis Video Streams takes precedence over the general one. Timeouts, retries, HTTP client and proxy are
/// not taken: those of the SDK are made for short requests and would interrupt long-lived media.
///
/// ```ignore
/// // Cargo.toml: aws-config = "1", kvs-aws = { version = "0.1", features = ["aws-config"] }
/// let sdk_config = aws_config::defaults(aws_config::BehaviorVersion::latest()).profile_name("cameras").load().await;
/// let config = ClientConfig::try_from(&sdk_config)?.proxy(Proxy::from_env()?);
/// let client = Client::new(config)?;
/// ```
///
/// To use only the credentials, pass the provider to [`ClientConfig::new`] or [`ClientConfig::credentials`]:
///
/// ```
/// use aws_types::SdkConfig;
/// use aws_types::region::Region as SdkRegion;
/// use kvs_aws::{Client, ClientConfig, Credentials, Region};
/// # use aws_credential_types::provider::SharedCredentialsProvider;
/// # let provider = SharedCredentialsProvider::new(Credentials::from_keys("AKID", "secret", None));
/// # let sdk_config = SdkConfig::builder().region(SdkRegion::new("eu-west-1")).credentials_provider(provider).build();
///
/// let client = Client::new(ClientConfig::try_from(&sdk_config)?)?;
/// assert_eq!(client.control_endpoint().to_string(), "https://kinesisvideo.eu-west-1.amazonaws.com");
///
/// let provider = sdk_config.credentials_provider().ok_or("no credentials provider")?;
/// let elsewhere = Client::new(ClientConfig::new(Region::new("us-west-2")?, provider))?;
/// assert_eq!(elsewhere.region().as_str(), "us-west-2");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
impl TryFrom<&SdkConfig> for ClientConfig {
    type Error = ConfigError;

    fn try_from(sdk: &SdkConfig) -> Result<Self, ConfigError> {
        let region = sdk.region().ok_or(ConfigError::MissingRegion)?;
        let credentials = sdk.credentials_provider();
        let credentials = credentials.ok_or(ConfigError::MissingCredentials("a credentials provider"))?;
        let config = Self::new(Region::new(region.as_ref())?, credentials)
            .use_fips(sdk.use_fips() == Some(true))
            .use_dual_stack(sdk.use_dual_stack() == Some(true));
        match service_endpoint(sdk).or_else(|| sdk.endpoint_url().map(str::to_owned)) {
            Some(url) => config.endpoint_url(&url),
            None => Ok(config),
        }
    }
}

/// Returns `AWS_ENDPOINT_URL_KINESIS_VIDEO`, or the corresponding setting of a profile.
fn service_endpoint(sdk: &SdkConfig) -> Option<String> {
    let key = ServiceConfigKey::builder().service_id("Kinesis Video").env("AWS_ENDPOINT_URL").profile("endpoint_url");
    sdk.service_config()?.load_config(key.build().ok()?)
}

#[cfg(test)]
mod tests {
    use aws_credential_types::Credentials;
    use aws_credential_types::provider::SharedCredentialsProvider;
    use aws_types::region::Region;
    use aws_types::service_config::LoadServiceConfig;

    use super::*;

    #[derive(Debug)]
    struct Environment;

    impl LoadServiceConfig for Environment {
        fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
            let name = key.service_id().to_uppercase().replace(' ', "_");
            (format!("{}_{name}", key.env()) == "AWS_ENDPOINT_URL_KINESIS_VIDEO")
                .then(|| "http://127.0.0.1:7".to_owned())
        }
    }

    fn sdk() -> aws_types::sdk_config::Builder {
        let keys = SharedCredentialsProvider::new(Credentials::from_keys("AKID", "secret", None));
        SdkConfig::builder().region(Region::new("us-east-1")).credentials_provider(keys)
    }

    #[test]
    fn service_specific_endpoint_takes_precedence() {
        let general = || sdk().endpoint_url("http://127.0.0.1:8");
        let endpoint = |sdk: SdkConfig| ClientConfig::try_from(&sdk).unwrap().control_endpoint().unwrap().to_string();
        assert_eq!(endpoint(general().build()), "http://127.0.0.1:8");
        assert_eq!(endpoint(general().service_config(Environment).build()), "http://127.0.0.1:7");
        assert_eq!(endpoint(sdk().use_fips(true).build()), "https://kinesisvideo-fips.us-east-1.amazonaws.com");
        assert_eq!(endpoint(sdk().use_dual_stack(true).build()), "https://kinesisvideo.us-east-1.api.aws");
    }

    #[test]
    fn rejects_a_missing_region() {
        let empty = SdkConfig::builder().build();
        assert!(matches!(ClientConfig::try_from(&empty), Err(ConfigError::MissingRegion)));
    }
}

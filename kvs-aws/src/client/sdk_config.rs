//! What `aws-config` loads, taken over.

use aws_types::SdkConfig;
use aws_types::service_config::ServiceConfigKey;

use crate::client::config::{ClientConfig, ConfigError};
use crate::net::endpoint::{Fips, IpFamilies};
use crate::net::region::Region;

/// Takes region, credentials, FIPS, dual-stack and the endpoint (the one for this service before the general one).
///
/// Timeouts, retries and the HTTP client stay this crate's own: those of the SDK are made for short requests and cut
/// long-lived media.
///
/// ```
/// use aws_types::SdkConfig;
/// use aws_types::region::Region;
/// use kvs_aws::{ClientConfig, Credentials};
///
/// let provider = aws_credential_types::provider::SharedCredentialsProvider::new(Credentials::from_keys("AKID", "secret", None));
/// // In a program: aws_config::load_defaults(aws_config::BehaviorVersion::latest()).await
/// let sdk = SdkConfig::builder().region(Region::new("eu-west-1")).credentials_provider(provider).build();
/// let config = ClientConfig::try_from(&sdk)?;
/// assert_eq!(config.control_endpoint()?.to_string(), "https://kinesisvideo.eu-west-1.amazonaws.com");
/// # Ok::<(), kvs_aws::ConfigError>(())
/// ```
impl TryFrom<&SdkConfig> for ClientConfig {
    type Error = ConfigError;

    fn try_from(sdk: &SdkConfig) -> Result<Self, ConfigError> {
        let region = sdk.region().ok_or(ConfigError::MissingRegion)?;
        let credentials = sdk.credentials_provider();
        let credentials = credentials.ok_or(ConfigError::MissingCredentials("a credentials provider"))?;
        let mut config = Self::new(Region::new(region.as_ref())?, credentials);
        if sdk.use_fips() == Some(true) {
            config = config.fips(Fips::Required);
        }
        if sdk.use_dual_stack() == Some(true) {
            config = config.ip_families(IpFamilies::DualStack);
        }
        match own_endpoint(sdk).or_else(|| sdk.endpoint_url().map(str::to_owned)) {
            Some(url) => config.endpoint_url(&url),
            None => Ok(config),
        }
    }
}

/// `AWS_ENDPOINT_URL_KINESIS_VIDEO`, or the same in a profile.
fn own_endpoint(sdk: &SdkConfig) -> Option<String> {
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
    fn the_endpoint_of_this_service_wins_over_the_general_one() {
        let general = || sdk().endpoint_url("http://127.0.0.1:8");
        let endpoint = |sdk: SdkConfig| ClientConfig::try_from(&sdk).unwrap().control_endpoint().unwrap().to_string();
        assert_eq!(endpoint(general().build()), "http://127.0.0.1:8");
        assert_eq!(endpoint(general().service_config(Environment).build()), "http://127.0.0.1:7");
        assert_eq!(endpoint(sdk().use_fips(true).build()), "https://kinesisvideo-fips.us-east-1.amazonaws.com");
        assert_eq!(endpoint(sdk().use_dual_stack(true).build()), "https://kinesisvideo.us-east-1.api.aws");
    }

    #[test]
    fn what_is_missing_is_named() {
        let empty = SdkConfig::builder().build();
        assert!(matches!(ClientConfig::try_from(&empty), Err(ConfigError::MissingRegion)));
    }
}

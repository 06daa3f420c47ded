//! The service that a command calls, and the credentials it signs with.

use clap::Args;
use kvs_aws::{
    Client, ClientConfig, ConfigError, Credentials, Endpoint, InvalidEndpoint, IotConfig, IotCredentials, Proxy,
    TlsRoots,
};

use crate::failure::Failure;
use crate::profile;

/// The keys and the Region of kvs-local, unless it is started with others.
const LOCAL_ACCESS_KEY: &str = "kvs-local";
const LOCAL_SECRET_KEY: &str = "kvs-local-secret";
const LOCAL_REGION: &str = "us-west-2";
/// What names credentials in the environment beside a pair of keys: the keys of kvs-local do not replace them.
const NAMED_CREDENTIALS: [&str; 4] = [
    "AWS_PROFILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
];

/// Where the service is and who calls it.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Connection {
    /// AWS profile to take credentials and Region from. Default: AWS_PROFILE, or "default".
    #[arg(long, global = true, value_name = "NAME", help_heading = GLOBAL)]
    profile: Option<String>,

    /// AWS Region. Default: AWS_REGION, AWS_DEFAULT_REGION or the profile's.
    #[arg(long, global = true, value_name = "REGION", help_heading = GLOBAL)]
    region: Option<String>,

    /// Service address, for example http://127.0.0.1:4567 for kvs-local. Default: AWS_ENDPOINT_URL_KINESIS_VIDEO,
    /// AWS_ENDPOINT_URL, or AWS in the Region.
    #[arg(long, global = true, value_name = "URL", value_parser = parse_endpoint, help_heading = GLOBAL)]
    endpoint: Option<String>,
}

/// The heading of the options that every command takes.
pub(crate) const GLOBAL: &str = "Global options";

/// An access key that a configuration file states.
pub(crate) struct GivenKeys {
    pub(crate) id: String,
    pub(crate) secret: String,
    pub(crate) token: Option<String>,
}

impl std::fmt::Debug for GivenKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

/// Where credentials come from, in the order in which the sources are tried.
#[derive(Debug)]
enum Source {
    /// `--profile`.
    Profile,
    /// Keys that the caller has.
    Given(GivenKeys),
    /// A device certificate: the variables `AWS_IOT_CORE_*`.
    Device(Box<IotConfig>),
    /// `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`.
    Keys,
    /// The keys that kvs-local accepts, for an endpoint that is not AWS, if nothing names other credentials.
    LocalKeys,
    /// The credential chain of the AWS SDK: files, single sign-on, container and instance roles.
    Chain,
}

impl Source {
    const fn name(&self) -> &'static str {
        match self {
            Self::Profile => "profile",
            Self::Given(_) => "given keys",
            Self::Device(_) => "device certificate",
            Self::Keys => "keys in the environment",
            Self::LocalKeys => "keys of kvs-local",
            Self::Chain => "default chain of the AWS SDK",
        }
    }
}

impl Connection {
    /// The same with other settings, where these are given.
    #[cfg(feature = "gateway")]
    pub(crate) fn with(&self, profile: Option<String>, region: Option<String>, endpoint: Option<String>) -> Self {
        Self {
            profile: profile.or_else(|| self.profile.clone()),
            region: region.or_else(|| self.region.clone()),
            endpoint: endpoint.or_else(|| self.endpoint.clone()),
        }
    }

    /// Creates a client.
    pub(crate) async fn client(&self) -> Result<Client, Failure> {
        self.client_with(None).await
    }

    /// Creates a client that signs with these keys, or with those of the environment.
    pub(crate) async fn client_with(&self, keys: Option<GivenKeys>) -> Result<Client, Failure> {
        let source = match keys {
            Some(keys) => Source::Given(keys),
            None => self.source()?,
        };
        let name = source.name();
        let config = match source {
            Source::Profile | Source::Chain => self.chain_config().await?,
            Source::Given(GivenKeys { id, secret, token }) => {
                self.environment_config(true)?.credentials(Credentials::from_keys(id, secret, token))
            }
            Source::Device(device) => {
                self.environment_config(true)?.credentials(IotCredentials::new(*device).map_err(Failure::of_input)?)
            }
            Source::Keys => self.environment_config(false)?,
            Source::LocalKeys => self.environment_config(true)?,
        };
        let client = Client::new(config)?;
        tracing::debug!(region = %client.region(), endpoint = ?self.endpoint, credentials = name, "client created");
        Ok(client)
    }

    fn source(&self) -> Result<Source, Failure> {
        if self.profile.is_some() {
            return Ok(Source::Profile);
        }
        if let Some(device) = IotConfig::from_env().map_err(Failure::of_input)? {
            return Ok(Source::Device(Box::new(device)));
        }
        // One key of a pair is a mistake to report, not a reason to sign with other keys.
        if variable("AWS_ACCESS_KEY_ID").is_some() || variable("AWS_SECRET_ACCESS_KEY").is_some() {
            return Ok(Source::Keys);
        }
        let named = NAMED_CREDENTIALS.into_iter().any(|name| variable(name).is_some());
        Ok(if self.is_custom() && !named { Source::LocalKeys } else { Source::Chain })
    }

    /// Whether the service is at an address that was given, and not at AWS. An endpoint in a private network is AWS too.
    pub(crate) fn is_custom(&self) -> bool {
        let given = self.endpoint.clone();
        let given =
            given.or_else(|| variable("AWS_ENDPOINT_URL_KINESIS_VIDEO")).or_else(|| variable("AWS_ENDPOINT_URL"));
        // What cannot be read is reported when the client is created.
        given.is_some_and(|url| url.parse::<Endpoint>().is_ok_and(|endpoint| !endpoint.is_aws()))
    }

    fn region(&self) -> Option<String> {
        self.region.clone().or_else(|| variable("AWS_REGION")).or_else(|| variable("AWS_DEFAULT_REGION"))
    }

    /// The environment's configuration; with the keys of kvs-local where others replace them or none are needed.
    fn environment_config(&self, local_keys: bool) -> Result<ClientConfig, ConfigError> {
        ClientConfig::from_vars(|name| match name {
            "AWS_REGION" => self.region().or_else(|| self.is_custom().then(|| LOCAL_REGION.to_owned())),
            "AWS_ACCESS_KEY_ID" if local_keys => Some(LOCAL_ACCESS_KEY.to_owned()),
            "AWS_SECRET_ACCESS_KEY" if local_keys => Some(LOCAL_SECRET_KEY.to_owned()),
            "AWS_SESSION_TOKEN" if local_keys => None,
            "AWS_ENDPOINT_URL_KINESIS_VIDEO" => self.endpoint.clone().or_else(|| variable(name)),
            name => variable(name),
        })
    }

    /// What the AWS config files and the credential chain say; an address that was given replaces theirs.
    async fn chain_config(&self) -> Result<ClientConfig, Failure> {
        let region = self.region().or_else(|| self.is_custom().then(|| LOCAL_REGION.to_owned()));
        let config = profile::load(self.profile.as_deref(), region).await?;
        let config = config.proxy(Proxy::from_env().map_err(Failure::of_input)?);
        let config = match variable("AWS_CA_BUNDLE") {
            Some(path) => config.tls_roots(TlsRoots::PemFile(path.into())),
            None => config,
        };
        match &self.endpoint {
            Some(endpoint) => Ok(config.endpoint_url(endpoint)?),
            None => Ok(config),
        }
    }
}

/// An environment variable that is set and not empty.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Checks an address here, so that the message names the option and not an environment variable.
fn parse_endpoint(text: &str) -> Result<String, InvalidEndpoint> {
    text.parse::<Endpoint>().map(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    #[test]
    fn local_keys_are_those_of_kvs_local() {
        assert_eq!((super::LOCAL_ACCESS_KEY, super::LOCAL_SECRET_KEY), (kvs_local::ACCESS_KEY, kvs_local::SECRET_KEY));
    }
}

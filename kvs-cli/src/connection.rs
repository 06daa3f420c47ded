//! The service that a command calls, and as who.

use clap::Args;
use kvs_aws::{Client, ClientConfig, ConfigError, Endpoint, InvalidEndpoint, IotConfig, IotCredentials};

use crate::failure::Failure;

/// The keys that kvs-local takes unless it is started with others.
const LOCAL_ACCESS_KEY: &str = "kvs-local";
const LOCAL_SECRET_KEY: &str = "kvs-local-secret";

/// Where the service is.
#[derive(Debug, Clone, Args)]
pub(crate) struct Connection {
    /// The service's address, for example http://127.0.0.1:4567. Without it AWS_ENDPOINT_URL, or AWS itself.
    #[arg(long, global = true, value_name = "URL", value_parser = parse_endpoint)]
    endpoint: Option<String>,
    /// The region. Without it AWS_REGION or AWS_DEFAULT_REGION.
    #[arg(long, global = true, value_name = "REGION")]
    region: Option<String>,
}

impl Connection {
    /// A client of it, with credentials from the environment: keys, or a device's certificate (`AWS_IOT_CORE_*`). For an
    /// endpoint that is named here, those of kvs-local and its region are taken if the environment has none.
    ///
    /// # Errors
    /// When region, credentials or endpoint are missing or wrong.
    pub(crate) fn client(&self) -> Result<Client, Failure> {
        let device = IotConfig::from_env().map_err(Failure::of_input)?;
        let config = self.config(device.is_some())?;
        let config = match device {
            Some(device) => config.credentials(IotCredentials::new(device).map_err(Failure::of_input)?),
            None => config,
        };
        Ok(Client::new(config)?)
    }

    /// The environment's configuration. A device brings no keys: those that stand in here are replaced.
    fn config(&self, device: bool) -> Result<ClientConfig, ConfigError> {
        let custom = self.endpoint.is_some() || std::env::var_os("AWS_ENDPOINT_URL").is_some();
        let own = |name: &str| -> Option<String> {
            match name {
                "AWS_REGION" if custom => Some("us-west-2".to_owned()),
                "AWS_ACCESS_KEY_ID" if custom || device => Some(LOCAL_ACCESS_KEY.to_owned()),
                "AWS_SECRET_ACCESS_KEY" if custom || device => Some(LOCAL_SECRET_KEY.to_owned()),
                _ => None,
            }
        };
        let has = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        // Half a pair of keys is a mistake, not a reason to sign with others.
        let keys = has("AWS_ACCESS_KEY_ID").is_some() || has("AWS_SECRET_ACCESS_KEY").is_some();
        ClientConfig::from_vars(|name| match name {
            "AWS_REGION" => {
                self.region.clone().or_else(|| has(name)).or_else(|| has("AWS_DEFAULT_REGION")).or_else(|| own(name))
            }
            "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" if !keys => own(name),
            "AWS_ENDPOINT_URL_KINESIS_VIDEO" => self.endpoint.clone().or_else(|| has(name)),
            name => has(name),
        })
    }
}

/// The address as it was given, if it is one: a mistake should be laid to the option, not to a variable.
fn parse_endpoint(text: &str) -> Result<String, InvalidEndpoint> {
    text.parse::<Endpoint>().map(|_| text.to_owned())
}

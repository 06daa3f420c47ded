//! The client: Region, endpoint and credentials from the properties and the environment. Nothing here waits for a network.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::provider_config::ProviderConfig;
use aws_credential_types::provider::future;
use aws_smithy_http_client::{Builder, tls};
use kvs_aws::{
    Client, ClientConfig, Credentials, IotConfig, IotCredentials, ProvideCredentials, Proxy, Timeouts, TlsRoots,
};
use tokio::sync::OnceCell;

use crate::credential_file::CredentialFile;
use crate::failure::SetupError;
use crate::settings::Settings;

/// What kvssink uses if no Region is set.
const DEFAULT_REGION: &str = "us-west-2";
/// The keys of kvs-local, unless it is started with others.
const LOCAL_KEYS: (&str, &str) = ("kvs-local", "kvs-local-secret");
/// Most bytes of a certificate or key file.
const PEM_BYTES: u64 = 256 << 10;

/// Creates a client. Files are read, requests are not sent.
pub(crate) fn client(settings: &Settings) -> Result<Client, SetupError> {
    let endpoint = endpoint(settings);
    let region = region(settings);
    let config = ClientConfig::from_vars(|name| match name {
        "AWS_REGION" => Some(region.clone()),
        // Replaced below.
        "AWS_ACCESS_KEY_ID" => Some(LOCAL_KEYS.0.to_owned()),
        "AWS_SECRET_ACCESS_KEY" => Some(LOCAL_KEYS.1.to_owned()),
        "AWS_SESSION_TOKEN" => None,
        "AWS_ENDPOINT_URL_KINESIS_VIDEO" => endpoint.clone(),
        "AWS_ENDPOINT_URL" => None,
        "AWS_CA_BUNDLE" => settings.ca_file.clone().or_else(|| variable(name)),
        name => variable(name),
    })?;
    let config = with_credentials(config, settings, &region, endpoint.is_some())?;
    let config =
        config.timeouts(Timeouts::default().connect(Duration::from_secs(settings.connection_timeout_s.into())));
    Ok(Client::new(match &settings.user_agent {
        Some(name) => config.user_agent(name),
        None => config,
    })?)
}

fn region(settings: &Settings) -> String {
    let given = settings.region.clone().or_else(|| variable("AWS_REGION"));
    given.or_else(|| variable("AWS_DEFAULT_REGION")).unwrap_or_else(|| DEFAULT_REGION.to_owned())
}

/// `CONTROL_PLANE_URI` is the variable of kvssink.
fn endpoint(settings: &Settings) -> Option<String> {
    let variables = ["CONTROL_PLANE_URI", "AWS_ENDPOINT_URL_KINESIS_VIDEO", "AWS_ENDPOINT_URL"];
    settings.endpoint.clone().or_else(|| variables.into_iter().find_map(variable))
}

/// An environment variable that is set and not empty.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The sources of credentials in their order.
fn with_credentials(
    config: ClientConfig,
    settings: &Settings,
    region: &str,
    is_custom: bool,
) -> Result<ClientConfig, SetupError> {
    if let Some(keys) = given_keys(settings)? {
        return Ok(config.credentials(keys));
    }
    if let Some(device) = &settings.iot_certificate {
        return Ok(config.credentials(IotCredentials::new(device_config(device, &settings.stream_name)?)?));
    }
    if let Some(path) = &settings.credential_path {
        let file = CredentialFile::new(path);
        file.read().map_err(|error| SetupError::CredentialFile { path: path.into(), error })?;
        return Ok(config.credentials(file));
    }
    if let Some(device) = IotConfig::from_env()? {
        return Ok(config.credentials(IotCredentials::new(device)?));
    }
    let has_own =
        ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"].into_iter().any(|name| variable(name).is_some());
    if is_custom && !has_own {
        return Ok(config.credentials(Credentials::from_keys(LOCAL_KEYS.0, LOCAL_KEYS.1, None)));
    }
    Ok(config.credentials(DefaultChain::new(region)))
}

fn given_keys(settings: &Settings) -> Result<Option<Credentials>, SetupError> {
    match (settings.access_key.given(), settings.secret_key.given()) {
        (Some(key), Some(secret)) => {
            let token = settings.session_token.given().map(str::to_owned);
            Ok(Some(Credentials::from_keys(key, secret, token)))
        }
        (Some(_), None) => Err(SetupError::HalfOfKeys { given: "access-key", missing: "secret-key" }),
        (None, Some(_)) => Err(SetupError::HalfOfKeys { given: "secret-key", missing: "access-key" }),
        (None, None) => Ok(None),
    }
}

/// The fields are those of kvssink; the thing name defaults to the stream name, as there.
fn device_config(fields: &gst::StructureRef, stream: &str) -> Result<IotConfig, SetupError> {
    let field = |name| fields.get::<String>(name).ok().filter(|value| !value.is_empty());
    let required = |name| field(name).ok_or(SetupError::IotField { field: name });
    let certificate = read_pem(required("cert-path")?)?;
    let key = read_pem(required("key-path")?)?;
    let config = IotConfig::new(&required("endpoint")?, required("role-aliases")?, certificate, key)?;
    let config = config.proxy(Proxy::from_env().map_err(|error| SetupError::invalid("iot-certificate", error))?);
    let config = match field("ca-path") {
        Some(path) => config.tls_roots(TlsRoots::PemFile(path.into())),
        None => config,
    };
    Ok(config.thing_name(field("iot-thing-name").unwrap_or_else(|| stream.to_owned()))?)
}

fn read_pem(path: String) -> Result<Vec<u8>, SetupError> {
    use std::io::Read;
    let path = PathBuf::from(path);
    let mut bytes = Vec::new();
    let read = std::fs::File::open(&path).and_then(|file| file.take(PEM_BYTES + 1).read_to_end(&mut bytes));
    let read = read.and_then(|_| match bytes.len() as u64 {
        ..=PEM_BYTES => Ok(()),
        _ => Err(std::io::Error::other(format!("more than {PEM_BYTES} bytes"))),
    });
    read.map(|()| bytes).map_err(|error| SetupError::File { property: "iot-certificate", path, error })
}

/// Environment, profile, single sign-on, container and instance role. Set up with the first request, because that may wait.
struct DefaultChain {
    region: String,
    chain: OnceCell<DefaultCredentialsChain>,
}

impl DefaultChain {
    fn new(region: &str) -> Self {
        Self { region: region.to_owned(), chain: OnceCell::new() }
    }

    async fn chain(&self) -> &DefaultCredentialsChain {
        self.chain
            .get_or_init(async || {
                // The SDK's default client would add aws-lc as a second TLS provider.
                let tls = tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring);
                let http = Builder::new().tls_provider(tls).build_https();
                let region = aws_config::Region::new(self.region.clone());
                let config = ProviderConfig::without_region().with_region(Some(region)).with_http_client(http);
                let config = config.with_behavior_version(Some(aws_config::BehaviorVersion::v2026_01_12()));
                DefaultCredentialsChain::builder().configure(config).build().await
            })
            .await
    }
}

impl fmt::Debug for DefaultChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DefaultChain").field("region", &self.region).finish_non_exhaustive()
    }
}

impl ProvideCredentials for DefaultChain {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async { self.chain().await.provide_credentials().await })
    }
}

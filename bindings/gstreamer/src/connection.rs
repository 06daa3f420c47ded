//! The client: Region, endpoint and credentials from the properties and the environment. Nothing here waits for a network.

use std::path::PathBuf;
use std::time::Duration;

use kvs_aws::{Client, ClientConfig, Credentials, Endpoint, IotConfig, IotCredentials, Proxy, Timeouts, TlsRoots};
use tokio::runtime::Handle;

use crate::credential_file::CredentialFile;
use crate::failure::SetupError;
use crate::sdk_credentials::{self, SdkCredentials};
use crate::settings::Settings;

/// What kvssink uses if no Region is set.
const DEFAULT_REGION: &str = "us-west-2";
/// The keys of kvs-local, unless it is started with others.
const LOCAL_KEYS: (&str, &str) = ("kvs-local", "kvs-local-secret");
/// What names credentials in the environment: the keys of kvs-local do not replace them.
const OWN_CREDENTIALS: [&str; 6] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_PROFILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
];
/// Most bytes of a certificate or key file.
const PEM_BYTES: u64 = 256 << 10;

/// Creates a client. Files are read, requests are not sent.
pub(crate) fn client(settings: &Settings, handle: &Handle) -> Result<Client, SetupError> {
    let endpoint = endpoint(settings);
    let is_local = endpoint.as_deref().is_some_and(|endpoint| !is_aws(endpoint)) && !has_own_credentials(settings);
    let region = region(settings, handle, is_local);
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
    let config = with_credentials(config, settings, &region, is_local)?;
    let config =
        config.timeouts(Timeouts::default().connect(Duration::from_secs(settings.connection_timeout_s.into())));
    Ok(Client::new(match &settings.user_agent {
        Some(name) => config.user_agent(name),
        None => config,
    })?)
}

fn region(settings: &Settings, handle: &Handle, is_local: bool) -> String {
    let given = settings.region.clone().or_else(|| variable("AWS_REGION")).or_else(|| variable("AWS_DEFAULT_REGION"));
    let of_profile = || (!is_local).then(|| sdk_credentials::region_of_profile(settings.profile.as_deref(), handle));
    given.or_else(|| of_profile().flatten()).unwrap_or_else(|| DEFAULT_REGION.to_owned())
}

/// Whether credentials for this endpoint are named anywhere.
fn has_own_credentials(settings: &Settings) -> bool {
    settings.profile.is_some() || OWN_CREDENTIALS.into_iter().any(|name| variable(name).is_some())
}

/// `CONTROL_PLANE_URI` is the variable of kvssink.
fn endpoint(settings: &Settings) -> Option<String> {
    let variables = ["CONTROL_PLANE_URI", "AWS_ENDPOINT_URL_KINESIS_VIDEO", "AWS_ENDPOINT_URL"];
    settings.endpoint.clone().or_else(|| variables.into_iter().find_map(variable))
}

/// An endpoint of AWS, such as that of a private network, never takes the keys of kvs-local.
fn is_aws(endpoint: &str) -> bool {
    endpoint.parse::<Endpoint>().is_ok_and(|endpoint| endpoint.is_aws())
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
    is_local: bool,
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
    if let Some(profile) = &settings.profile {
        return Ok(config.credentials(SdkCredentials::of_profile(profile, region)));
    }
    if let Some(device) = IotConfig::from_env()? {
        return Ok(config.credentials(IotCredentials::new(device)?));
    }
    if is_local {
        return Ok(config.credentials(Credentials::from_keys(LOCAL_KEYS.0, LOCAL_KEYS.1, None)));
    }
    Ok(config.credentials(SdkCredentials::of_environment(region)))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_of_aws_do_not_take_the_keys_of_kvs_local() {
        assert!(is_aws("https://vpce-0a1b-2c3d.kinesisvideo.eu-west-1.vpce.amazonaws.com"));
        assert!(is_aws("https://kinesisvideo.us-west-2.api.aws:443/"));
        assert!(!is_aws("http://127.0.0.1:4567"));
        assert!(!is_aws("http://amazonaws.com.example:4567/.amazonaws.com"));
    }
}

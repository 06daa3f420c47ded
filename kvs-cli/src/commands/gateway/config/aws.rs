//! Which service a camera is sent to, and whose credentials sign.

use std::path::Path;

use kvs_aws::Endpoint;

use super::document::Section;
use super::secret::Secret;

/// The service and the credentials of a camera. What is not set comes from the command line and the environment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct AwsConfig {
    pub(crate) profile: Option<String>,
    pub(crate) region: Option<String>,
    pub(crate) endpoint: Option<String>,
    pub(crate) keys: Option<Keys>,
}

/// An access key. Its secret parts are redacted in `Debug`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Keys {
    pub(crate) id: String,
    pub(crate) secret: Secret,
    pub(crate) token: Option<Secret>,
}

impl AwsConfig {
    /// Reads `[aws]`, or the `aws` of a camera, which replaces fields of `default`.
    pub(super) fn read(mut section: Section<'_>, default: &Self, folder: &Path) -> Self {
        let profile = section.text("profile");
        let region = section.parsed("region", |text| match kvs_aws::Region::new(text) {
            Ok(_) => Ok(text.to_owned()),
            Err(error) => Err(error.to_string()),
        });
        let endpoint = section.parsed("endpoint", |text| match text.parse::<Endpoint>() {
            Ok(_) => Ok(text.to_owned()),
            Err(error) => Err(error.to_string()),
        });
        let keys = Keys::read(&mut section, folder);
        if profile.is_some() && keys.is_some() {
            section.refuse("profile", "give a profile or keys, not both".to_owned());
        }
        section.finish();
        // Who signs is one decision: a profile of the camera replaces keys of all, and the other way round.
        let (profile, keys) = match (profile, keys) {
            (None, None) => (default.profile.clone(), default.keys.clone()),
            own => own,
        };
        Self {
            profile,
            region: region.or_else(|| default.region.clone()),
            endpoint: endpoint.or_else(|| default.endpoint.clone()),
            keys,
        }
    }
}

impl Keys {
    fn read(section: &mut Section<'_>, folder: &Path) -> Option<Self> {
        let id = section.text("access_key_id");
        let secret = read_secret(section, "secret_access_key", "secret_access_key_file", folder);
        let token = read_secret(section, "session_token", "session_token_file", folder);
        match (id, secret) {
            (Some(id), Some(secret)) => return Some(Self { id, secret, token }),
            (Some(_), None) if !section.has("secret_access_key") && !section.has("secret_access_key_file") => {
                section.refuse("access_key_id", "needs secret_access_key or secret_access_key_file".to_owned());
            }
            (None, Some(_)) if !section.has("access_key_id") => {
                section.refuse("secret_access_key", "needs access_key_id".to_owned());
            }
            _ => {}
        }
        None
    }
}

/// Reads a secret that is given as text or as a file.
pub(super) fn read_secret(
    section: &mut Section<'_>,
    key: &'static str,
    file_key: &'static str,
    folder: &Path,
) -> Option<Secret> {
    let (text, file) = (section.text(key), section.text(file_key));
    match (text, file) {
        (Some(_), Some(_)) => {
            section.refuse(file_key, format!("give {key} or {file_key}, not both"));
            None
        }
        (Some(text), None) => Some(Secret::new(text)),
        (None, Some(path)) => Secret::read(&path, folder).map_err(|reason| section.refuse(file_key, reason)).ok(),
        (None, None) => None,
    }
}

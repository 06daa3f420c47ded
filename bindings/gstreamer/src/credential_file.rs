//! The credential file that kvssink reads: `CREDENTIALS key secret`, or with expiration and session token.

use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use gst::glib;
use kvs_aws::{Credentials, ProvideCredentials};

/// Reads the file each time when credentials are needed, so that another program can replace them.
pub(crate) struct CredentialFile {
    path: PathBuf,
}

/// Why the file has no credentials.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum CredentialFileError {
    #[error("cannot be read")]
    Read(#[from] std::io::Error),
    #[error("has more than {limit} bytes")]
    TooLong { limit: u64 },
    #[error(
        "must be \"CREDENTIALS <access key> <secret key>\" or \
         \"CREDENTIALS <access key> <expiration> <secret key> <session token>\""
    )]
    Form,
    #[error("the expiration must be a time as in 2030-01-31T12:00:00Z")]
    Expiration,
}

/// Most bytes of a file: session tokens have up to a few thousand characters.
const FILE_BYTES: u64 = 16 << 10;
/// Credentials without a later expiration are read again after this time, as with kvssink.
const READ_AGAIN: Duration = Duration::from_secs(40 * 60);

impl CredentialFile {
    pub(crate) fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    pub(crate) fn read(&self) -> Result<Credentials, CredentialFileError> {
        parse(&read_text(&self.path)?, SystemTime::now())
    }
}

fn read_text(path: &Path) -> Result<String, CredentialFileError> {
    let mut text = String::new();
    std::fs::File::open(path)?.take(FILE_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > FILE_BYTES {
        return Err(CredentialFileError::TooLong { limit: FILE_BYTES });
    }
    Ok(text)
}

fn parse(text: &str, now: SystemTime) -> Result<Credentials, CredentialFileError> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let (key, secret, token, expiration) = match words[..] {
        ["CREDENTIALS", key, secret] => (key, secret, None, None),
        ["CREDENTIALS", key, expiration, secret, token] => (key, secret, Some(token.to_owned()), Some(expiration)),
        _ => return Err(CredentialFileError::Form),
    };
    let again = now + READ_AGAIN;
    let expires = expiration.map(instant).transpose()?.map_or(again, |at| at.min(again));
    Ok(Credentials::new(key, secret, token, Some(expires), "credential-path"))
}

fn instant(text: &str) -> Result<SystemTime, CredentialFileError> {
    let utc = glib::TimeZone::utc();
    let at = glib::DateTime::from_iso8601(text, Some(&utc)).map_err(|_| CredentialFileError::Expiration)?;
    let seconds = u64::try_from(at.to_unix()).map_err(|_| CredentialFileError::Expiration)?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).ok_or(CredentialFileError::Expiration)
}

impl fmt::Debug for CredentialFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CredentialFile").field("path", &self.path).finish_non_exhaustive()
    }
}

impl ProvideCredentials for CredentialFile {
    fn provide_credentials<'a>(&'a self) -> aws_credential_types::provider::future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let read = self.read().map_err(aws_credential_types::provider::error::CredentialsError::provider_error);
        aws_credential_types::provider::future::ProvideCredentials::ready(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_900_000_000);
        let two = parse("CREDENTIALS AKID SECRET\n", now).unwrap();
        assert_eq!((two.access_key_id(), two.secret_access_key(), two.session_token()), ("AKID", "SECRET", None));
        assert_eq!(two.expiry(), Some(now + READ_AGAIN));
        let four = parse("CREDENTIALS AKID 2030-03-17T17:51:40Z SECRET TOKEN", now).unwrap();
        assert_eq!((four.secret_access_key(), four.session_token()), ("SECRET", Some("TOKEN")));
        assert_eq!(four.expiry(), Some(now + Duration::from_secs(300)));
    }

    #[test]
    fn other_texts_are_refused_without_repeating_them() {
        for text in ["", "AKID SECRET", "CREDENTIALS AKID", "CREDENTIALS AKID tomorrow SECRET TOKEN"] {
            let error = parse(text, SystemTime::now()).unwrap_err().to_string();
            assert!(!error.contains("SECRET TOKEN") && !error.contains("AKID"), "{error}");
        }
    }
}

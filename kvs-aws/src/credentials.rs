//! Credentials, asked for once and kept while they last.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use tokio::sync::Mutex;

use crate::error::Error;

/// Credentials are renewed when they have less than this to live.
const RENEW_BEFORE: Duration = Duration::from_secs(60);
/// Credentials without an end are asked for again after this time: their provider may rotate them.
const KEEP_ENDLESS: Duration = Duration::from_secs(15 * 60);

pub(crate) struct CredentialsCache {
    provider: SharedCredentialsProvider,
    kept: Mutex<Option<Kept>>,
}

struct Kept {
    credentials: Credentials,
    until: SystemTime,
}

impl CredentialsCache {
    pub(crate) const fn new(provider: SharedCredentialsProvider) -> Self {
        Self { provider, kept: Mutex::const_new(None) }
    }

    /// The credentials to sign with at `now`. One caller asks the provider, the others wait for it.
    pub(crate) async fn credentials(&self, now: SystemTime) -> Result<Credentials, Error> {
        let mut kept = self.kept.lock().await;
        if let Some(kept) = kept.as_ref().filter(|kept| now < kept.until) {
            return Ok(kept.credentials.clone());
        }
        let credentials = match self.provider.provide_credentials().await {
            Ok(credentials) => credentials,
            // A failed renewal keeps the old ones until they really end.
            Err(error) => return alive(kept.as_ref(), now).ok_or_else(|| Error::Credentials(error.into())),
        };
        let until = match credentials.expiry() {
            Some(end) => end.checked_sub(RENEW_BEFORE).unwrap_or(now),
            None => now + KEEP_ENDLESS,
        };
        *kept = Some(Kept { credentials: credentials.clone(), until });
        Ok(credentials)
    }

    /// Drops what is kept: the service said it has expired.
    pub(crate) async fn forget(&self) {
        *self.kept.lock().await = None;
    }
}

fn alive(kept: Option<&Kept>, now: SystemTime) -> Option<Credentials> {
    let credentials = &kept?.credentials;
    credentials.expiry().is_none_or(|end| now < end).then(|| credentials.clone())
}

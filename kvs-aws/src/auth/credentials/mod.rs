//! Credentials that are refreshed before they expire and used until they expire.

mod cache;
mod refresh;

use std::sync::Arc;
use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};

use crate::protocol::error::Error;

pub(crate) use cache::CredentialsCache;
pub(crate) use refresh::{RefreshSchedule, RefreshWindow};

/// The credentials of a client: any provider, with a cache in front.
pub(crate) struct CachedProvider {
    provider: SharedCredentialsProvider,
    cache: CredentialsCache<Arc<CredentialsError>>,
}

impl CachedProvider {
    pub(crate) fn new(provider: SharedCredentialsProvider, seed: u64) -> Self {
        Self { provider, cache: CredentialsCache::new(RefreshSchedule::new(WINDOW, seed)) }
    }

    /// Returns the credentials to sign with now.
    pub(crate) async fn credentials(&self, now: impl Fn() -> SystemTime) -> Result<Credentials, Error> {
        let fetch = async || self.provider.provide_credentials().await.map_err(Arc::new);
        self.cache.credentials(now, fetch).await.map_err(|error| Error::Credentials(error.into()))
    }

    /// Drops the cached credentials, for when the service answered that they have expired.
    pub(crate) fn forget(&self) {
        self.cache.forget();
    }
}

/// Later than `IotCredentials` refreshes (0.7 to 0.8), so that the provider already has new ones when it is called.
const WINDOW: RefreshWindow = RefreshWindow { from: 0.8, to: 0.9 };

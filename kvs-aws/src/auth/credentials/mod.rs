//! Credentials, asked for ahead of their end and kept while they last.

mod keeper;
mod renewal;

use std::sync::Arc;
use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};

use crate::protocol::error::Error;

pub(crate) use keeper::Keeper;
pub(crate) use renewal::{Renewal, Window};

/// What a client signs with: out of any provider, kept for as long as it is good.
pub(crate) struct CredentialsCache {
    provider: SharedCredentialsProvider,
    keeper: Keeper<Arc<CredentialsError>>,
}

impl CredentialsCache {
    pub(crate) fn new(provider: SharedCredentialsProvider, seed: u64) -> Self {
        Self { provider, keeper: Keeper::new(Renewal::new(WINDOW, seed)) }
    }

    /// The credentials to sign with now.
    pub(crate) async fn credentials(&self, now: impl Fn() -> SystemTime) -> Result<Credentials, Error> {
        let ask = async || self.provider.provide_credentials().await.map_err(Arc::new);
        self.keeper.credentials(now, ask).await.map_err(|error| Error::Credentials(error.into()))
    }

    /// Drops what is kept: the service said it has expired.
    pub(crate) fn forget(&self) {
        self.keeper.forget();
    }
}

/// Later than a provider of ours renews by itself, so that asking it is worth it.
const WINDOW: Window = Window { from: 0.8, to: 0.9 };

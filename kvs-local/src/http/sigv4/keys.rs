//! The access keys that may sign requests.

use std::fmt;

use ring::hmac;

use super::scope::Scope;
use super::unknown_client;
use crate::api::ApiError;

/// An access key with its secret, and the session token that temporary keys require.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct AccessKey {
    pub(crate) id: String,
    pub(crate) secret: String,
    pub(crate) token: Option<String>,
}

impl AccessKey {
    /// Derives the signing key for a scope from the secret, day, region, service and terminator.
    pub(super) fn signing_key(&self, scope: &Scope) -> hmac::Key {
        let first = format!("AWS4{}", self.secret);
        let fold = |key: &[u8], text: &str| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes());
        let mut tag = fold(first.as_bytes(), &scope.day);
        for part in [&scope.region, &scope.service, &scope.end] {
            tag = fold(tag.as_ref(), part);
        }
        hmac::Key::new(hmac::HMAC_SHA256, tag.as_ref())
    }

    /// Checks the session token: a temporary key requires its own; a long-term key accepts any, since some clients always
    /// send one.
    pub(super) fn check_token(&self, token: Option<&str>) -> Result<(), ApiError> {
        match (&self.token, token) {
            (Some(wanted), Some(given)) if wanted != given => Err(unknown_client()),
            (Some(_), None) => Err(unknown_client()),
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let token = self.token.as_ref().map(|_| "[redacted]");
        f.debug_struct("AccessKey").field("id", &self.id).field("secret", &"[redacted]").field("token", &token).finish()
    }
}

/// The keys that the service accepts.
#[derive(Clone, Debug, Default)]
pub(crate) struct AccessKeys(Vec<AccessKey>);

impl AccessKeys {
    /// Accepts these keys.
    pub(crate) const fn new(keys: Vec<AccessKey>) -> Self {
        Self(keys)
    }

    pub(super) fn find(&self, id: &str) -> Option<&AccessKey> {
        self.0.iter().find(|key| key.id == id)
    }
}

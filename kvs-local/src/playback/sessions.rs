//! The streaming sessions and their tokens.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use ring::digest;
use ring::rand::{SecureRandom, SystemRandom};

use super::limits::SESSIONS;
use super::{Session, session_expired, session_unknown};
use crate::api::{ApiError, Exception};

/// The sessions by their tokens.
///
/// A token is 113 random bytes, as long as those of the service, and is worth what the stream is worth: whoever has it reads the
/// media. It cannot be guessed, so it needs no signature, and it ends with the process.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    /// By the hash of the token: looking it up takes as long for a token that is nearly right as for any other.
    by_token: Mutex<HashMap<[u8; digest::SHA256_OUTPUT_LEN], Arc<Session>>>,
}

/// Bytes of a token; 152 characters of base64.
const TOKEN_BYTES: usize = 113;

impl Sessions {
    /// Adds a session and returns its token.
    pub(crate) fn add(&self, session: Session, now: SystemTime) -> Result<String, ApiError> {
        let mut bytes = [0; TOKEN_BYTES];
        SystemRandom::new().fill(&mut bytes).map_err(|_| {
            tracing::error!("the system has no random numbers for a session token");
            ApiError::internal()
        })?;
        let token = base64_simd::URL_SAFE.encode_to_string(bytes).replace('=', "~");
        let mut sessions = self.by_token.lock().unwrap_or_else(PoisonError::into_inner);
        if sessions.len() >= SESSIONS {
            // Until then expired sessions are kept: their players are told why they end.
            sessions.retain(|_, session| session.expires > now);
        }
        if sessions.len() >= SESSIONS {
            let message = format!("there are {SESSIONS} streaming sessions: wait until one expires");
            return Err(ApiError::new(Exception::ClientLimitExceeded, message));
        }
        sessions.insert(hash(&token), Arc::new(session));
        Ok(token)
    }

    /// Returns the session of a token, and a name of it that can be shown.
    pub(crate) fn find(&self, token: &str, now: SystemTime) -> Result<(Arc<Session>, String), ApiError> {
        let hash = hash(token);
        let sessions = self.by_token.lock().unwrap_or_else(PoisonError::into_inner);
        let session = sessions.get(&hash).map(Arc::clone).ok_or_else(session_unknown)?;
        if session.expires <= now {
            return Err(session_expired());
        }
        let name = hash.iter().take(NAME_BYTES).map(|byte| format!("{byte:02x}")).collect();
        Ok((session, name))
    }
}

const NAME_BYTES: usize = 8;

fn hash(token: &str) -> [u8; digest::SHA256_OUTPUT_LEN] {
    let mut hash = [0; digest::SHA256_OUTPUT_LEN];
    let digest = digest::digest(&digest::SHA256, token.as_bytes());
    hash.copy_from_slice(digest.as_ref());
    hash
}

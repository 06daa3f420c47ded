//! The streaming sessions and their tokens.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use ring::digest;
use ring::rand::{SecureRandom, SystemRandom};

use super::limits::{PAGE_IDLE, PAGE_SESSIONS, PAGE_STREAM_SESSIONS, SESSIONS};
use super::{Session, session_expired, session_unknown};
use crate::api::{ApiError, Exception};

/// The sessions by their tokens.
///
/// A token is 113 random bytes, as long as those of the service, and is worth what the stream is worth: whoever has it reads the
/// media. It cannot be guessed, so it needs no signature, and it ends with the process.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    /// By the hash of the token: looking it up takes as long for a token that is nearly right as for any other.
    by_token: Mutex<HashMap<TokenHash, Entry>>,
}

type TokenHash = [u8; digest::SHA256_OUTPUT_LEN];

/// Bytes of a token; 152 characters of base64.
const TOKEN_BYTES: usize = 113;

/// Who asked for a session, which decides how long it lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SessionOwner {
    /// A caller with a key. The session expires as the request says.
    Caller {
        /// Its lifetime.
        expires: Duration,
    },
    /// The status page, which makes one each time it plays. It lives as long as it is used, and gives way to newer ones of the page: the
    /// page must not use up the sessions of callers.
    Page,
}

#[derive(Debug)]
struct Entry {
    session: Arc<Session>,
    owner: SessionOwner,
    expires: SystemTime,
}

impl Sessions {
    /// Adds a session and returns its token.
    pub(crate) fn add(&self, session: Session, owner: SessionOwner, now: SystemTime) -> Result<String, ApiError> {
        let mut bytes = [0; TOKEN_BYTES];
        SystemRandom::new().fill(&mut bytes).map_err(|_| {
            tracing::error!("the system has no random numbers for a session token");
            ApiError::internal()
        })?;
        let token = base64_simd::URL_SAFE.encode_to_string(bytes).replace('=', "~");
        let mut sessions = self.by_token.lock().unwrap_or_else(PoisonError::into_inner);
        if owner == SessionOwner::Page {
            make_room_for_page(&mut sessions, &session);
        }
        if sessions.len() >= SESSIONS {
            // Until then expired sessions are kept: their players are told why they end.
            sessions.retain(|_, entry| entry.expires > now);
        }
        if sessions.len() >= SESSIONS {
            let message = format!("there are {SESSIONS} streaming sessions: wait until one expires");
            return Err(ApiError::new(Exception::ClientLimitExceeded, message));
        }
        let expires = now.checked_add(owner.lifetime()).unwrap_or(now);
        sessions.insert(hash(&token), Entry { session: Arc::new(session), owner, expires });
        Ok(token)
    }

    /// Returns the session of a token, and a name of it that can be shown.
    pub(crate) fn find(&self, token: &str, now: SystemTime) -> Result<(Arc<Session>, String), ApiError> {
        let hash = hash(token);
        let mut sessions = self.by_token.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = sessions.get_mut(&hash).ok_or_else(session_unknown)?;
        if entry.expires <= now {
            return Err(session_expired());
        }
        if entry.owner == SessionOwner::Page {
            entry.expires = now.checked_add(PAGE_IDLE).unwrap_or(now);
        }
        let name = hash.iter().take(NAME_BYTES).map(|byte| format!("{byte:02x}")).collect();
        Ok((Arc::clone(&entry.session), name))
    }
}

impl SessionOwner {
    const fn lifetime(self) -> Duration {
        match self {
            Self::Caller { expires } => expires,
            Self::Page => PAGE_IDLE,
        }
    }
}

/// Ends the sessions of the page that were not used for the longest time, if it has as many as it may have: of this stream, and in all.
fn make_room_for_page(sessions: &mut HashMap<TokenHash, Entry>, new: &Session) {
    let is_of_stream = |entry: &Entry| entry.session.stream.name == new.stream.name;
    end_oldest(sessions, PAGE_STREAM_SESSIONS, is_of_stream);
    end_oldest(sessions, PAGE_SESSIONS, |_| true);
}

fn end_oldest(sessions: &mut HashMap<TokenHash, Entry>, most: usize, counts: impl Fn(&Entry) -> bool) {
    let of_page = |entry: &Entry| entry.owner == SessionOwner::Page && counts(entry);
    while sessions.values().filter(|entry| of_page(entry)).count() >= most {
        let oldest = sessions.iter().filter(|(_, entry)| of_page(entry)).min_by_key(|(_, entry)| entry.expires);
        let Some(token) = oldest.map(|(token, _)| *token) else { return };
        sessions.remove(&token);
    }
}

const NAME_BYTES: usize = 8;

fn hash(token: &str) -> TokenHash {
    let mut hash = [0; digest::SHA256_OUTPUT_LEN];
    let digest = digest::digest(&digest::SHA256, token.as_bytes());
    hash.copy_from_slice(digest.as_ref());
    hash
}

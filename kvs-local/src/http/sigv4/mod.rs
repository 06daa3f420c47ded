//! Verification of AWS Signature Version 4.
//!
//! The canonicalization is written from the specification
//! (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>) and shares no code with the
//! signer in kvs-aws, so that it is an independent check. It accepts what other producers sign: hop-by-hop headers, a session
//! token inside or outside the signature, four values in place of the payload hash, a host without its port.

mod canonical;
mod header;
mod keys;
mod query;
mod scope;

use std::fmt;
use std::time::SystemTime;

use http::request::Parts;

use self::canonical::{Candidates, Canonical};
use self::scope::Scope;
use crate::api::{ApiError, Exception};

pub(crate) use self::keys::{AccessKey, AccessKeys};

/// What is known about the body when the signature is checked.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Payload<'a> {
    /// All of it.
    Whole(&'a [u8]),
    /// A streamed body, which cannot be hashed: the signer used a fixed value or the hash of an empty body.
    Streamed,
}

/// Decides which requests are accepted.
#[derive(Clone, Debug)]
pub(crate) enum Authenticator {
    /// Accepts requests signed with one of these keys for this region.
    Signed { keys: AccessKeys, region: String },
    /// Accepts every request without looking at signatures.
    Anonymous,
}

/// The signature parameters of a request, from its header or its query.
struct Claim {
    scope: Scope,
    /// The signed date, `YYYYMMDDTHHMMSSZ`.
    date: String,
    /// `SignedHeaders`, verbatim.
    signed_headers: String,
    signature: Vec<u8>,
    token: Option<String>,
    /// Lifetime of a presigned request.
    expires: Option<std::time::Duration>,
    location: Location,
}

/// Where the signature parameters are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Location {
    Header,
    Query,
}

impl Authenticator {
    /// Checks what the head of a request shows, before any of its body is read: form and scope of the signature, and the key.
    pub(crate) fn precheck(&self, request: &Parts) -> Result<(), ApiError> {
        let Self::Signed { keys, region } = self else { return Ok(()) };
        let claim = Claim::read(request)?;
        claim.scope.check(region, &claim.date)?;
        keys.find(&claim.scope.access_key).ok_or_else(unknown_client)?.check_token(claim.token.as_deref())
    }

    /// Checks the signature of a request received at `now`.
    pub(crate) fn check(&self, request: &Parts, payload: Payload<'_>, now: SystemTime) -> Result<(), ApiError> {
        let Self::Signed { keys, region } = self else { return Ok(()) };
        let claim = Claim::read(request)?;
        claim.scope.check(region, &claim.date)?;
        scope::check_age(&claim.date, claim.expires, now)?;
        let key = keys.find(&claim.scope.access_key).ok_or_else(unknown_client)?;
        key.check_token(claim.token.as_deref())?;
        claim.verify(request, payload, key)
    }
}

impl Claim {
    fn read(request: &Parts) -> Result<Self, ApiError> {
        match request.headers.get(http::header::AUTHORIZATION) {
            Some(value) => header::read(request, value),
            None if query::is_signed(request) => query::read(request),
            None => Err(ApiError::new(Exception::MissingAuthenticationToken, "Missing Authentication Token")),
        }
    }

    /// Compares the signature with that of every canonical request the signer may have used.
    fn verify(&self, request: &Parts, payload: Payload<'_>, key: &AccessKey) -> Result<(), ApiError> {
        let canonical = Canonical::new(request, &self.signed_headers, self.location)?;
        let signing_key = key.signing_key(&self.scope);
        let mut shown = None;
        for text in Candidates::new(&canonical, request, payload, self.location) {
            let to_sign = self.scope.string_to_sign(&self.date, &text);
            if ring::hmac::verify(&signing_key, to_sign.as_bytes(), &self.signature).is_ok() {
                return Ok(());
            }
            shown.get_or_insert((text, to_sign));
        }
        let (text, to_sign) = shown.unwrap_or_default();
        Err(ApiError::new(
            Exception::InvalidSignature,
            format!(
                "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access \
                 Key and signing method. Consult the service documentation for details.\n\nThe Canonical String for this \
                 request should have been\n'{text}'\n\nThe String-to-Sign should have been\n'{to_sign}'\n"
            ),
        ))
    }
}

/// Omits the signature.
impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claim").field("scope", &self.scope).field("date", &self.date).finish_non_exhaustive()
    }
}

fn unknown_client() -> ApiError {
    ApiError::new(Exception::UnrecognizedClient, "The security token included in the request is invalid.")
}

fn incomplete(message: impl Into<String>) -> ApiError {
    ApiError::new(Exception::IncompleteSignature, message)
}

#[cfg(test)]
mod tests;

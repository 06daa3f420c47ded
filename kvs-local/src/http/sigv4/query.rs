//! Signatures in the query string: presigned requests.

use std::time::Duration;

use http::request::Parts;
use percent_encoding::percent_decode_str;

use super::scope::{ALGORITHM, Scope, unhex};
use super::{Claim, Location, incomplete};
use crate::api::ApiError;
use crate::limits;

/// Returns whether the query contains a signature.
pub(super) fn is_signed(request: &Parts) -> bool {
    find(request, "X-Amz-Algorithm").is_some() || find(request, "X-Amz-Signature").is_some()
}

/// Parses the `X-Amz-…` parameters.
pub(super) fn read(request: &Parts) -> Result<Claim, ApiError> {
    let needed = |name: &str| {
        find(request, name).ok_or_else(|| incomplete(format!("AWS query-string parameters must include '{name}'.")))
    };
    let algorithm = needed("X-Amz-Algorithm")?;
    if algorithm != ALGORITHM {
        return Err(incomplete(format!("X-Amz-Algorithm must be {ALGORITHM}, not '{}'", algorithm.escape_debug())));
    }
    Ok(Claim {
        scope: Scope::parse(&needed("X-Amz-Credential")?)?,
        date: needed("X-Amz-Date")?,
        signed_headers: needed("X-Amz-SignedHeaders")?,
        signature: unhex(&needed("X-Amz-Signature")?).ok_or_else(|| incomplete("Signature must be hexadecimal"))?,
        token: find(request, "X-Amz-Security-Token"),
        expires: expires(request)?,
        location: Location::Query,
    })
}

/// Parses `X-Amz-Expires` in seconds; without it the request expires like one signed by header.
fn expires(request: &Parts) -> Result<Option<Duration>, ApiError> {
    let Some(text) = find(request, "X-Amz-Expires") else { return Ok(None) };
    let life = text.parse().ok().map(Duration::from_secs);
    let life = life.filter(|life| (Duration::from_secs(1)..=limits::PRESIGNED_LIFE).contains(life));
    life.map(Some).ok_or_else(|| {
        let most = limits::PRESIGNED_LIFE.as_secs();
        incomplete(format!("X-Amz-Expires must be 1 to {most} seconds, but is '{}'", text.escape_debug()))
    })
}

/// Returns the decoded value of a parameter.
fn find(request: &Parts, name: &str) -> Option<String> {
    let query = request.uri.query()?;
    let mut pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let (_, value) = pairs.find(|(key, _)| decode(key) == name)?;
    Some(decode(value))
}

fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

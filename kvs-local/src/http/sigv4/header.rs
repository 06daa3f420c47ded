//! The signature in the `Authorization` header.

use http::HeaderValue;
use http::request::Parts;

use super::scope::{ALGORITHM, Scope, unhex};
use super::{Claim, Location, incomplete};
use crate::api::ApiError;

/// Parses `AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…`; spaces after the commas are optional.
pub(super) fn read(request: &Parts, value: &HeaderValue) -> Result<Claim, ApiError> {
    let value = value.to_str().map_err(|_| incomplete("the Authorization header is not plain text"))?;
    let Some(fields) = value.trim_start().strip_prefix(ALGORITHM) else {
        let given: String = value.split(' ').next().unwrap_or_default().chars().take(40).collect();
        return Err(incomplete(format!("Authorization must use {ALGORITHM}, not '{}'", given.escape_debug())));
    };
    let field = |name: &str| {
        let mut all = fields.split(',').filter_map(|field| field.trim().split_once('='));
        let found = all.find(|(key, _)| *key == name).map(|(_, value)| value);
        found.ok_or_else(|| incomplete(format!("Authorization header requires '{name}' parameter.")))
    };
    Ok(Claim {
        scope: Scope::parse(field("Credential")?)?,
        date: date(request)?,
        signed_headers: field("SignedHeaders")?.to_owned(),
        signature: unhex(field("Signature")?).ok_or_else(|| incomplete("Signature must be hexadecimal"))?,
        token: text(request, "x-amz-security-token").map(str::to_owned),
        expires: None,
        location: Location::Header,
    })
}

/// Returns the value of `x-amz-date`.
fn date(request: &Parts) -> Result<String, ApiError> {
    text(request, "x-amz-date").map(str::to_owned).ok_or_else(|| {
        incomplete("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
    })
}

fn text<'a>(request: &'a Parts, name: &str) -> Option<&'a str> {
    request.headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim)
}

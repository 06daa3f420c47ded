//! The canonical request: the text that signer and verifier must agree on.

use http::HeaderMap;
use http::request::Parts;
use percent_encoding::{percent_decode_str, percent_encode};
use ring::digest;

use super::scope::hex;
use super::{Location, Payload, incomplete};
use crate::api::ApiError;

/// SHA-256 of an empty body: what the C producer and presigned requests sign for a streamed body.
const EMPTY_HASH: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
/// What the Java producer signs for a streamed body.
const UNSIGNED: &str = "UNSIGNED-PAYLOAD";
/// The header with the payload hash, or the value used in its place.
const HASH_HEADER: &str = "x-amz-content-sha256";

/// Everything but `A-Z a-z 0-9 - . _ ~` is percent-encoded.
const ENCODED: &percent_encoding::AsciiSet =
    &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// As [`ENCODED`], but `/` is kept: for paths.
const ENCODED_PATH: &percent_encoding::AsciiSet = &ENCODED.remove(b'/');

/// The parts of the canonical request that do not depend on the body.
#[derive(Debug)]
pub(super) struct Canonical {
    method: String,
    path: String,
    /// Sorted `key=value` pairs without the signature.
    query: Vec<String>,
    /// `name:value` lines: as sent, and with the port removed from the host.
    headers: [String; 2],
    signed_headers: String,
}

impl Canonical {
    pub(super) fn new(request: &Parts, signed_headers: &str, location: Location) -> Result<Self, ApiError> {
        let names: Vec<&str> = signed_headers.split(';').map(str::trim).collect();
        if !names.iter().any(|name| name.eq_ignore_ascii_case("host")) {
            return Err(incomplete("'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization."));
        }
        if let Some(name) = unsigned(&request.headers, &names) {
            return Err(incomplete(format!("'{name}' must be a 'SignedHeader' in the AWS Authorization.")));
        }
        Ok(Self {
            method: request.method.as_str().to_owned(),
            path: percent_encode(request.uri.path().as_bytes(), ENCODED_PATH).to_string(),
            query: canonical_query(request.uri.query().unwrap_or_default(), location),
            headers: [
                header_lines(&request.headers, &names, Port::AsSent)?,
                header_lines(&request.headers, &names, Port::Removed)?,
            ],
            signed_headers: signed_headers.to_owned(),
        })
    }

    fn text(&self, query: &str, headers: &str, payload_hash: &str) -> String {
        let Self { method, path, signed_headers, .. } = self;
        format!("{method}\n{path}\n{query}\n{headers}\n{signed_headers}\n{payload_hash}")
    }
}

/// Returns the first `x-amz…` header that is not signed although it must be: anyone on the path could change it.
///
/// SigV4 requires all `x-amz-…` headers to be signed. [`UNSIGNED_HEADERS`] are the exceptions that real clients need.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>
fn unsigned<'a>(headers: &'a HeaderMap, signed: &[&str]) -> Option<&'a str> {
    let is_signed = |name: &str| signed.iter().any(|signed| signed.eq_ignore_ascii_case(name));
    let names = headers.keys().map(http::HeaderName::as_str);
    names.filter(|name| name.starts_with("x-amz")).find(|name| !UNSIGNED_HEADERS.contains(name) && !is_signed(name))
}

/// Headers that clients leave unsigned or add after signing: the session token (C producer), the payload hash (Java
/// producer), the trace id (AWS proxies, SDKs in Lambda).
const UNSIGNED_HEADERS: [&str; 3] = ["x-amz-security-token", HASH_HEADER, "x-amzn-trace-id"];

/// Whether the canonical host includes the port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Port {
    AsSent,
    /// Some signers omit it although their HTTP library sends it.
    Removed,
}

fn header_lines(headers: &HeaderMap, names: &[&str], port: Port) -> Result<String, ApiError> {
    let mut lines = String::new();
    for name in names {
        let name = name.to_ascii_lowercase();
        let mut value = header_value(headers, &name)
            .ok_or_else(|| incomplete(format!("the signed header '{}' is not in the request", name.escape_debug())))?;
        if name == "host" && port == Port::Removed {
            value.truncate(without_port(&value).len());
        }
        lines.push_str(&name);
        lines.push(':');
        lines.push_str(&value);
        lines.push('\n');
    }
    Ok(lines)
}

/// Returns all values of a header, joined by commas, with runs of spaces collapsed.
fn header_value(headers: &HeaderMap, name: &str) -> Option<String> {
    let mut all = headers.get_all(name).iter().peekable();
    all.peek()?;
    let words = |value: &http::HeaderValue| {
        let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
        text.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
    };
    Some(all.map(words).collect::<Vec<_>>().join(","))
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

/// Decodes, re-encodes and sorts the query, so that the client's encoding does not matter.
fn canonical_query(query: &str, location: Location) -> Vec<String> {
    let encode = |text: &str| percent_encode(&percent_decode_str(text).collect::<Vec<u8>>(), ENCODED).to_string();
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let mut pairs: Vec<(String, String)> = pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(key, value)| (encode(key), encode(value)))
        .filter(|(key, _)| location == Location::Header || key != "X-Amz-Signature")
        .collect();
    pairs.sort();
    pairs.into_iter().map(|(key, value)| format!("{key}={value}")).collect()
}

/// Every canonical request that a signer may have used, most likely first.
pub(super) struct Candidates<'a> {
    canonical: &'a Canonical,
    ways: std::vec::IntoIter<(String, usize, String)>,
}

impl<'a> Candidates<'a> {
    pub(super) fn new(canonical: &'a Canonical, request: &Parts, payload: Payload<'_>, location: Location) -> Self {
        let mut ways = Vec::new();
        for hash in hashes(request, payload) {
            for query in queries(&canonical.query, location) {
                for host in 0..canonical.headers.len() {
                    ways.push((query.clone(), host, hash.clone()));
                }
            }
        }
        Self { canonical, ways: ways.into_iter() }
    }
}

impl Iterator for Candidates<'_> {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        let (query, host, hash) = self.ways.next()?;
        let headers = self.canonical.headers.get(host)?;
        Some(self.canonical.text(&query, headers, &hash))
    }
}

/// Returns the payload hashes to try. A known body must match the signed hash, unless it was signed as unsigned.
fn hashes(request: &Parts, payload: Payload<'_>) -> Vec<String> {
    let stated = request.headers.get(HASH_HEADER).and_then(|value| value.to_str().ok());
    let mut all: Vec<String> = Vec::new();
    match payload {
        Payload::Whole(body) => all.push(hex(digest::digest(&digest::SHA256, body).as_ref())),
        Payload::Streamed => {
            all.extend(stated.map(|text| text.trim().to_owned()));
            all.push(EMPTY_HASH.to_owned());
        }
    }
    all.push(UNSIGNED.to_owned());
    all.dedup();
    all
}

/// Returns the queries to try: presigners of some services add the session token after signing.
fn queries(pairs: &[String], location: Location) -> Vec<String> {
    let mut all = vec![pairs.join("&")];
    if location == Location::Query {
        let without: Vec<&str> =
            pairs.iter().map(String::as_str).filter(|pair| !pair.starts_with("X-Amz-Security-Token=")).collect();
        if without.len() < pairs.len() {
            all.push(without.join("&"));
        }
    }
    all
}

//! Signature version 4: a pure function of request, credentials, region and time.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{self, PayloadChecksumKind, SignableBody, SignableRequest, SigningSettings};
use aws_sigv4::sign::v4;
use http::HeaderValue;
use http::header::HOST;

use crate::region::Region;

/// The service name in the signature's scope, for control, media and archived media alike.
const SERVICE: &str = "kinesisvideo";

/// What the signature says about the body.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Payload<'a> {
    /// Its hash.
    Hashed(&'a [u8]),
    /// Nothing: `UNSIGNED-PAYLOAD`, in a signed `x-amz-content-sha256`. For bodies that are not known when they start.
    Unsigned,
}

/// A request cannot be signed.
#[derive(Debug, thiserror::Error)]
#[error("the request cannot be signed")]
#[non_exhaustive]
pub struct SignError {
    /// Why.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// Signs `request`, whose address is absolute; `host`, `x-amz-date`, `authorization` and, where they apply,
/// `x-amz-security-token` and `x-amz-content-sha256` are set on it.
///
/// # Errors
/// When a header is not text or the address is not absolute.
pub fn sign<B>(
    request: &mut http::Request<B>,
    payload: Payload<'_>,
    credentials: &Credentials,
    region: &Region,
    time: SystemTime,
) -> Result<(), SignError> {
    sign_as(request, payload, credentials, region.as_str(), SERVICE, time).map_err(|source| SignError { source })
}

fn sign_as<B>(
    request: &mut http::Request<B>,
    payload: Payload<'_>,
    credentials: &Credentials,
    region: &str,
    service: &str,
    time: SystemTime,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    if !request.headers().contains_key(HOST) {
        let host = request.uri().host().ok_or("the address has no host")?;
        let host = match (request.uri().port_u16(), request.uri().scheme_str()) {
            (None, _) | (Some(443), Some("https")) | (Some(80), Some("http")) => host.to_owned(),
            (Some(port), _) => format!("{host}:{port}"),
        };
        request.headers_mut().insert(HOST, HeaderValue::try_from(host)?);
    }
    let mut settings = SigningSettings::default();
    let body = match payload {
        Payload::Hashed(bytes) => SignableBody::Bytes(bytes),
        Payload::Unsigned => {
            settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
            SignableBody::UnsignedPayload
        }
    };
    let identity = credentials.clone().into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name(service)
        .time(time)
        .settings(settings)
        .build()?
        .into();
    let headers = request.headers().iter().map(|(name, value)| Ok((name.as_str(), value.to_str()?)));
    let headers = headers.collect::<Result<Vec<_>, http::header::ToStrError>>()?;
    let signable =
        SignableRequest::new(request.method().as_str(), request.uri().to_string(), headers.into_iter(), body)?;
    let (instructions, _signature) = http_request::sign(signable, &params)?.into_parts();
    instructions.apply_to_request_http1x(request);
    Ok(())
}

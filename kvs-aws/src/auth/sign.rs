//! Signature Version 4 as a pure function of request, credentials, region and time.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{self, PayloadChecksumKind, SignableBody, SignableRequest, SigningSettings};
use aws_sigv4::sign::v4;
use http::HeaderValue;
use http::header::HOST;

use crate::net::region::Region;

/// The service name in the credential scope, the same for the control plane and all data endpoints.
const SERVICE: &str = "kinesisvideo";

/// How the signature covers the body.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Payload<'a> {
    /// By its hash.
    Hashed(&'a [u8]),
    /// Not at all: `x-amz-content-sha256: UNSIGNED-PAYLOAD`, for bodies that are not known in advance.
    Unsigned,
}

/// A request cannot be signed, for example because the credentials contain characters that a header cannot.
#[derive(Debug, thiserror::Error)]
#[error("cannot sign the request")]
pub(crate) struct SignError {
    source: Box<dyn std::error::Error + Send + Sync>,
}

/// Signs `request`, whose URI is absolute.
///
/// Sets `host`, `x-amz-date`, `authorization` and, if they apply, `x-amz-security-token` and `x-amz-content-sha256`.
///
/// # Errors
/// Returns an error if a header is not text or the URI is not absolute.
pub(crate) fn sign<B>(
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
        let host = request.uri().host().ok_or("the URI has no host")?;
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

#[cfg(test)]
mod tests {
    use super::*;

    macro_rules! vectors {
        ($($name:literal),+ $(,)?) => {
            [$(($name, include_str!(concat!("../../tests/sigv4/", $name, "/context.json")),
                include_str!(concat!("../../tests/sigv4/", $name, "/request.txt")),
                include_str!(concat!("../../tests/sigv4/", $name, "/header-signature.txt")))),+]
        };
    }

    fn request(text: &str) -> http::Request<()> {
        let mut lines = text.lines();
        let mut first = lines.next().unwrap().split(' ');
        let (method, path) = (first.next().unwrap(), first.next().unwrap());
        let mut request = http::Request::builder().method(method).uri(format!("https://example.amazonaws.com{path}"));
        for (name, value) in lines.map_while(|line| line.split_once(':')) {
            request = request.header(name, value);
        }
        request.body(()).unwrap()
    }

    // Left out: vectors that are not valid HTTP (unencoded UTF-8 and spaces, folded headers), vectors for services that do not
    // normalize paths or encode them once, such as S3 (`get-space-normalized`), and presigned URLs, which this crate does
    // not create.
    #[test]
    fn matches_the_published_aws_vectors() {
        let vectors = vectors![
            "get-header-key-duplicate",
            "get-header-value-order",
            "get-header-value-trim",
            "get-relative-normalized",
            "get-slash-normalized",
            "get-slashes-normalized",
            "get-unreserved",
            "get-vanilla",
            "get-vanilla-empty-query-key",
            "get-vanilla-query",
            "get-vanilla-query-order-encoded",
            "get-vanilla-query-order-key-case",
            "get-vanilla-query-unreserved",
            "get-vanilla-with-session-token",
            "post-header-key-case",
            "post-header-key-sort",
            "post-header-value-case",
            "post-sts-header-before",
            "post-vanilla",
            "post-vanilla-empty-query-value",
            "post-vanilla-query",
            "post-x-www-form-urlencoded",
            "post-x-www-form-urlencoded-parameters",
        ];
        for (name, context, text, signature) in vectors {
            let context: serde_json::Value = serde_json::from_str(context).unwrap();
            let text_of = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
            let keys = &context["credentials"];
            let token = keys["token"].as_str().map(str::to_owned);
            let credentials =
                Credentials::from_keys(text_of(&keys["access_key_id"]), text_of(&keys["secret_access_key"]), token);
            let time: jiff::Timestamp = text_of(&context["timestamp"]).parse().unwrap();
            let (region, service) = (text_of(&context["region"]), text_of(&context["service"]));
            let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
            let mut request = request(head);
            if context["sign_body"] == true {
                // These vectors sign this header too; kinesisvideo does not require it.
                let hash = ring::digest::digest(&ring::digest::SHA256, body.as_bytes());
                let hex = hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
                request.headers_mut().insert("x-amz-content-sha256", hex.parse().unwrap());
            }
            let payload = Payload::Hashed(body.as_bytes());
            sign_as(&mut request, payload, &credentials, &region, &service, time.into()).unwrap();
            let authorization = request.headers()["authorization"].to_str().unwrap();
            assert!(authorization.ends_with(&format!("Signature={}", signature.trim())), "{name}: {authorization}");
        }
    }

    #[test]
    fn secret_headers_are_marked_and_secrets_are_not_printed() {
        let mut request = http::Request::post("http://127.0.0.1:8080/putMedia").body(()).unwrap();
        let credentials = Credentials::from_keys("AKID", "very-secret", Some("very-secret-token".to_owned()));
        let region = Region::new("eu-west-1").unwrap();
        sign(&mut request, Payload::Unsigned, &credentials, &region, SystemTime::UNIX_EPOCH).unwrap();
        let headers = request.headers();
        assert!(headers["x-amz-security-token"].is_sensitive());
        assert_eq!(headers["x-amz-content-sha256"], "UNSIGNED-PAYLOAD");
        assert_eq!(headers["host"], "127.0.0.1:8080");
        assert!(
            headers["authorization"]
                .to_str()
                .unwrap()
                .contains("host;x-amz-content-sha256;x-amz-date;x-amz-security-token")
        );
        assert!(!format!("{headers:?}{credentials:?}").contains("very-secret"));
    }
}

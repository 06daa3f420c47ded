//! The page itself and the headers that confine it.

use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use ring::digest::{SHA256, digest};

use crate::api::wire::{self, Response};

/// The page: HTML with one style sheet and one script in it.
const PAGE: &str = include_str!("page.html");
const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");

/// The static page and its policy.
#[derive(Debug)]
pub(crate) struct Page {
    script: String,
    style: String,
}

impl Page {
    pub(crate) fn new() -> Self {
        Self { script: hash_of("script"), style: hash_of("style") }
    }

    /// Returns the page. It may load nothing but what is in it, and connect to the service only: to its own origin and to
    /// `media`, the address of the endpoint that serves playback.
    pub(crate) fn response(&self, media: &str) -> Response {
        let mut response = wire::with_body(StatusCode::OK, HTML, Bytes::from_static(PAGE.as_bytes()));
        let Self { script, style } = self;
        // It is made from the Host header: nothing in it may end the directive.
        let plain =
            |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-' | ':' | '/' | '[' | ']');
        let media = if media.chars().all(plain) { media } else { "" };
        let policy = format!(
            "default-src 'none'; script-src '{script}'; style-src '{style}'; connect-src 'self' {media}; img-src data:; \
             media-src blob: {media}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
             require-trusted-types-for 'script'; trusted-types 'none'"
        );
        let headers = response.headers_mut();
        if let Ok(policy) = HeaderValue::from_str(&policy) {
            headers.insert(header::CONTENT_SECURITY_POLICY, policy);
        }
        headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
        confine(&mut response);
        response
    }
}

/// Keeps a response from being guessed, framed, cached or read by other sites.
pub(crate) fn confine(response: &mut Response) {
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    headers.insert("cross-origin-opener-policy", HeaderValue::from_static("same-origin"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
}

/// Returns the source expression of the text in the page's only element of this name
/// (<https://www.w3.org/TR/CSP3/#grammardef-hash-source>).
fn hash_of(element: &str) -> String {
    let (start, end) = (format!("<{element}>"), format!("</{element}>"));
    let text = PAGE.split_once(&start).and_then(|(_, rest)| rest.split_once(&end)).map_or("", |(text, _)| text);
    format!("sha256-{}", base64_simd::STANDARD.encode_to_string(digest(&SHA256, text.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_confined_to_itself() {
        let response = Page::new().response("http://127.0.0.1:4569");
        let policy = response.headers()["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'sha256-"), "{policy}");
        assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
        for element in ["script", "style"] {
            assert_eq!(PAGE.matches(&format!("<{element}>")).count(), 1);
            assert_ne!(hash_of(element), hash_of("no such element"));
        }
        // Nothing is loaded from elsewhere, and text never becomes markup.
        for forbidden in [
            "src=\"http",
            "href=\"http",
            "innerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            " style=\"",
            "onclick=",
        ] {
            assert!(!PAGE.contains(forbidden), "{forbidden}");
        }
    }
}

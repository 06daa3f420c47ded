//! The address of a camera, without its credentials.

use std::fmt;

use percent_encoding::percent_decode_str;
use retina::client::Credentials;
use url::Url;

/// An RTSP URL, split into what may be printed and what may not.
#[derive(Clone)]
pub(crate) struct Address {
    /// Without user name and password.
    pub(crate) url: Url,
    pub(crate) credentials: Option<Credentials>,
    /// What is printed.
    name: String,
    /// What is replaced in the texts of errors.
    secrets: Vec<String>,
}

/// A URL that is not that of an RTSP camera. The message does not repeat the URL, which may contain a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlError {
    /// It cannot be parsed.
    #[error(
        "invalid camera URL: {reason}; write rtsp://USER:PASSWORD@HOST/PATH, and @ : / ? # % in a password as %40 %3A %2F %3F %23 %25"
    )]
    Syntax {
        /// What is wrong.
        reason: String,
    },
    /// It has another scheme.
    #[error("camera URL with the scheme {scheme:?}; only rtsp is supported{advice}")]
    Scheme {
        /// The scheme.
        scheme: String,
        /// What to do, for `rtsps`.
        advice: &'static str,
    },
    /// It names no host.
    #[error("camera URL without a host; write rtsp://HOST/PATH")]
    NoHost,
    /// User name or password is not UTF-8 after percent-decoding.
    #[error("the {field} in the camera URL is not UTF-8 after percent-decoding")]
    Encoding {
        /// `user name` or `password`.
        field: &'static str,
    },
}

impl Address {
    /// Parses `rtsp://user:password@host:port/path`; user and password are percent-decoded and removed from the URL.
    pub(crate) fn parse(text: &str) -> Result<Self, UrlError> {
        let mut url = Url::parse(text.trim()).map_err(|error| UrlError::Syntax { reason: error.to_string() })?;
        if url.scheme() != "rtsp" {
            let advice = if url.scheme() == "rtsps" { RTSPS } else { "" };
            return Err(UrlError::Scheme { scheme: url.scheme().chars().take(16).collect(), advice });
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err(UrlError::NoHost);
        }
        let credentials = credentials(&url)?;
        let mut secrets: Vec<String> = url.password().map(str::to_owned).into_iter().collect();
        secrets.extend(credentials.iter().map(|credentials| credentials.password.clone()));
        // Neither fails for a URL with a host.
        let (_, _) = (url.set_username(""), url.set_password(None));
        secrets.extend(url.query().map(str::to_owned));
        secrets.extend(secret_segments(&url).map(str::to_owned));
        secrets.retain(|secret| !secret.is_empty());
        let name = printable(&url);
        Ok(Self { url, credentials, name, secrets })
    }

    /// Sets the credentials, in place of those of the URL.
    pub(crate) fn set_credentials(&mut self, username: String, password: String) {
        if !password.is_empty() {
            self.secrets.push(password.clone());
        }
        self.credentials = Some(Credentials { username, password });
    }

    /// Replaces what must not be printed in a message of the RTSP library.
    pub(crate) fn scrub(&self, text: &str) -> String {
        self.secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), REDACTED))
    }
}

/// What to do about RTSP over TLS.
const RTSPS: &str = ": put a proxy that speaks TLS in front of the camera, such as stunnel or go2rtc";
/// Stands for a secret.
const REDACTED: &str = "[redacted]";

fn credentials(url: &Url) -> Result<Option<Credentials>, UrlError> {
    if url.username().is_empty() && url.password().is_none() {
        return Ok(None);
    }
    let decode = |text: &str, field| {
        let decoded = percent_decode_str(text).decode_utf8().map_err(|_| UrlError::Encoding { field })?;
        Ok(decoded.into_owned())
    };
    let username = decode(url.username(), "user name")?;
    let password = decode(url.password().unwrap_or_default(), "password")?;
    Ok(Some(Credentials { username, password }))
}

/// The parts of a path in which some cameras want the password.
fn secret_segments(url: &Url) -> impl Iterator<Item = &str> {
    let is_secret = |segment: &&str| {
        let segment = segment.to_ascii_lowercase();
        ["pass", "pwd"].iter().any(|word| segment.contains(word))
    };
    url.path().split('/').filter(is_secret)
}

/// Host, port and path; without the query, in which some cameras want the password.
fn printable(url: &Url) -> String {
    let mut name = format!("rtsp://{}", url.host_str().unwrap_or_default());
    if let Some(port) = url.port() {
        name += &format!(":{port}");
    }
    let path = secret_segments(url).fold(url.path().to_owned(), |path, secret| path.replace(secret, REDACTED));
    if path != "/" {
        name += &path;
    }
    name
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({})", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_decoded_and_taken_out_of_the_url() {
        let address =
            Address::parse("rtsp://admin:p%40ss%2Fw%3Ard%25@10.0.0.7:8554/Streaming/Channels/101?x=1").unwrap();
        let expected = Credentials { username: "admin".into(), password: "p@ss/w:rd%".into() };
        assert_eq!(address.credentials, Some(expected));
        assert_eq!(address.url.as_str(), "rtsp://10.0.0.7:8554/Streaming/Channels/101?x=1");
        assert_eq!(address.to_string(), "rtsp://10.0.0.7:8554/Streaming/Channels/101");
    }

    #[test]
    fn no_text_contains_a_secret() {
        let urls = [
            "rtsp://admin:s3cret@host/path",
            "rtsp://admin:s3cr%65t@host/path",
            "rtsp://host/user=admin_password=s3cret_channel=1_stream=0.sdp",
            "rtsp://host/live?username=admin&password=s3cret",
        ];
        for url in urls {
            let address = Address::parse(url).unwrap();
            let library = address.scrub(&format!("404 for {} (s3cret)", address.url).replace("(s3cret)", ""));
            for text in [address.to_string(), format!("{address:?}"), library] {
                assert!(!text.contains("s3cret"), "{text}");
            }
        }
        for wrong in ["rtsp://admin:s3cret/1@host/", "http://admin:s3cret@host/", "rtsp:s3cret", "rtsp://a:s3cret@"] {
            let error = Address::parse(wrong).unwrap_err();
            assert!(!error.to_string().contains("s3cret") && !format!("{error:?}").contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn wrong_urls_say_what_to_write() {
        let message = |url| Address::parse(url).unwrap_err().to_string();
        assert!(message("rtsps://host/").contains("stunnel"));
        assert!(message("host/path").contains("rtsp://USER:PASSWORD@HOST/PATH"));
        assert!(message("rtsp://admin:a/b@host/").contains("%2F"));
        assert!(message("rtsp://%ff:a@host/").contains("user name"));
    }

    #[test]
    fn an_ipv6_address_keeps_its_brackets() {
        assert_eq!(Address::parse("rtsp://[fe80::1]:554/").unwrap().to_string(), "rtsp://[fe80::1]:554");
    }
}

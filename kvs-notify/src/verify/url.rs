//! Which URLs of a message may be fetched.
//!
//! Anyone who can post to an endpoint chooses the URLs in the message. Fetching one without a check would let an attacker choose the
//! certificate that verifies the message, or make the endpoint fetch URLs inside its own network.

use std::fmt;

use crate::limits::URL_BYTES;

/// The URLs from which certificates and confirmations may be fetched.
///
/// By default only those of SNS: `https`, the host `sns.REGION.amazonaws.com` or `.com.cn`, the usual port
/// (<https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html>). Add a local service by its
/// origin.
#[derive(Clone, Debug, Default)]
pub struct UrlPolicy {
    origins: Vec<Origin>,
}

#[derive(Clone, Debug)]
struct Origin {
    /// `scheme://host:port`.
    origin: String,
    /// A name that the signing certificate must contain.
    certificate_name: String,
}

impl UrlPolicy {
    /// Creates a policy that accepts SNS only.
    #[must_use]
    pub fn aws() -> Self {
        Self::default()
    }

    /// Adds an origin, for example `http://127.0.0.1:4566`, whose signing certificate contains this DNS name or IP address. For tests and
    /// local services: `http` does not protect the certificate in transit, only the trust roots do.
    #[must_use]
    pub fn and_origin(mut self, origin: &str, certificate_name: &str) -> Self {
        let origin = origin.trim_end_matches('/').to_ascii_lowercase();
        self.origins.push(Origin { origin, certificate_name: certificate_name.into() });
        self
    }

    /// Checks the URL of a signing certificate.
    ///
    /// # Errors
    /// Returns an error if it is not a certificate URL of SNS or of an added origin.
    pub fn signing_cert(&self, url: &str) -> Result<SigningCertUrl, UrlError> {
        let parts = Parts::of(url)?;
        if !parts.path.ends_with(".pem") || parts.path.contains("..") || !parts.path.bytes().all(is_plain) {
            return Err(UrlError::NotAPem);
        }
        if let Some(origin) = self.origin_of(&parts) {
            return Ok(SigningCertUrl { url: url.into(), names: vec![origin.certificate_name.clone()] });
        }
        let region = parts.region_of_sns()?;
        // SNS serves certificates at the root path only.
        if parts.path.matches('/').count() != 1 {
            return Err(UrlError::NotAPem);
        }
        Ok(SigningCertUrl { url: url.into(), names: names_of(region) })
    }

    /// Checks the URL that confirms a subscription.
    ///
    /// # Errors
    /// Returns an error if it is not a URL of SNS or of an added origin.
    pub fn subscription(&self, url: &str) -> Result<SubscriptionUrl, UrlError> {
        let parts = Parts::of(url)?;
        if self.origin_of(&parts).is_none() {
            parts.region_of_sns()?;
        }
        Ok(SubscriptionUrl(url.into()))
    }

    fn origin_of(&self, parts: &Parts<'_>) -> Option<&Origin> {
        let origin = parts.origin.to_ascii_lowercase();
        self.origins.iter().find(|known| known.origin == origin)
    }
}

/// Returns whether the path of a certificate may contain this byte: nothing that a URL parser could decode, cut or normalize.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'_' | b'.')
}

/// Returns the names in certificates for the messages of a region, from the AWS SDKs and from certificates of the service.
fn names_of(region: Region<'_>) -> Vec<String> {
    let Region { name, suffix } = region;
    let mut names = vec![
        "sns.amazonaws.com".to_owned(),
        format!("sns.{name}.{suffix}"),
        format!("sns-signing.{name}.{suffix}"),
        format!("sns-{name}.{suffix}"),
    ];
    if name.starts_with("us-gov-") {
        names.push("sns-us-gov-west-1.amazonaws.com".into());
    }
    names
}

struct Region<'a> {
    name: &'a str,
    suffix: &'static str,
}

/// A URL split where every URL parser splits it. URLs that parsers interpret differently are rejected.
struct Parts<'a> {
    /// `scheme://authority`.
    origin: &'a str,
    scheme: &'a str,
    authority: &'a str,
    /// From the first `/`, the query included.
    path: &'a str,
}

impl<'a> Parts<'a> {
    fn of(url: &'a str) -> Result<Self, UrlError> {
        if url.len() > URL_BYTES {
            return Err(UrlError::TooLong { size: url.len(), limit: URL_BYTES });
        }
        let odd = |byte: u8| !byte.is_ascii_graphic() || matches!(byte, b'\\' | b'"' | b'<' | b'>' | b'`' | b'#');
        if url.bytes().any(odd) {
            return Err(UrlError::Malformed);
        }
        let (scheme, rest) = url.split_once("://").ok_or(UrlError::Malformed)?;
        let end = rest.find(['/', '?']).ok_or(UrlError::Malformed)?;
        let (authority, path) = rest.split_at_checked(end).ok_or(UrlError::Malformed)?;
        let origin = url.get(..url.len().saturating_sub(path.len())).ok_or(UrlError::Malformed)?;
        if authority.contains('@') || !path.starts_with('/') {
            return Err(UrlError::Malformed);
        }
        Ok(Self { origin, scheme, authority, path })
    }

    /// `https://sns.REGION.amazonaws.com` or `.com.cn`.
    fn region_of_sns(&self) -> Result<Region<'_>, UrlError> {
        if !self.scheme.eq_ignore_ascii_case("https") {
            return Err(UrlError::NotHttps);
        }
        let host = self.authority.strip_suffix(":443").unwrap_or(self.authority);
        let rest = host.strip_prefix("sns.").ok_or(UrlError::ForeignHost)?;
        let suffixes = ["amazonaws.com", "amazonaws.com.cn"];
        let region = suffixes.into_iter().find_map(|suffix| {
            let name = rest.strip_suffix(suffix)?.strip_suffix('.')?;
            Some(Region { name, suffix })
        });
        let legal =
            |name: &str| name.len() >= 3 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        region.filter(|region| legal(region.name)).ok_or(UrlError::ForeignHost)
    }
}

/// The URL of a signing certificate that has passed a [`UrlPolicy`]: safe to fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningCertUrl {
    url: Box<str>,
    /// One of these names the certificate must carry.
    names: Vec<String>,
}

impl SigningCertUrl {
    /// What to GET. Do not follow redirects.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.url
    }

    pub(super) fn names(&self) -> &[String] {
        &self.names
    }
}

/// The URL that confirms a subscription and has passed a [`UrlPolicy`]: safe to fetch. Its `Debug` form is `[redacted]`, it holds the token.
#[derive(Clone, PartialEq, Eq)]
pub struct SubscriptionUrl(Box<str>);

impl SubscriptionUrl {
    /// What to GET. Do not follow redirects.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SubscriptionUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SubscriptionUrl([redacted])")
    }
}

/// Why a URL must not be fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlError {
    /// The URL is longer than any of SNS.
    #[error("URL too long: {size} bytes, the limit is {limit}")]
    TooLong {
        /// Bytes given.
        size: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// Not an absolute URL, or one with user, fragment or characters that URL parsers interpret differently.
    #[error("not a plain absolute URL")]
    Malformed,
    /// Not `https`.
    #[error("the URL is not https")]
    NotHttps,
    /// The host is not one of SNS.
    #[error("the host is not sns.REGION.amazonaws.com")]
    ForeignHost,
    /// The path is not that of a certificate.
    #[error("the path is not that of a certificate of SNS")]
    NotAPem,
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEM: &str = "SimpleNotificationService-010a507c1833636cd94bdb98bd93083a.pem";

    #[test]
    fn accepts_certificates_of_sns_in_every_partition() {
        for host in
            ["sns.us-west-2.amazonaws.com", "sns.cn-north-1.amazonaws.com.cn", "sns.us-west-2.amazonaws.com:443"]
        {
            let url = UrlPolicy::aws().signing_cert(&format!("https://{host}/{PEM}")).unwrap();
            assert!(url.as_str().contains(host));
        }
    }

    #[test]
    fn hosts_that_only_look_alike_are_refused() {
        for host in [
            "sns.us-west-2.amazonaws.com.evil.example",
            "sns.us-west-2.amazonaws.comx",
            "sns.us-west-2.amazonaws.com.",
            "sns.us-west-2.amazonaws.com:8443",
            "sns.us-west-2.amazonaws.com.cn.cn",
            "snsxus-west-2.amazonaws.com",
            "evil.sns.us-west-2.amazonaws.com",
            "sns.us-west-2.evil.amazonaws.com",
            "sns.ab.amazonaws.com",
            "sns..amazonaws.com",
            "sns.amazonaws.com",
            "s3.us-west-2.amazonaws.com",
            "sns.us_west_2.amazonaws.com",
            "sns.us-west-2amazonaws.com",
            "169.254.169.254",
            "",
        ] {
            let url = format!("https://{host}/{PEM}");
            assert_eq!(UrlPolicy::aws().signing_cert(&url), Err(UrlError::ForeignHost), "{url}");
        }
    }

    #[test]
    fn tricks_with_the_parts_of_a_url_are_refused() {
        for url in [
            "https://sns.us-west-2.amazonaws.com@evil.example/x.pem",
            "https://user:pass@sns.us-west-2.amazonaws.com/x.pem",
            "https://evil.example\\@sns.us-west-2.amazonaws.com/x.pem",
            "https://sns.us-west-2.amazonaws.com#.evil.example/x.pem",
            "https://sns.us-west-2.amazonaws.com?x.pem",
            "https://sns.us-west-2.amazonaws.com/x\n.pem",
            "https://sns.us-west-2.amazonaws.com /x.pem",
            "https://sns.us-wést-2.amazonaws.com/x.pem",
            "https://sns.us-west-2.amazonaws.com",
            "//sns.us-west-2.amazonaws.com/x.pem",
            "/x.pem",
            "",
        ] {
            assert_eq!(UrlPolicy::aws().signing_cert(url), Err(UrlError::Malformed), "{url}");
        }
        let http = format!("http://sns.us-west-2.amazonaws.com/{PEM}");
        assert_eq!(UrlPolicy::aws().signing_cert(&http), Err(UrlError::NotHttps));
        let long = format!("https://sns.us-west-2.amazonaws.com/{}.pem", "x".repeat(URL_BYTES));
        assert!(matches!(UrlPolicy::aws().signing_cert(&long), Err(UrlError::TooLong { .. })));
    }

    #[test]
    fn paths_that_are_no_certificate_of_sns_are_refused() {
        for path in
            ["", "x.pem.txt", "?Action=Publish&x=.pem", "a/b.pem", "../x.pem", "%2e%2e/x.pem", "x.pem?a", "a;b.pem"]
        {
            let url = format!("https://sns.us-west-2.amazonaws.com/{path}");
            assert_eq!(UrlPolicy::aws().signing_cert(&url), Err(UrlError::NotAPem), "{url}");
        }
    }

    #[test]
    fn an_origin_that_was_added_is_taken_and_no_other() {
        let policy = UrlPolicy::aws().and_origin("http://127.0.0.1:4566/", "localhost");
        assert!(policy.signing_cert("http://127.0.0.1:4566/sns/cert.pem").is_ok());
        assert!(policy.subscription("http://127.0.0.1:4566/?Action=ConfirmSubscription&Token=a").is_ok());
        assert!(policy.signing_cert(&format!("https://sns.us-west-2.amazonaws.com/{PEM}")).is_ok());
        for url in ["http://127.0.0.1:45667/x.pem", "https://127.0.0.1:4566/x.pem", "http://127.0.0.1/x.pem"] {
            assert!(policy.signing_cert(url).is_err(), "{url}");
        }
    }

    #[test]
    fn a_confirmation_leads_to_sns_only_and_does_not_print() {
        let url = "https://sns.us-west-2.amazonaws.com/?Action=ConfirmSubscription&Token=2336412f37";
        let checked = UrlPolicy::aws().subscription(url).unwrap();
        assert_eq!(format!("{checked:?}"), "SubscriptionUrl([redacted])");
        assert_eq!(UrlPolicy::aws().subscription("https://evil.example/?Token=1"), Err(UrlError::ForeignHost));
        assert_eq!(UrlPolicy::aws().subscription("http://sns.us-west-2.amazonaws.com/"), Err(UrlError::NotHttps));
    }

    #[test]
    fn the_names_a_certificate_may_carry_follow_the_region() {
        let names = |host: &str| UrlPolicy::aws().signing_cert(&format!("https://{host}/{PEM}")).unwrap().names;
        assert!(names("sns.af-south-1.amazonaws.com").contains(&"sns-signing.af-south-1.amazonaws.com".into()));
        assert!(names("sns.cn-north-1.amazonaws.com.cn").contains(&"sns-cn-north-1.amazonaws.com.cn".into()));
        assert!(names("sns.us-gov-east-1.amazonaws.com").contains(&"sns-us-gov-west-1.amazonaws.com".into()));
    }
}

//! Where requests go.

use std::fmt;
use std::str::FromStr;

use http::uri::{Authority, Scheme, Uri};

use crate::net::region::{Partition, Region};

/// A scheme, a host and perhaps a port: what a request's path is appended to.
///
/// ```
/// let endpoint: kvs_aws::Endpoint = "http://127.0.0.1:4567".parse()?;
/// assert_eq!(endpoint.to_string(), "http://127.0.0.1:4567");
/// # Ok::<(), kvs_aws::InvalidEndpoint>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    security: Security,
    authority: Authority,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Security {
    Tls,
    Plain,
}

/// A text that is no endpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("endpoint {given:?} is not of the form https://host or http://host:port without a path")]
#[non_exhaustive]
pub struct InvalidEndpoint {
    /// The text.
    pub given: String,
}

/// FIPS-validated endpoints or ordinary ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Fips {
    /// Ordinary endpoints; in GovCloud FIPS ones all the same, no others are published there.
    #[default]
    Ordinary,
    /// `kinesisvideo-fips.…`.
    Required,
}

/// IPv4 endpoints or such that speak IPv6 too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum IpFamilies {
    /// IPv4 only.
    #[default]
    V4,
    /// IPv4 and IPv6.
    DualStack,
}

impl Endpoint {
    /// The control plane of a region by the endpoint rules of the service model.
    #[must_use]
    pub fn control_plane(region: &Region, fips: Fips, families: IpFamilies) -> Self {
        let partition = region.partition();
        // The published endpoint list has only FIPS hosts for GovCloud, asked for or not.
        let service = match (fips, partition) {
            (Fips::Required, _) | (Fips::Ordinary, Partition::UsGov) => "kinesisvideo-fips",
            (Fips::Ordinary, _) => "kinesisvideo",
        };
        let suffix = match families {
            IpFamilies::V4 => partition.dns_suffix(),
            IpFamilies::DualStack => partition.dual_stack_dns_suffix(),
        };
        let authority = Authority::try_from(format!("{service}.{region}.{suffix}"))
            .expect("a region is made of characters that a host name takes");
        Self { security: Security::Tls, authority }
    }

    /// Host and port as they stand in the `Host` header: a default port is left out.
    #[must_use]
    pub fn host_header(&self) -> String {
        match self.authority.port_u16() {
            Some(port) if port != self.default_port() => self.authority.to_string(),
            _ => self.authority.host().to_owned(),
        }
    }

    /// The host without brackets: what is resolved and what the certificate must name.
    #[must_use]
    pub fn host(&self) -> &str {
        let host = self.authority.host();
        host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
    }

    /// The port, 443 or 80 when none is named.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.authority.port_u16().unwrap_or_else(|| self.default_port())
    }

    /// Whether connections are encrypted.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.security == Security::Tls
    }

    /// The absolute address of `path`, which starts with a slash.
    ///
    /// # Errors
    /// When the path is none.
    pub fn uri(&self, path: &str) -> Result<Uri, http::Error> {
        Uri::builder().scheme(self.scheme()).authority(self.authority.clone()).path_and_query(path).build()
    }

    fn scheme(&self) -> Scheme {
        match self.security {
            Security::Tls => Scheme::HTTPS,
            Security::Plain => Scheme::HTTP,
        }
    }

    const fn default_port(&self) -> u16 {
        match self.security {
            Security::Tls => 443,
            Security::Plain => 80,
        }
    }
}

impl FromStr for Endpoint {
    type Err = InvalidEndpoint;

    fn from_str(text: &str) -> Result<Self, InvalidEndpoint> {
        let refuse = || InvalidEndpoint { given: text.to_owned() };
        let uri = Uri::from_str(text.trim()).map_err(|_| refuse())?.into_parts();
        let security = match uri.scheme {
            Some(scheme) if scheme == Scheme::HTTPS => Security::Tls,
            Some(scheme) if scheme == Scheme::HTTP => Security::Plain,
            _ => return Err(refuse()),
        };
        let authority = uri.authority.ok_or_else(refuse)?;
        let bare = uri.path_and_query.is_none_or(|path| path == "/");
        // User info would be sent nowhere, a port beyond 65535 reads as none: both are mistakes worth naming.
        let odd = authority.as_str() != authority.host() && authority.port_u16().is_none()
            || authority.as_str().contains('@');
        if authority.host().is_empty() || !bare || odd {
            return Err(refuse());
        }
        Ok(Self { security, authority })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme(), self.authority)
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(region: &str, fips: Fips, families: IpFamilies) -> String {
        Endpoint::control_plane(&Region::new(region).unwrap(), fips, families).to_string()
    }

    #[test]
    fn every_partition_has_its_domain() {
        use Fips::{Ordinary, Required};
        use IpFamilies::{DualStack, V4};
        for (region, fips, families, expected) in [
            ("eu-west-1", Ordinary, V4, "https://kinesisvideo.eu-west-1.amazonaws.com"),
            ("us-east-1", Required, V4, "https://kinesisvideo-fips.us-east-1.amazonaws.com"),
            ("us-east-1", Ordinary, DualStack, "https://kinesisvideo.us-east-1.api.aws"),
            ("us-east-1", Required, DualStack, "https://kinesisvideo-fips.us-east-1.api.aws"),
            ("cn-north-1", Ordinary, V4, "https://kinesisvideo.cn-north-1.amazonaws.com.cn"),
            ("cn-north-1", Ordinary, DualStack, "https://kinesisvideo.cn-north-1.api.amazonwebservices.com.cn"),
            ("us-iso-east-1", Ordinary, V4, "https://kinesisvideo.us-iso-east-1.c2s.ic.gov"),
            ("us-isob-east-1", Ordinary, V4, "https://kinesisvideo.us-isob-east-1.sc2s.sgov.gov"),
            ("eusc-de-east-1", Ordinary, V4, "https://kinesisvideo.eusc-de-east-1.amazonaws.eu"),
        ] {
            assert_eq!(host(region, fips, families), expected);
        }
    }

    #[test]
    fn govcloud_gets_fips_hosts_asked_for_or_not() {
        let expected = "https://kinesisvideo-fips.us-gov-west-1.amazonaws.com";
        assert_eq!(host("us-gov-west-1", Fips::Ordinary, IpFamilies::V4), expected);
    }

    #[test]
    fn texts_that_are_no_endpoint_are_refused() {
        for text in
            ["", "127.0.0.1:80", "ftp://host", "http://", "http://host/path", "http://u:p@host", "http://h:99999"]
        {
            assert!(text.parse::<Endpoint>().is_err(), "{text}");
        }
    }

    #[test]
    fn default_ports_are_left_out_of_the_host_header() {
        let header = |text: &str| text.parse::<Endpoint>().unwrap().host_header();
        assert_eq!(header("https://a.example:443/"), "a.example");
        assert_eq!(header("http://a.example:443"), "a.example:443");
        assert_eq!("http://[::1]:8080".parse::<Endpoint>().unwrap().host(), "::1");
    }
}

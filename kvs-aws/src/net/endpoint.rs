//! Where requests are sent.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use http::uri::{Authority, Scheme, Uri};

use super::region::{Partition, Region};

/// The URL of an endpoint: `http` or `https`, a host, and optionally a port.
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

/// A text is not the URL of an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is not an endpoint URL; expected https://HOST or http://HOST:PORT without a path")]
#[non_exhaustive]
pub struct InvalidEndpoint {
    /// The text.
    pub given: String,
}

impl Endpoint {
    /// Whether the host belongs to AWS: an endpoint of a Region, or of a private network (an interface VPC endpoint). Other addresses
    /// are those of emulators such as kvs-local, and of proxies.
    ///
    /// ```
    /// let endpoint: kvs_aws::Endpoint = "https://vpce-0a1b-2c3d.kinesisvideo.eu-west-1.vpce.amazonaws.com".parse()?;
    /// assert!(endpoint.is_aws());
    /// # Ok::<(), kvs_aws::InvalidEndpoint>(())
    /// ```
    #[must_use]
    pub fn is_aws(&self) -> bool {
        let host = self.authority.host().to_ascii_lowercase();
        let suffixes = Partition::ALL.map(|partition| [partition.dns_suffix(), partition.dual_stack_dns_suffix()]);
        suffixes.iter().flatten().any(|suffix| host.strip_suffix(suffix).is_some_and(|name| name.ends_with('.')))
    }

    /// Returns the control-plane endpoint of a region, by the endpoint rules of the service model.
    pub(crate) fn control_plane(region: &Region, use_fips: bool, use_dual_stack: bool) -> Self {
        let partition = region.partition();
        // AWS's endpoint list has only FIPS hosts for GovCloud.
        let service = if use_fips || partition == Partition::UsGov { "kinesisvideo-fips" } else { "kinesisvideo" };
        let suffix = if use_dual_stack { partition.dual_stack_dns_suffix() } else { partition.dns_suffix() };
        let authority = Authority::try_from(format!("{service}.{region}.{suffix}"))
            .expect("a region has only characters that a host name may have");
        Self { security: Security::Tls, authority }
    }

    /// Returns the value of the `Host` header: host and port, without the port if it is the default one.
    pub(crate) fn host_header(&self) -> String {
        match self.authority.port_u16() {
            Some(port) if port != self.default_port() => self.authority.to_string(),
            _ => self.authority.host().to_owned(),
        }
    }

    /// Whether it is on this machine by its name: an address of the loopback interface, or `localhost`.
    pub(crate) fn is_loopback(&self) -> bool {
        let host = self.authority.host();
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        address.map_or_else(|_| host.eq_ignore_ascii_case("localhost"), |address| address.is_loopback())
    }

    /// Whether connections are encrypted.
    pub(crate) fn is_tls(&self) -> bool {
        self.security == Security::Tls
    }

    /// Returns the absolute URI of `path`, which starts with a slash.
    pub(crate) fn uri(&self, path: &str) -> Result<Uri, http::Error> {
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
        let invalid = || InvalidEndpoint { given: text.to_owned() };
        let uri = Uri::from_str(text.trim()).map_err(|_| invalid())?.into_parts();
        let security = match uri.scheme {
            Some(scheme) if scheme == Scheme::HTTPS => Security::Tls,
            Some(scheme) if scheme == Scheme::HTTP => Security::Plain,
            _ => return Err(invalid()),
        };
        let authority = uri.authority.ok_or_else(invalid)?;
        let has_path = !uri.path_and_query.is_none_or(|path| path == "/");
        // `port_u16` returns `None` also for a port above 65535. User info is never sent.
        let bad_authority = authority.as_str() != authority.host() && authority.port_u16().is_none()
            || authority.as_str().contains('@');
        if authority.host().is_empty() || has_path || bad_authority {
            return Err(invalid());
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

    fn host(region: &str, use_fips: bool, use_dual_stack: bool) -> String {
        Endpoint::control_plane(&Region::new(region).unwrap(), use_fips, use_dual_stack).to_string()
    }

    #[test]
    fn each_partition_has_its_dns_suffix() {
        for (region, use_fips, use_dual_stack, expected) in [
            ("eu-west-1", false, false, "https://kinesisvideo.eu-west-1.amazonaws.com"),
            ("us-east-1", true, false, "https://kinesisvideo-fips.us-east-1.amazonaws.com"),
            ("us-east-1", false, true, "https://kinesisvideo.us-east-1.api.aws"),
            ("us-east-1", true, true, "https://kinesisvideo-fips.us-east-1.api.aws"),
            ("cn-north-1", false, false, "https://kinesisvideo.cn-north-1.amazonaws.com.cn"),
            ("cn-north-1", false, true, "https://kinesisvideo.cn-north-1.api.amazonwebservices.com.cn"),
            ("us-iso-east-1", false, false, "https://kinesisvideo.us-iso-east-1.c2s.ic.gov"),
            ("us-isob-east-1", false, false, "https://kinesisvideo.us-isob-east-1.sc2s.sgov.gov"),
            ("eusc-de-east-1", false, false, "https://kinesisvideo.eusc-de-east-1.amazonaws.eu"),
        ] {
            assert_eq!(host(region, use_fips, use_dual_stack), expected);
        }
    }

    #[test]
    fn govcloud_uses_fips_hosts_by_default() {
        let expected = "https://kinesisvideo-fips.us-gov-west-1.amazonaws.com";
        assert_eq!(host("us-gov-west-1", false, false), expected);
    }

    #[test]
    fn rejects_invalid_endpoint_urls() {
        for text in
            ["", "127.0.0.1:80", "ftp://host", "http://", "http://host/path", "http://u:p@host", "http://h:99999"]
        {
            assert!(text.parse::<Endpoint>().is_err(), "{text}");
        }
    }

    #[test]
    fn hosts_of_aws_end_with_the_domain_of_a_partition() {
        let is_aws = |text: &str| text.parse::<Endpoint>().unwrap().is_aws();
        for host in [
            "https://vpce-0a1b-2c3d.kinesisvideo.eu-west-1.vpce.amazonaws.com",
            "https://kinesisvideo.us-west-2.api.aws:443/",
            "https://KINESISVIDEO.cn-north-1.amazonaws.com.CN",
            "https://kinesisvideo.eusc-de-east-1.amazonaws.eu",
        ] {
            assert!(is_aws(host), "{host}");
        }
        for host in
            ["http://127.0.0.1:4567", "http://amazonaws.com.example:4567", "http://notamazonaws.com", "http://api.aws"]
        {
            assert!(!is_aws(host), "{host}");
        }
    }

    #[test]
    fn only_addresses_of_this_machine_are_loopback() {
        let is_loopback = |text: &str| text.parse::<Endpoint>().unwrap().is_loopback();
        assert!(
            ["http://127.0.0.1:1", "http://127.9.9.9", "http://[::1]:80", "http://LOCALHOST"].map(is_loopback)
                == [true; 4]
        );
        let others = ["http://10.0.0.1", "http://localhost.example", "http://127.0.0.1.example", "http://[fe80::1]"];
        assert!(others.map(is_loopback) == [false; 4]);
    }

    #[test]
    fn host_header_omits_default_ports() {
        let header = |text: &str| text.parse::<Endpoint>().unwrap().host_header();
        assert_eq!(header("https://a.example:443/"), "a.example");
        assert_eq!(header("http://a.example:443"), "a.example:443");
        assert_eq!(header("http://[::1]:8080"), "[::1]:8080");
    }
}

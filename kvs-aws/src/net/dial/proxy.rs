//! Which connections go through a proxy.

use std::fmt;

use http::Uri;
use hyper_util::client::proxy::matcher::Matcher;

/// The HTTP proxies for outgoing connections.
///
/// Connections to `https` and `http` endpoints go through a `CONNECT` tunnel: the proxy learns host and port, and nothing of
/// the content of encrypted connections. SOCKS is not supported.
///
/// ```
/// use kvs_aws::Proxy;
///
/// let proxy = Proxy::new("http://user:password@proxy.example:3128")?.no_proxy(".internal.example, 10.0.0.0/8");
/// assert_eq!(format!("{proxy:?}"), r#"Proxy { https: "http://proxy.example:3128", http: "http://proxy.example:3128" }"#);
/// # Ok::<(), kvs_aws::InvalidProxy>(())
/// ```
#[derive(Clone, Default)]
pub struct Proxy {
    https: Option<ProxyUrl>,
    http: Option<ProxyUrl>,
    no_proxy: String,
}

/// The URL of a proxy, which may contain a user and a password.
#[derive(Clone)]
struct ProxyUrl(String);

/// The URL of a proxy is invalid. The URL is not shown because it may contain a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{variable} is not the URL of an HTTP proxy; expected http://HOST:PORT or http://USER:PASSWORD@HOST:PORT, or the same with \
     https; SOCKS is not supported"
)]
#[non_exhaustive]
pub struct InvalidProxy {
    /// The environment variable that contains the URL, or `proxy URL` for [`Proxy::new`].
    pub variable: &'static str,
}

impl Proxy {
    /// Returns the setting without a proxy, the default of [`ClientConfig::new`](crate::ClientConfig::new).
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Sends all connections through the proxy at `url`.
    ///
    /// `https://` means TLS to the proxy itself. Without a scheme, `http://` is assumed. User and password are
    /// percent-encoded.
    ///
    /// # Errors
    /// Returns an error if `url` is not the URL of an HTTP proxy.
    pub fn new(url: &str) -> Result<Self, InvalidProxy> {
        let url = ProxyUrl::parse(url, "proxy URL")?;
        Ok(Self { https: Some(url.clone()), http: Some(url), no_proxy: String::new() })
    }

    /// Sets the hosts that are connected to directly, separated by commas, as in `NO_PROXY`: a domain (includes its
    /// subdomains), an address, a network (`10.0.0.0/8`), or `*`. Default: none.
    #[must_use]
    pub fn no_proxy(mut self, hosts: impl Into<String>) -> Self {
        self.no_proxy = hosts.into();
        self
    }

    /// Reads the environment.
    ///
    /// `HTTPS_PROXY` applies to `https` endpoints, `HTTP_PROXY` to `http` endpoints, `ALL_PROXY` to those whose variable is
    /// not set, and `NO_PROXY` lists exceptions. Upper case takes precedence over lower case. This machine (`localhost`,
    /// `127.0.0.0/8`, `::1`) is always connected to directly. If `REQUEST_METHOD` is set, `HTTP_PROXY` is ignored: under CGI
    /// it is the `Proxy` header of a request.
    ///
    /// # Errors
    /// Returns an error if a variable is not the URL of an HTTP proxy.
    pub fn from_env() -> Result<Self, InvalidProxy> {
        Self::from_vars(|name| std::env::var(name).ok())
    }

    /// Reads the variables of [`Proxy::from_env`] with the given function. Empty values count as not set.
    ///
    /// # Errors
    /// Returns an error if a variable is not the URL of an HTTP proxy.
    pub fn from_vars(variable: impl Fn(&'static str) -> Option<String>) -> Result<Self, InvalidProxy> {
        let variable = |name| variable(name).filter(|value| !value.trim().is_empty());
        let url = |names: &[&'static str]| {
            let found = names.iter().find_map(|name| Some((*name, variable(name)?)));
            found.map(|(name, value)| ProxyUrl::parse(&value, name)).transpose()
        };
        let http: &[_] =
            if variable("REQUEST_METHOD").is_some() { &["http_proxy"] } else { &["HTTP_PROXY", "http_proxy"] };
        let all = url(&["ALL_PROXY", "all_proxy"])?;
        let no_proxy = variable("NO_PROXY").or_else(|| variable("no_proxy")).unwrap_or_default();
        Ok(Self {
            https: url(&["HTTPS_PROXY", "https_proxy"])?.or_else(|| all.clone()),
            http: url(http)?.or(all),
            no_proxy: format!("{THIS_MACHINE},{no_proxy}"),
        })
    }

    pub(super) fn matcher(&self) -> Matcher {
        let text = |url: &Option<ProxyUrl>| url.as_ref().map_or_else(String::new, |url| url.0.clone());
        Matcher::builder().https(text(&self.https)).http(text(&self.http)).no(self.no_proxy.clone()).build()
    }
}

impl ProxyUrl {
    fn parse(text: &str, variable: &'static str) -> Result<Self, InvalidProxy> {
        let text = text.trim();
        let uri: Uri = text.parse().map_err(|_| InvalidProxy { variable })?;
        let is_http = matches!(uri.scheme_str(), None | Some("http" | "https"));
        let authority = uri.authority().filter(|authority| !authority.host().is_empty());
        // `port_u16` returns `None` also for a port above 65535.
        let has_valid_port = authority.is_some_and(|authority| {
            let host_and_port = authority.as_str().rsplit('@').next();
            authority.port_u16().is_some() || host_and_port == Some(authority.host())
        });
        if is_http && has_valid_port { Ok(Self(text.to_owned())) } else { Err(InvalidProxy { variable }) }
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Proxy");
        for (name, url) in [("https", &self.https), ("http", &self.http)] {
            if let Some(url) = url {
                shown.field(name, url);
            }
        }
        shown.finish()
    }
}

/// Omits user and password.
impl fmt::Debug for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, rest) = self.0.split_once("://").unwrap_or(("http", &self.0));
        let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
        write!(f, "\"{scheme}://{}\"", host.trim_end_matches('/'))
    }
}

/// The hosts of this machine, so that a local service is reached while proxy variables are set.
const THIS_MACHINE: &str = "localhost,127.0.0.0/8,::1";

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the proxy for `target`, and whether user and password are sent to it.
    fn proxy_for(proxy: &Proxy, target: &str) -> Option<(String, bool)> {
        let intercept = proxy.matcher().intercept(&target.parse().unwrap())?;
        Some((intercept.uri().to_string(), intercept.basic_auth().is_some()))
    }

    fn of(vars: &[(&str, &str)]) -> Result<Proxy, InvalidProxy> {
        Proxy::from_vars(|name| vars.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn scheme_selects_the_variable_with_all_proxy_as_fallback() {
        let to = |uri: &str| Some((uri.to_owned(), false));
        let proxy = of(&[("HTTPS_PROXY", "http://a:1"), ("http_proxy", "b:2")]).unwrap();
        assert_eq!(proxy_for(&proxy, "https://kvs.example"), to("http://a:1/"));
        assert_eq!(proxy_for(&proxy, "http://kvs.example"), to("http://b:2/"));
        let proxy = of(&[("HTTPS_PROXY", "http://a:1"), ("all_proxy", "https://c:3")]).unwrap();
        assert_eq!(proxy_for(&proxy, "http://kvs.example"), to("https://c:3/"));
        assert_eq!(proxy_for(&of(&[]).unwrap(), "https://kvs.example"), None);
        assert_eq!(
            proxy_for(&of(&[("HTTP_PROXY", "b:2"), ("REQUEST_METHOD", "GET")]).unwrap(), "http://kvs.example"),
            None
        );
    }

    #[test]
    fn no_proxy_hosts_and_this_machine_are_connected_to_directly() {
        let proxy = of(&[("ALL_PROXY", "http://a:1"), ("NO_PROXY", "inside.example, 10.0.0.0/8")]).unwrap();
        for target in [
            "https://inside.example",
            "https://kvs.inside.example",
            "http://10.1.2.3:8080",
            "http://127.0.0.1:4567",
            "http://localhost:4567",
            "http://[::1]:4567",
        ] {
            assert_eq!(proxy_for(&proxy, target), None, "{target}");
        }
        assert!(proxy_for(&proxy, "https://notinside.example").is_some());
        // A proxy that is set in code also applies to this machine.
        assert!(proxy_for(&Proxy::new("http://a:1").unwrap(), "http://127.0.0.1:4567").is_some());
    }

    #[test]
    fn user_and_password_are_sent_but_not_shown() {
        let proxy = Proxy::new("http://user:very-secret%40@proxy.example:3128/").unwrap();
        assert_eq!(proxy_for(&proxy, "https://kvs.example"), Some(("http://proxy.example:3128/".to_owned(), true)));
        assert!(!format!("{proxy:?}").contains("very-secret"), "{proxy:?}");
        for wrong in ["", "socks5://u:very-secret@h:1", "http://", "http://h:99999", "http://very-secret@", "a b"] {
            let error = Proxy::new(wrong).unwrap_err();
            assert!(!format!("{error}{error:?}").contains("very-secret"), "{error}");
        }
        let error = of(&[("HTTPS_PROXY", "ftp://very-secret")]).unwrap_err();
        assert!(error.to_string().starts_with("HTTPS_PROXY is not the URL of an HTTP proxy"), "{error}");
    }
}

//! Which connections go through a proxy.

use std::fmt;

use http::Uri;
use hyper_util::client::proxy::matcher::Matcher;

/// The HTTP proxies that connections go through, by `CONNECT`, for `https` and `http` targets alike: the proxy sees where
/// they lead, never what is in them if they are encrypted.
///
/// ```
/// use kvs_aws::Proxy;
///
/// let proxy = Proxy::new("http://user:password@proxy.example:3128")?.except(".internal.example, 10.0.0.0/8");
/// assert_eq!(format!("{proxy:?}"), r#"Proxy { https: "http://proxy.example:3128", http: "http://proxy.example:3128" }"#);
/// # Ok::<(), kvs_aws::InvalidProxy>(())
/// ```
#[derive(Clone, Default)]
pub struct Proxy {
    https: Option<ProxyUrl>,
    http: Option<ProxyUrl>,
    except: String,
}

/// A proxy's address with, perhaps, a user and a password in it.
#[derive(Clone)]
struct ProxyUrl(String);

/// A proxy's address is none. It is not shown: it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{variable} is not of the form http://host:port or https://user:password@host:port; SOCKS is not spoken")]
#[non_exhaustive]
pub struct InvalidProxy {
    /// Where it came from.
    pub variable: &'static str,
}

impl Proxy {
    /// No proxy: the default of [`ClientConfig::new`](crate::ClientConfig::new).
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// All connections go through the proxy at `url`: `http://`, or `https://` to speak TLS with the proxy itself; without a
    /// scheme `http://`; user and password, percent-encoded, where it asks for them.
    ///
    /// # Errors
    /// When the text is no address of an HTTP proxy.
    pub fn new(url: &str) -> Result<Self, InvalidProxy> {
        let url = ProxyUrl::parse(url, "the proxy's address")?;
        Ok(Self { https: Some(url.clone()), http: Some(url), except: String::new() })
    }

    /// Sets the targets that are connected to without a proxy, separated by commas: a domain with its subdomains, an
    /// address, a network (`10.0.0.0/8`), or `*`.
    #[must_use]
    pub fn except(mut self, targets: impl Into<String>) -> Self {
        self.except = targets.into();
        self
    }

    /// Reads the environment as other tools do: `HTTPS_PROXY` and `HTTP_PROXY` by the target's scheme, `ALL_PROXY` where the
    /// one is not set, `NO_PROXY` for exceptions, each in upper case before lower case. This machine (`localhost`,
    /// `127.0.0.0/8`, `::1`) is always reached without a proxy. Under CGI (`REQUEST_METHOD` is set) `HTTP_PROXY` is what a
    /// client sent and not read.
    ///
    /// # Errors
    /// When a value is no address of an HTTP proxy.
    pub fn from_env() -> Result<Self, InvalidProxy> {
        Self::from_vars(|name| std::env::var(name).ok())
    }

    /// [`Proxy::from_env`] with another place to look variables up. Empty values count as not set.
    ///
    /// # Errors
    /// When a value is no address of an HTTP proxy.
    pub fn from_vars(variable: impl Fn(&'static str) -> Option<String>) -> Result<Self, InvalidProxy> {
        let variable = |name| variable(name).filter(|value| !value.trim().is_empty());
        let url = |names: &[&'static str]| {
            let found = names.iter().find_map(|name| Some((*name, variable(name)?)));
            found.map(|(name, value)| ProxyUrl::parse(&value, name)).transpose()
        };
        let http: &[_] =
            if variable("REQUEST_METHOD").is_some() { &["http_proxy"] } else { &["HTTP_PROXY", "http_proxy"] };
        let all = url(&["ALL_PROXY", "all_proxy"])?;
        let except = variable("NO_PROXY").or_else(|| variable("no_proxy")).unwrap_or_default();
        Ok(Self {
            https: url(&["HTTPS_PROXY", "https_proxy"])?.or_else(|| all.clone()),
            http: url(http)?.or(all),
            except: format!("{THIS_MACHINE},{except}"),
        })
    }

    pub(super) fn matcher(&self) -> Matcher {
        let text = |url: &Option<ProxyUrl>| url.as_ref().map_or_else(String::new, |url| url.0.clone());
        Matcher::builder().https(text(&self.https)).http(text(&self.http)).no(self.except.clone()).build()
    }
}

impl ProxyUrl {
    fn parse(text: &str, variable: &'static str) -> Result<Self, InvalidProxy> {
        let text = text.trim();
        let uri: Uri = text.parse().map_err(|_| InvalidProxy { variable })?;
        let spoken = matches!(uri.scheme_str(), None | Some("http" | "https"));
        let authority = uri.authority().filter(|authority| !authority.host().is_empty());
        // A port beyond 65535 reads as none.
        let port_fits = authority.is_some_and(|authority| {
            let host_and_port = authority.as_str().rsplit('@').next();
            authority.port_u16().is_some() || host_and_port == Some(authority.host())
        });
        if spoken && port_fits { Ok(Self(text.to_owned())) } else { Err(InvalidProxy { variable }) }
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

/// Without user and password.
impl fmt::Debug for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, rest) = self.0.split_once("://").unwrap_or(("http", &self.0));
        let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
        write!(f, "\"{scheme}://{}\"", host.trim_end_matches('/'))
    }
}

/// A local service is not behind a proxy.
const THIS_MACHINE: &str = "localhost,127.0.0.0/8,::1";

#[cfg(test)]
mod tests {
    use super::*;

    /// The proxy that a connection to `target` goes through, and whether it is told who comes.
    fn way(proxy: &Proxy, target: &str) -> Option<(String, bool)> {
        let way = proxy.matcher().intercept(&target.parse().unwrap())?;
        Some((way.uri().to_string(), way.basic_auth().is_some()))
    }

    fn of(vars: &[(&str, &str)]) -> Result<Proxy, InvalidProxy> {
        Proxy::from_vars(|name| vars.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn the_targets_scheme_chooses_the_variable_and_all_proxy_fills_in() {
        let to = |uri: &str| Some((uri.to_owned(), false));
        let proxy = of(&[("HTTPS_PROXY", "http://a:1"), ("http_proxy", "b:2")]).unwrap();
        assert_eq!(way(&proxy, "https://kvs.example"), to("http://a:1/"));
        assert_eq!(way(&proxy, "http://kvs.example"), to("http://b:2/"));
        let proxy = of(&[("HTTPS_PROXY", "http://a:1"), ("all_proxy", "https://c:3")]).unwrap();
        assert_eq!(way(&proxy, "http://kvs.example"), to("https://c:3/"));
        assert_eq!(way(&of(&[]).unwrap(), "https://kvs.example"), None);
        assert_eq!(way(&of(&[("HTTP_PROXY", "b:2"), ("REQUEST_METHOD", "GET")]).unwrap(), "http://kvs.example"), None);
    }

    #[test]
    fn exceptions_and_this_machine_are_reached_without_a_proxy() {
        let proxy = of(&[("ALL_PROXY", "http://a:1"), ("NO_PROXY", "inside.example, 10.0.0.0/8")]).unwrap();
        for target in [
            "https://inside.example",
            "https://kvs.inside.example",
            "http://10.1.2.3:8080",
            "http://127.0.0.1:4567",
            "http://localhost:4567",
            "http://[::1]:4567",
        ] {
            assert_eq!(way(&proxy, target), None, "{target}");
        }
        assert!(way(&proxy, "https://notinside.example").is_some());
        // Who names a proxy in code means it, for this machine too.
        assert!(way(&Proxy::new("http://a:1").unwrap(), "http://127.0.0.1:4567").is_some());
    }

    #[test]
    fn user_and_password_are_sent_and_never_shown() {
        let proxy = Proxy::new("http://user:very-secret%40@proxy.example:3128/").unwrap();
        assert_eq!(way(&proxy, "https://kvs.example"), Some(("http://proxy.example:3128/".to_owned(), true)));
        assert!(!format!("{proxy:?}").contains("very-secret"), "{proxy:?}");
        for wrong in ["", "socks5://u:very-secret@h:1", "http://", "http://h:99999", "http://very-secret@", "a b"] {
            let error = Proxy::new(wrong).unwrap_err();
            assert!(!format!("{error}{error:?}").contains("very-secret"), "{error}");
        }
        let error = of(&[("HTTPS_PROXY", "ftp://very-secret")]).unwrap_err();
        assert!(error.to_string().starts_with("HTTPS_PROXY is not of the form"), "{error}");
    }
}

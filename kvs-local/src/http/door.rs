//! Who may talk to the service at all: requests with a known Host, and no web page that was not named.
//!
//! A browser sends requests of any page to loopback addresses, and the default access key is public. Two rules keep pages of other
//! machines out:
//!
//! - `Host` must be a loopback name or address, the address that the connection arrived at, or the host of `--public-url`. A
//!   page that rebinds its own name to 127.0.0.1 still sends its own name.
//! - A request with an `Origin` is refused unless a program of the browser's machine served the page (a loopback origin), the page is
//!   this service's own, or `--cors-origin` names it. So is a POST without `Origin` that a browser marks as sent for another site,
//!   and one with a media type that forms can send without asking.
//!
//! Loopback origins may use the service because whoever serves pages there runs on the same machine and can connect without a
//! browser, too. Their requests are still checked like all others: a page needs a key, which it has to be given, and nothing that the
//! browser adds by itself (cookies, client certificates) counts as one. With `--anonymous` no key is needed, so that any page of a
//! loopback origin can do everything; pages of other origins are still kept out by the two rules.
//!
//! Every response names `Origin` in `Vary`, since responses to pages differ from others. A response to an origin that may use the
//! service lets the page read it, errors included.

use std::net::IpAddr;

use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};

use super::ConnectionInfo;
use crate::api::wire::{self, Response};
use crate::api::{ApiError, Exception};

/// The hosts and origins that are let in.
#[derive(Clone, Debug)]
pub(crate) struct Door {
    listen: IpAddr,
    public: Option<PublicUrl>,
    origins: Vec<CorsOrigin>,
}

/// A request that was let in.
#[derive(Debug)]
pub(crate) struct Admitted {
    /// The base URL of this service as the client reaches it.
    pub(crate) endpoint: String,
    /// The origin of the page that sent the request, which may use the service.
    origin: Option<HeaderValue>,
    /// Whether no page of another origin sent the request.
    own: Own,
}

/// Who sent a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Own {
    /// The service's own page, the user in the address bar, or a program that is no browser.
    Yes,
    /// A page of another origin.
    No,
}

impl Door {
    pub(crate) const fn new(listen: IpAddr, public: Option<PublicUrl>, origins: Vec<CorsOrigin>) -> Self {
        Self { listen, public, origins }
    }

    /// Checks host, origin and media type of a request.
    pub(crate) fn admit(&self, request: &Parts, info: ConnectionInfo) -> Result<Admitted, ApiError> {
        let host = self.host(request, info)?;
        let endpoint = self.endpoint(host.as_ref(), info);
        let origin = self.origin(&request.headers, &endpoint)?;
        if request.method == Method::POST && origin.is_none() {
            check_site(&request.headers)?;
            check_media_type(&request.headers)?;
        }
        let own = own(&request.headers, &endpoint);
        Ok(Admitted { endpoint, origin, own })
    }

    /// Returns the accepted host of a request; `None` if an old client sent none.
    fn host(&self, request: &Parts, info: ConnectionInfo) -> Result<Option<Authority>, ApiError> {
        let mut hosts = request.headers.get_all(header::HOST).iter();
        let (host, second) = (hosts.next(), hosts.next());
        if second.is_some() {
            return Err(refused("the request has more than one Host header"));
        }
        let host = match host {
            // No browser omits Host.
            None => None,
            Some(host) => Some(
                host.to_str()
                    .ok()
                    .and_then(|host| host.parse::<Authority>().ok())
                    .filter(has_valid_port)
                    .ok_or_else(|| refused(format!("the Host header '{}' is not a host", shown(host.as_bytes()))))?,
            ),
        };
        // A request line may contain a whole URL (RFC 9112 section 3.2.2), whose host counts then.
        for authority in host.iter().chain(request.uri.authority()) {
            if !self.accepts(authority, info) {
                return Err(refused(format!(
                    "the host '{}' is neither a loopback address, nor the address of this service, nor that of --public-url",
                    shown(authority.as_str().as_bytes())
                )));
            }
        }
        Ok(host)
    }

    fn accepts(&self, authority: &Authority, info: ConnectionInfo) -> bool {
        let host = authority.host();
        // Without '@': user information before it is not part of the host, and no client sends it.
        if authority.as_str().contains('@') {
            return false;
        }
        let is_public = self.public.as_ref().is_some_and(|public| public.host().eq_ignore_ascii_case(host));
        let own = [info.local.ip(), self.listen];
        let is_own = |address: IpAddr| own.iter().any(|own| own.to_canonical() == address.to_canonical());
        is_public || is_loopback(host) || address(host).is_some_and(is_own)
    }

    /// Returns the base URL for a client that reached the service by this host: the public URL by its host, else the host of the
    /// request.
    fn endpoint(&self, host: Option<&Authority>, info: ConnectionInfo) -> String {
        let ConnectionInfo { scheme, local, .. } = info;
        let Some(authority) = host else { return format!("{scheme}://{local}") };
        let host = authority.host();
        if let Some(public) = self.public.as_ref().filter(|public| public.host().eq_ignore_ascii_case(host)) {
            return public.text.clone();
        }
        // The C producer sends a Host header without the port.
        let port = authority.port_u16().filter(|port| *port != 0).unwrap_or_else(|| local.port());
        format!("{scheme}://{host}:{port}")
    }

    /// Returns the origin of a request if it may use the service; refuses one that may not.
    fn origin(&self, headers: &HeaderMap, endpoint: &str) -> Result<Option<HeaderValue>, ApiError> {
        let own = CorsOrigin::parse(endpoint).ok();
        let allows =
            |origin: &CorsOrigin| origin.is_loopback() || Some(origin) == own.as_ref() || self.origins.contains(origin);
        let mut allowed = None;
        for value in headers.get_all(header::ORIGIN) {
            let origin = value.to_str().ok().and_then(|text| CorsOrigin::parse(text).ok());
            if !origin.as_ref().is_some_and(allows) {
                return Err(refused(format!(
                    "the web page of origin '{}' may not use this service unless --cors-origin names it",
                    shown(value.as_bytes())
                )));
            }
            // A browser sends one. Two that may use the service do not agree on who may read the response.
            if allowed.replace(value.clone()).is_some_and(|other| other != value) {
                return Err(refused("the request has more than one Origin header"));
            }
        }
        Ok(allowed)
    }
}

impl Admitted {
    /// Refuses pages of other origins, also those that may use the service: what is unsigned is for its own page only.
    pub(crate) fn require_own_page(&self) -> Result<(), ApiError> {
        match self.own {
            Own::Yes => Ok(()),
            Own::No => Err(refused("only the status page itself may ask for this without a signature")),
        }
    }

    /// Returns the answer to a browser that asks whether a page may send a request; `None` for other requests. It needs no signature:
    /// browsers cannot sign it.
    pub(crate) fn preflight(&self, request: &Parts) -> Option<Response> {
        let asks = request.method == Method::OPTIONS
            && request.headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
            && self.origin.is_some();
        if !asks {
            return None;
        }
        let mut response = wire::with_body(StatusCode::NO_CONTENT, wire::JSON, bytes::Bytes::new());
        let headers = response.headers_mut();
        headers.remove(header::CONTENT_TYPE);
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(ALLOWED_METHODS));
        // SDKs send many headers of their own, and none of them gives a page a right: the origin may use the service.
        if let Some(wanted) = request.headers.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone());
        }
        // Pages of public addresses ask for private ones: https://wicg.github.io/private-network-access/
        if request.headers.get("access-control-request-private-network").is_some_and(|asked| asked == "true") {
            headers.insert("access-control-allow-private-network", HeaderValue::from_static("true"));
        }
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
        Some(response)
    }

    /// Lets the page that sent the request read the response.
    pub(crate) fn mark(&self, response: &mut Response) {
        let Some(origin) = &self.origin else { return };
        let headers = response.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED_HEADERS));
    }
}

/// Says that a response depends on who asked. Caches must not give a page what another one got.
pub(crate) fn mark_varying(response: &mut Response) {
    response.headers_mut().append(header::VARY, HeaderValue::from_static("origin"));
}

/// The methods of all operations and of media.
const ALLOWED_METHODS: &str = "GET, HEAD, POST, OPTIONS";

/// The headers of responses that SDKs and players read. Browsers show the others only if they are on a list of their own
/// (<https://fetch.spec.whatwg.org/#cors-safelisted-response-header-name>).
const EXPOSED_HEADERS: &str =
    "accept-ranges, content-length, content-range, content-type, date, x-amzn-errortype, x-amzn-requestid";

/// Returns whether a request comes from the page of the service itself. Browsers send `Sec-Fetch-Site` with all requests to loopback,
/// and `Origin` with all that a page of another origin can read the response of.
fn own(headers: &HeaderMap, endpoint: &str) -> Own {
    let itself = CorsOrigin::parse(endpoint).ok();
    let origins = headers.get_all(header::ORIGIN).iter();
    let is_other = |value: &HeaderValue| value.to_str().ok().and_then(|text| CorsOrigin::parse(text).ok()) != itself;
    if origins.into_iter().any(is_other) {
        return Own::No;
    }
    match headers.get("sec-fetch-site").map(HeaderValue::as_bytes) {
        None | Some(b"none" | b"same-origin") => Own::Yes,
        Some(_) => Own::No,
    }
}

/// Refuses a POST that a browser sends for another site (<https://www.w3.org/TR/fetch-metadata/>): some send no Origin.
fn check_site(headers: &HeaderMap) -> Result<(), ApiError> {
    match headers.get("sec-fetch-site").map(HeaderValue::as_bytes) {
        None | Some(b"none" | b"same-origin") => Ok(()),
        Some(_) => {
            Err(refused("a web page of another site may not use this service unless --cors-origin names its origin"))
        }
    }
}

/// Refuses the media types that a page can post without a preflight. `application/x-www-form-urlencoded` is one too, but it is
/// what curl sends by default; it is refused by its Origin.
fn check_media_type(headers: &HeaderMap) -> Result<(), ApiError> {
    for value in headers.get_all(header::CONTENT_TYPE) {
        let text = String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase();
        let kind = text.split(';').next().unwrap_or_default().trim();
        if matches!(kind, "text/plain" | "multipart/form-data") {
            return Err(refused(format!(
                "Content-Type {kind} is not accepted, since any web page can send it: use application/json"
            )));
        }
    }
    Ok(())
}

/// Returns whether the port of a Host header is one: `Authority` takes any text there. It may be missing or empty (RFC 3986 section
/// 3.2.3).
fn has_valid_port(authority: &Authority) -> bool {
    let Some(port) = authority.as_str().strip_prefix(authority.host()) else { return true };
    let port = port.strip_prefix(':').unwrap_or(port);
    port.is_empty() || port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok()
}

/// Returns whether a host is a loopback name or address.
fn is_loopback(host: &str) -> bool {
    address(host).map_or_else(|| is_localhost(host), |address| address.to_canonical().is_loopback())
}

/// Returns the address that a host is, if it is not a name.
fn address(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

fn is_localhost(host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    // Browsers and systemd-resolved resolve names below localhost to loopback only (RFC 6761 section 6.3).
    host == "localhost" || host.ends_with(".localhost")
}

fn refused(message: impl Into<String>) -> ApiError {
    ApiError::new(Exception::AccessDenied, message)
}

/// Returns the start of a value from outside, escaped.
fn shown(value: &[u8]) -> String {
    String::from_utf8_lossy(value).chars().take(SHOWN_CHARS).collect::<String>().escape_debug().to_string()
}

/// Characters of a refused value that the message repeats.
const SHOWN_CHARS: usize = 100;

/// The URL under which other machines or containers reach the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PublicUrl {
    /// Without a slash at the end.
    text: String,
    authority: Authority,
}

/// A URL that is not what an option takes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected http://HOST[:PORT] or https://HOST[:PORT] without path, query and user")]
pub(crate) struct InvalidUrl;

impl PublicUrl {
    pub(crate) fn parse(text: &str) -> Result<Self, InvalidUrl> {
        let (scheme, authority) = base_url(text)?;
        Ok(Self { text: format!("{scheme}://{authority}"), authority })
    }

    /// Returns the URL, without a slash at the end.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the host without its port.
    pub(crate) fn host(&self) -> &str {
        self.authority.host()
    }
}

/// The origin of a web page: scheme, host and port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CorsOrigin(String);

impl CorsOrigin {
    /// Parses an origin. Default ports are dropped, as browsers drop them.
    pub(crate) fn parse(text: &str) -> Result<Self, InvalidUrl> {
        let (scheme, authority) = base_url(text)?;
        let default = if scheme == "https" { 443 } else { 80 };
        let host = authority.host().to_ascii_lowercase();
        Ok(Self(match authority.port_u16().filter(|port| *port != default) {
            Some(port) => format!("{scheme}://{host}:{port}"),
            None => format!("{scheme}://{host}"),
        }))
    }

    /// Returns whether the page comes from the machine of the browser.
    fn is_loopback(&self) -> bool {
        let url = self.0.parse::<Uri>();
        url.ok().and_then(|url| url.authority().map(|authority| is_loopback(authority.host()))).unwrap_or(false)
    }
}

fn base_url(text: &str) -> Result<(&'static str, Authority), InvalidUrl> {
    let url: Uri = text.parse().map_err(|_| InvalidUrl)?;
    let scheme = match url.scheme_str() {
        Some("http") => "http",
        Some("https") => "https",
        _ => return Err(InvalidUrl),
    };
    let authority = url.authority().filter(|authority| !authority.as_str().contains('@')).ok_or(InvalidUrl)?;
    let bare = matches!(url.path(), "" | "/") && url.query().is_none() && !authority.host().is_empty();
    // The port of an authority may be out of range.
    let port = authority.as_str().get(authority.host().len()..).unwrap_or_default();
    let valid_port = port.is_empty() || authority.port_u16().is_some();
    if bare && valid_port { Ok((scheme, authority.clone())) } else { Err(InvalidUrl) }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn door() -> Door {
        Door::new(
            "10.1.2.3".parse().unwrap(),
            Some(PublicUrl::parse("https://KVS.test/").unwrap()),
            vec![CorsOrigin::parse("https://page.example").unwrap()],
        )
    }

    const INFO: ConnectionInfo = ConnectionInfo {
        scheme: "http",
        local: std::net::SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::new(10, 1, 2, 3)), 4567),
        plane: crate::api::Plane::All,
    };

    fn request(headers: &[(&str, &str)]) -> Parts {
        let request = headers.iter().fold(Request::post("/x"), |request, (name, value)| request.header(*name, *value));
        request.body(()).unwrap().into_parts().0
    }

    fn admitted(headers: &[(&str, &str)]) -> Option<Admitted> {
        door().admit(&request(headers), INFO).ok()
    }

    #[test]
    fn known_hosts_are_the_endpoint() {
        for (host, endpoint) in [
            ("localhost:8", "http://localhost:8"),
            ("LocalHost", "http://LocalHost:4567"),
            ("kvs.localhost", "http://kvs.localhost:4567"),
            ("127.0.0.1:4567", "http://127.0.0.1:4567"),
            ("127.9.9.9", "http://127.9.9.9:4567"),
            ("[::1]:1", "http://[::1]:1"),
            ("[::ffff:127.0.0.1]", "http://[::ffff:127.0.0.1]:4567"),
            ("10.1.2.3", "http://10.1.2.3:4567"),
            ("kvs.TEST:9", "https://KVS.test"),
        ] {
            assert_eq!(admitted(&[("host", host)]).unwrap().endpoint, endpoint, "{host}");
        }
        assert_eq!(admitted(&[]).unwrap().endpoint, "http://10.1.2.3:4567", "HTTP/1.0");
    }

    #[test]
    fn unknown_hosts_are_refused() {
        for host in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "evillocalhost",
            "127.0.0.1@evil.example",
            "evil@127.0.0.1",
            "10.1.2.4",
            "0.0.0.0",
            "[::]",
            "2130706433",
            "0x7f.1",
            // Not known to be an address of this service, and no client sends it.
            "localhost.",
            "localhost,evil.example",
            "localhost/evil.example",
            "localhost:99999",
            "localhost:+80",
            "localhost:80x",
            "[::1",
            "",
        ] {
            assert!(admitted(&[("host", host)]).is_none(), "{host:?}");
        }
        assert!(admitted(&[("host", "localhost"), ("host", "evil.example")]).is_none());
        let whole = Request::post("http://evil.example/x").header("host", "localhost").body(()).unwrap();
        assert!(door().admit(&whole.into_parts().0, INFO).is_err());
    }

    #[test]
    fn only_named_and_loopback_origins_and_the_service_itself_are_let_in() {
        let with = |origin| admitted(&[("host", "127.0.0.1:4567"), ("origin", origin)]);
        for origin in [
            "https://page.example",
            "http://localhost",
            "http://localhost:3000",
            "https://localhost:8443",
            "http://app.localhost:3000",
            "http://127.0.0.1:4567",
            "http://127.0.0.1:5173",
            "https://[::1]:1",
        ] {
            assert!(with(origin).is_some(), "{origin}");
        }
        for origin in [
            "null",
            "http://page.example",
            "https://page.example:8443",
            "http://evil.example",
            "http://localhost.evil.example",
            "http://127.0.0.1.evil.example",
            "http://evillocalhost",
            "http://localhost@evil.example",
            "http://evil.example@localhost",
            "http://10.1.2.4",
            "http://0.0.0.0:8000",
            "http://2130706433",
            "http://localhost/path",
            "chrome-extension://localhost",
            "",
            "file://",
        ] {
            assert!(with(origin).is_none(), "{origin}");
        }
        let own = [("host", "kvs.test"), ("origin", "https://kvs.test")];
        assert!(admitted(&own).is_some(), "the page of the service itself");
        let twice = [("host", "localhost"), ("origin", "http://localhost:3000"), ("origin", "http://evil.example")];
        assert!(admitted(&twice).is_none());
        let two = [("host", "localhost"), ("origin", "http://localhost:3000"), ("origin", "http://localhost:3001")];
        assert!(admitted(&two).is_none());
    }

    #[test]
    fn the_own_page_is_told_from_others() {
        let own =
            |name, value| admitted(&[("host", "localhost:4567"), (name, value)]).unwrap().require_own_page().is_ok();
        assert!(own("origin", "http://localhost:4567") && own("accept", "*/*"));
        assert!(own("sec-fetch-site", "same-origin") && own("sec-fetch-site", "none"));
        assert!(!own("origin", "http://localhost:3000") && !own("origin", "https://page.example"));
        let get = |name: &str, value: &str| {
            let request = Request::get("/_kvs/status").header("host", "localhost:4567").header(name, value);
            door().admit(&request.body(()).unwrap().into_parts().0, INFO).unwrap().require_own_page().is_ok()
        };
        assert!(!get("sec-fetch-site", "cross-site") && !get("sec-fetch-site", "same-site"));
        assert!(get("sec-fetch-site", "same-origin"));
    }

    #[test]
    fn preflights_are_answered_as_they_ask() {
        let ask = |more: &[(&str, &str)]| {
            let request = Request::builder().method("OPTIONS").uri("/getClip").header("host", "localhost");
            let request = more.iter().fold(request, |request, (name, value)| request.header(*name, *value));
            let parts = request.body(()).unwrap().into_parts().0;
            let admitted = door().admit(&parts, INFO).unwrap();
            admitted.preflight(&parts)
        };
        let (origin, method) = (("origin", "http://localhost:3000"), ("access-control-request-method", "POST"));
        let private = ("access-control-request-private-network", "true");
        assert!(ask(&[origin]).is_none() && ask(&[method]).is_none());
        let plain = ask(&[origin, method]).unwrap();
        assert_eq!(plain.status(), StatusCode::NO_CONTENT);
        assert_eq!(plain.headers()["access-control-allow-methods"], "GET, HEAD, POST, OPTIONS");
        assert!(!plain.headers().contains_key("access-control-allow-private-network"));
        let asked = ask(&[origin, method, private, ("access-control-request-headers", "authorization")]).unwrap();
        assert_eq!(asked.headers()["access-control-allow-private-network"], "true");
        assert_eq!(asked.headers()["access-control-allow-headers"], "authorization");
    }

    #[test]
    fn posts_that_any_page_can_send_are_refused() {
        let with = |name, value| admitted(&[("host", "localhost"), (name, value)]);
        assert!(with("content-type", "application/json").is_some());
        assert!(with("content-type", "application/x-www-form-urlencoded").is_some(), "curl");
        let twice = [("host", "localhost"), ("content-type", "application/json"), ("content-type", "text/plain")];
        assert!(admitted(&twice).is_none());
        for kind in ["text/plain", "Text/Plain; charset=UTF-8", "multipart/form-data; boundary=x"] {
            assert!(with("content-type", kind).is_none(), "{kind}");
        }
        assert!(with("sec-fetch-site", "none").is_some() && with("sec-fetch-site", "same-origin").is_some());
        assert!(with("sec-fetch-site", "cross-site").is_none() && with("sec-fetch-site", "same-site").is_none());
    }

    #[test]
    fn urls_with_more_than_a_host_are_invalid() {
        for url in
            ["kvs:4567", "ftp://kvs", "http://", "http://a@kvs", "http://kvs/path", "http://kvs?x", "http://kvs:99999"]
        {
            assert_eq!(PublicUrl::parse(url), Err(InvalidUrl), "{url}");
        }
        assert_eq!(PublicUrl::parse("http://kvs:4567/").unwrap().as_str(), "http://kvs:4567");
        assert_eq!(CorsOrigin::parse("https://Page.example:443"), CorsOrigin::parse("https://page.example"));
    }
}

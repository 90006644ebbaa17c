//! [`SessionCookie`]: the token in a signed, HttpOnly cookie.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use cookie::Cookie;
pub use cookie::SameSite;
use http::{HeaderMap, HeaderName, header};

use super::{Frontend, Presented, append};
use crate::error::ConfigError;
use crate::token::SessionToken;

/// The longest time for which browsers keep a cookie (RFC 6265bis section 5.5): 400 days.
const LONGEST: Duration = Duration::from_secs(400 * 24 * 60 * 60);

/// The maximum number of bytes of a cookie's name and value together that browsers keep (RFC
/// 6265bis section 5.6).
const LARGEST: usize = 4096;

/// The maximum number of bytes of `Cookie` headers that are searched: eight times the 4096 bytes
/// that a browser allows for one cookie.
const MOST_BYTES: usize = 32 * 1024;

/// The token in a cookie. The cookie is always `HttpOnly`. By default, its name is `__Host-id`, and
/// it has `Secure`, `Path=/` and `SameSite=Lax`.
///
/// | setting | default | cost of changing it |
/// | --- | --- | --- |
/// | [`new`](Self::new)`(name)` | `__Host-id` | without the `__Host-` prefix, a subdomain can set a cookie of this name (RFC 6265bis section 4.1.3) |
/// | [`same_site`](Self::same_site) | `Lax` | `None` sends the cookie with every cross-site request |
/// | [`domain`](Self::domain) | only the host | every subdomain receives the token |
/// | [`path`](Self::path) | `/` | a path does not protect the cookie: pages of one origin can read each other |
/// | [`development`](Self::development) | off | without `Secure`, anyone on the network path can read the token |
///
/// `Max-Age` is the time left until the session's deadline. The cookie of a login that is [not
/// remembered](crate::request::Login::remember) has no `Max-Age`. Setting and removing the cookie
/// use the same attributes, so a logout really removes what a login set.
///
/// ```
/// use anchor::frontend::{SameSite, SessionCookie};
///
/// let cookie = SessionCookie::new("__Host-admin").same_site(SameSite::Strict);
/// ```
#[derive(Debug, Clone)]
pub struct SessionCookie {
    name: Cow<'static, str>,
    domain: Option<String>,
    path: String,
    same_site: SameSite,
    secure: bool,
    development: bool,
}

impl SessionCookie {
    /// Creates a cookie with this name.
    pub fn new(name: impl Into<Cow<'static, str>>) -> Self {
        Self {
            name: name.into(),
            domain: None,
            path: "/".into(),
            same_site: SameSite::Lax,
            secure: true,
            development: false,
        }
    }

    /// Creates a cookie for plain HTTP on the developer's own machine, with the name `id` and
    /// without `Secure`. Building a manager with it logs a warning.
    pub fn development() -> Self {
        Self { secure: false, development: true, ..Self::new("id") }
    }

    pub(crate) fn named(self, name: impl Into<Cow<'static, str>>) -> Self {
        Self { name: name.into(), ..self }
    }

    /// Sets when a browser sends the cookie with requests that another site caused.
    pub fn same_site(mut self, same_site: SameSite) -> Self {
        self.same_site = same_site;
        self
    }

    /// Sends the cookie to this domain and all its subdomains, instead of only to the host that set
    /// it. Needs a name without `__Host-`.
    pub fn domain(mut self, domain: impl Into<String>) -> Self {
        self.domain = Some(domain.into());
        self
    }

    /// Sends the cookie only with requests below this path. Needs a name without `__Host-`.
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    /// Sets whether the cookie is sent only over HTTPS. Leave it on; to do without it, use
    /// [`development`](Self::development).
    pub fn secure(mut self, secure: bool) -> Self {
        self.secure = secure;
        self
    }

    /// Returns the text of the cookie. Setting and removing the cookie both use it.
    fn with(&self, value: &str, max_age: Option<Duration>) -> String {
        let max_age = max_age.map(|age| {
            let seconds = i64::try_from(age.as_secs()).unwrap_or(i64::MAX);
            cookie::time::Duration::seconds(seconds)
        });
        let mut cookie = Cookie::build((self.name.as_ref(), value))
            .path(self.path.as_str())
            .secure(self.secure)
            .http_only(true)
            .same_site(self.same_site);
        if let Some(max_age) = max_age {
            cookie = cookie.max_age(max_age);
        }
        if let Some(domain) = &self.domain {
            cookie = cookie.domain(domain.as_str());
        }
        cookie.build().to_string()
    }

    /// Returns the settings that browsers would refuse. Leaves out a fault that follows from
    /// another one.
    pub(crate) fn faults(&self) -> Vec<CookieFault> {
        let mut faults = Vec::new();
        if self.name.is_empty() || !self.name.bytes().all(is_token_byte) {
            faults.push(CookieFault::Name);
        }
        if let (Some(prefix), _) = split_prefix(&self.name) {
            let is_of_one_host = prefix.starts_with("__Host-");
            if !self.secure {
                faults.push(CookieFault::PrefixWithoutSecure(prefix));
            } else if is_of_one_host && self.domain.is_some() {
                faults.push(CookieFault::HostPrefixWithDomain);
            } else if is_of_one_host && self.path != "/" {
                faults.push(CookieFault::HostPrefixWithPath);
            }
        }
        if self.same_site == SameSite::None && !self.secure {
            faults.push(CookieFault::SameSiteNoneWithoutSecure);
        }
        if let Some(domain) = self.domain.as_ref().filter(|domain| !is_domain(domain)) {
            faults.push(CookieFault::Domain(domain.clone()));
        }
        if !self.path.starts_with('/')
            || !self.path.bytes().all(|b| (b' '..=b'~').contains(&b) && b != b';')
        {
            faults.push(CookieFault::Path(self.path.clone()));
        }
        if self.name.len() + crate::token::TEXT > LARGEST {
            faults.push(CookieFault::TooLarge);
        }
        faults
    }

    fn refused(&self, reason: impl fmt::Display) -> ConfigError {
        ConfigError::new(format_args!("cookie `{}`: {reason}", self.name.escape_debug()))
    }
}

/// A setting of a cookie that browsers refuse. Its text says what to change in the program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CookieFault {
    Name,
    /// The prefix of the name.
    PrefixWithoutSecure(&'static str),
    HostPrefixWithDomain,
    HostPrefixWithPath,
    SameSiteNoneWithoutSecure,
    Domain(String),
    Path(String),
    TooLarge,
}

impl fmt::Display for CookieFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CookieFault::Name => f.write_str(
                "the name must be a token (RFC 6265 section 4.1.1): letters, digits and \
                 !#$%&'*+-.^_`|~",
            ),
            CookieFault::PrefixWithoutSecure(prefix) => write!(
                f,
                "a browser accepts the prefix `{prefix}` only with `Secure`: remove \
                 `.secure(false)`, or use `SessionCookie::development()` on your own machine"
            ),
            CookieFault::HostPrefixWithDomain => f.write_str(
                "a browser refuses the prefix `__Host-` with a domain: remove `.domain(..)`, or \
                 name the cookie `__Secure-..`",
            ),
            CookieFault::HostPrefixWithPath => f.write_str(
                "a browser accepts the prefix `__Host-` only with the path `/`: remove \
                 `.path(..)`, or name the cookie `__Secure-..`",
            ),
            CookieFault::SameSiteNoneWithoutSecure => f.write_str(
                "a browser refuses `SameSite=None` without `Secure`: remove `.secure(false)`, or \
                 use `SameSite::Lax`",
            ),
            CookieFault::Domain(domain) => write!(
                f,
                "`{}` is not a domain: write a host name such as `example.com`, without scheme, \
                 port or leading dot",
                domain.escape_debug()
            ),
            CookieFault::Path(path) => write!(
                f,
                "`{}` is not a path: write printable ASCII without `;` that begins with `/`",
                path.escape_debug()
            ),
            CookieFault::TooLarge => write!(
                f,
                "the name and the value together have more than {LARGEST} bytes, which no \
                 browser keeps: shorten the name"
            ),
        }
    }
}

/// Splits a name into the prefix that binds it to HTTPS, if it has one, and the rest (RFC 6265bis
/// section 4.1.3). Browsers ignore case when they compare prefixes (section 5.7), so this function
/// does too.
pub(crate) fn split_prefix(name: &str) -> (Option<&'static str>, &str) {
    for prefix in ["__Host-Http-", "__Host-", "__Http-", "__Secure-"] {
        if let Some((start, rest)) = name.split_at_checked(prefix.len())
            && start.eq_ignore_ascii_case(prefix)
        {
            return (Some(prefix), rest);
        }
    }
    (None, name)
}

/// Creates the cookie `__Host-id`.
impl Default for SessionCookie {
    fn default() -> Self {
        Self::new("__Host-id")
    }
}

impl Frontend for SessionCookie {
    fn channel(&self) -> String {
        format!("cookie:{}", self.name)
    }

    fn check(&self, longest: Duration) -> Result<(), ConfigError> {
        if let Some(fault) = self.faults().first() {
            return Err(self.refused(fault));
        }
        if longest > LONGEST {
            return Err(self.refused(format_args!(
                "a session of {} days outlives its cookie, which browsers keep for at most 400 \
                 days (RFC 6265bis section 5.5): set `absolute` to `400d` or less",
                longest.as_secs() / 86_400
            )));
        }
        if split_prefix(&self.name).0.is_none() && !self.development {
            tracing::warn!(
                target: "anchor", cookie = %self.name,
                "this session cookie's name has neither the prefix `__Host-` nor `__Secure-`, so \
                 another host, or a response over plain HTTP, can set a cookie of the same name \
                 (OWASP ASVS 5.0 3.3.1)"
            );
        }
        if self.development {
            tracing::warn!(
                target: "anchor", cookie = %self.name,
                "development cookie: it is sent over plain HTTP, where anyone on the network path \
                 can read it; use SessionCookie::default() in production"
            );
        } else if !self.secure {
            tracing::warn!(
                target: "anchor", cookie = %self.name,
                "this session cookie is also sent over plain HTTP"
            );
        }
        Ok(())
    }

    fn presented<'r>(&self, headers: &'r HeaderMap) -> Presented<'r> {
        let headers = headers.get_all(header::COOKIE);
        if headers.iter().map(|value| value.len()).sum::<usize>() > MOST_BYTES {
            return Presented::Oversized;
        }
        Presented::collect(
            headers
                .iter()
                .flat_map(|value| pairs(value.as_bytes()))
                .filter_map(|(name, value)| (name == self.name.as_bytes()).then_some(value)),
        )
    }

    fn headers(&self) -> &[HeaderName] {
        static COOKIE: [HeaderName; 1] = [header::COOKIE];
        &COOKIE
    }

    fn issue(&self, token: &SessionToken, lifetime: Option<Duration>, response: &mut HeaderMap) {
        append(response, header::SET_COOKIE, &self.with(token.expose(), lifetime));
    }

    fn reissues(&self) -> bool {
        true
    }

    fn remove(&self, response: &mut HeaderMap) {
        append(response, header::SET_COOKIE, &self.with("", Some(Duration::ZERO)));
    }
}

/// Returns the pairs of a `Cookie` header (RFC 6265 section 5.4), as bytes. Nothing is decoded or
/// unquoted.
fn pairs(header: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    header.split(|byte| *byte == b';').filter_map(|pair| {
        let equals = pair.iter().position(|byte| *byte == b'=')?;
        Some((pair[..equals].trim_ascii(), pair[equals + 1..].trim_ascii()))
    })
}

/// Returns whether the byte may be in a `token` of RFC 9110 section 5.6.2.
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Returns whether this is a host name of letters, digits and hyphens (RFC 1034 section 3.5), with
/// at least one dot, or the name `localhost`.
fn is_domain(domain: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    domain.len() <= 253
        && domain.split('.').all(label)
        && (domain.contains('.') || domain == "localhost")
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn presented(headers: &[&'static str]) -> String {
        let mut map = HeaderMap::new();
        for value in headers {
            map.append(header::COOKIE, HeaderValue::from_static(value));
        }
        match SessionCookie::new("id").presented(&map) {
            Presented::Token(token) => String::from_utf8_lossy(token).into_owned(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn finds_the_cookie_of_its_exact_name() {
        assert_eq!(presented(&["id=a"]), "a");
        assert_eq!(presented(&["x=1; id=a; y=2"]), "a");
        assert_eq!(presented(&["x=1;id=a;y"]), "a");
        assert_eq!(presented(&["x=1", "id=a"]), "a");
        assert_eq!(presented(&["id=\"a\""]), "\"a\"");
        assert_eq!(presented(&["id=a=b"]), "a=b");
        assert_eq!(presented(&["id="]), "");
        for absent in [&[][..], &["Id=a"], &["xid=a"], &["id"], &["x=id=a"], &[""], &[";;;"]] {
            assert_eq!(presented(absent), "Nothing", "{absent:?}");
        }
    }

    #[test]
    fn two_values_conflict_and_one_value_twice_does_not() {
        assert_eq!(presented(&["id=a; id=a"]), "a");
        assert_eq!(presented(&["id=a; id=b"]), "Conflicting(..)");
        assert_eq!(presented(&["id=a", "id="]), "Conflicting(..)");
    }

    #[test]
    fn what_it_writes() {
        let cookie = SessionCookie::default();
        assert_eq!(
            cookie.with("v", Some(DAY)),
            "__Host-id=v; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=86400"
        );
        assert_eq!(cookie.with("v", None), "__Host-id=v; HttpOnly; SameSite=Lax; Secure; Path=/");
        let cookie = SessionCookie::new("__Secure-id")
            .domain("example.com")
            .path("/app")
            .same_site(SameSite::None);
        assert_eq!(
            cookie.with("", Some(Duration::ZERO)),
            "__Secure-id=; HttpOnly; SameSite=None; Secure; Path=/app; Domain=example.com; \
             Max-Age=0"
        );
    }

    #[test]
    fn settings_that_no_browser_takes_are_refused() {
        let cookie = |name: &'static str| SessionCookie::new(name);
        let cases = [
            (cookie(""), "must be a token"),
            (cookie("a b"), "must be a token"),
            (cookie("a;b"), "must be a token"),
            (cookie("ä"), "must be a token"),
            (cookie("__Host-id").secure(false), "only with `Secure`"),
            (cookie("__HOST-id").secure(false), "only with `Secure`"),
            (cookie("__Secure-id").secure(false), "only with `Secure`"),
            (cookie("__Host-id").domain("example.com"), "remove `.domain(..)`"),
            (cookie("__Host-id").path("/app"), "remove `.path(..)`"),
            (
                cookie("id").secure(false).same_site(SameSite::None),
                "`SameSite=None` without `Secure`",
            ),
            (cookie("id").domain(".example.com"), "is not a domain"),
            (cookie("id").domain("https://example.com"), "is not a domain"),
            (cookie("id").domain("example.com:3000"), "is not a domain"),
            (cookie("id").domain("a; Secure"), "is not a domain"),
            (cookie("id").domain(""), "is not a domain"),
            (cookie("id").path("app"), "is not a path"),
            (cookie("id").path("/a;b"), "is not a path"),
            (cookie("id").path("/a\r\nb"), "is not a path"),
        ];
        for (cookie, reason) in cases {
            let error = cookie.check(DAY).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
        let error = cookie(&*"n".repeat(4000).leak()).check(DAY).unwrap_err().to_string();
        assert!(error.contains("shorten the name"), "{error}");
        let error = cookie("id").check(401 * DAY).unwrap_err().to_string();
        assert!(error.contains("400 days"), "{error}");
        for good in [
            cookie("id"),
            cookie("id").domain("localhost"),
            cookie("__Secure-id").domain("app.example.com").path("/a b"),
            SessionCookie::development(),
        ] {
            good.check(400 * DAY).unwrap();
        }
    }

    #[test]
    fn cookies_past_the_bound_are_not_looked_through() {
        let mut headers = HeaderMap::new();
        let large = format!("id=a; x={}", "y".repeat(64 * 1024));
        headers.insert(header::COOKIE, HeaderValue::from_str(&large).unwrap());
        assert_eq!(SessionCookie::new("id").presented(&headers), Presented::Oversized);
    }
}

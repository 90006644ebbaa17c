//! [`SessionCookie`]: the token in a signed, HttpOnly cookie. [`grammar`] reads a `Cookie` header
//! and says what a name and a domain look like. [`fault`] says what browsers refuse.

mod fault;
mod grammar;

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use cookie::Cookie;
pub use cookie::SameSite;
pub(crate) use fault::CookieFault;
use grammar::pairs;
pub(crate) use grammar::split_prefix;
use http::{HeaderMap, HeaderName, header};

use super::{Frontend, Presented, TokenScheme, append};
use crate::error::ConfigError;
use crate::token::SessionToken;

/// The longest time for which browsers keep a cookie (RFC 6265bis section 5.5): 400 days.
const LONGEST: Duration = Duration::from_secs(400 * 24 * 60 * 60);

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
    ///
    /// ```
    /// use anchor::frontend::{Frontend, SessionCookie};
    ///
    /// assert_eq!(SessionCookie::new("__Host-admin").channel(), "cookie:__Host-admin");
    /// ```
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
    ///
    /// ```
    /// use anchor::frontend::{Frontend, SessionCookie};
    ///
    /// assert!(SessionCookie::default().needs_https());
    /// assert!(!SessionCookie::development().needs_https());
    /// ```
    pub fn development() -> Self {
        Self { secure: false, development: true, ..Self::new("id") }
    }

    pub(crate) fn named(self, name: impl Into<Cow<'static, str>>) -> Self {
        Self { name: name.into(), ..self }
    }

    /// Sets when a browser sends the cookie with requests that another site caused.
    ///
    /// ```
    /// use anchor::frontend::{Frontend, SameSite, SessionCookie};
    /// use http::HeaderMap;
    ///
    /// let mut headers = HeaderMap::new();
    /// SessionCookie::default().same_site(SameSite::Strict).remove(&mut headers);
    /// assert!(headers["set-cookie"].to_str()?.contains("SameSite=Strict"));
    /// # Ok::<_, http::header::ToStrError>(())
    /// ```
    pub fn same_site(self, same_site: SameSite) -> Self {
        Self { same_site, ..self }
    }

    /// Sends the cookie to this domain and all its subdomains, instead of only to the host that set
    /// it. Needs a name without `__Host-`.
    ///
    /// ```
    /// use std::time::Duration;
    /// use anchor::frontend::{Frontend, SessionCookie};
    ///
    /// let day = Duration::from_secs(24 * 60 * 60);
    /// assert!(SessionCookie::new("__Secure-id").domain("example.com").check(day).is_ok());
    /// assert!(SessionCookie::new("__Host-id").domain("example.com").check(day).is_err());
    /// ```
    pub fn domain(self, domain: impl Into<String>) -> Self {
        Self { domain: Some(domain.into()), ..self }
    }

    /// Sends the cookie only with requests below this path. Needs a name without `__Host-`.
    ///
    /// ```
    /// use anchor::frontend::{Frontend, SessionCookie};
    /// use http::HeaderMap;
    ///
    /// let mut headers = HeaderMap::new();
    /// SessionCookie::new("__Secure-shop").path("/shop").remove(&mut headers);
    /// assert!(headers["set-cookie"].to_str()?.contains("Path=/shop"));
    /// # Ok::<_, http::header::ToStrError>(())
    /// ```
    pub fn path(self, path: impl Into<String>) -> Self {
        Self { path: path.into(), ..self }
    }

    /// Sets whether the cookie is sent only over HTTPS. Leave it on; to do without it, use
    /// [`development`](Self::development).
    ///
    /// ```
    /// use anchor::frontend::{Frontend, SessionCookie};
    ///
    /// assert!(!SessionCookie::new("id").secure(false).needs_https());
    /// ```
    pub fn secure(self, secure: bool) -> Self {
        Self { secure, ..self }
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

    fn refused(&self, reason: impl fmt::Display) -> ConfigError {
        ConfigError::new(format_args!("cookie `{}`: {reason}", self.name.escape_debug()))
    }
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

    fn needs_https(&self) -> bool {
        self.secure
    }

    fn scheme(&self) -> Option<TokenScheme> {
        Some(TokenScheme::Cookie { name: self.name.clone().into_owned() })
    }

    fn remove(&self, response: &mut HeaderMap) {
        append(response, header::SET_COOKIE, &self.with("", Some(Duration::ZERO)));
    }
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
    fn cookies_past_the_bound_are_not_looked_through() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("id=a"));
        let large = "y".repeat(32_768 - "id=a".len());
        headers.append(header::COOKIE, HeaderValue::from_str(&large).unwrap());
        assert_eq!(SessionCookie::new("id").presented(&headers), Presented::Token(b"a"));
        headers.append(header::COOKIE, HeaderValue::from_static("z"));
        assert_eq!(SessionCookie::new("id").presented(&headers), Presented::Oversized);
    }

    #[test]
    fn it_sets_and_removes_the_cookie_concealed() {
        let (cookie, token) = (SessionCookie::default(), crate::token::tests::any_token());
        let mut headers = HeaderMap::new();
        cookie.issue(&token, Some(DAY), &mut headers);
        cookie.remove(&mut headers);
        let written: Vec<_> = headers.get_all(header::SET_COOKIE).iter().collect();
        let expected = [
            cookie.with(token.expose(), Some(DAY)),
            "__Host-id=; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=0".to_owned(),
        ];
        assert_eq!(written, expected.each_ref().map(String::as_str));
        assert!(written.iter().all(|value| value.is_sensitive()));
    }

    #[test]
    fn what_weakens_the_cookie_is_logged() {
        let prefix = "this session cookie's name has neither the prefix";
        let development = "development cookie: it is sent over plain HTTP";
        let insecure = "this session cookie is also sent over plain HTTP";
        for (cookie, expected) in [
            (SessionCookie::default(), &[][..]),
            (SessionCookie::new("__Secure-id"), &[]),
            (SessionCookie::new("id"), &[prefix]),
            (SessionCookie::new("id").secure(false), &[prefix, insecure]),
            (SessionCookie::development(), &[development]),
        ] {
            let logged = Logged::default();
            let messages = std::sync::Arc::clone(&logged.0);
            tracing::subscriber::with_default(logged, || cookie.check(DAY)).unwrap();
            let messages = messages.lock().unwrap();
            assert_eq!(messages.len(), expected.len(), "{cookie:?}: {messages:?}");
            for (message, start) in messages.iter().zip(expected) {
                assert!(message.starts_with(start), "{cookie:?}: {message}");
            }
        }
        let cookie = SessionCookie::development();
        assert_eq!(cookie.with("v", None), "id=v; HttpOnly; SameSite=Lax; Path=/");
    }

    /// The messages of the events that are logged.
    #[derive(Default)]
    struct Logged(std::sync::Arc<std::sync::Mutex<Vec<String>>>);

    impl tracing::Subscriber for Logged {
        fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
            true
        }

        fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
            tracing::span::Id::from_u64(1)
        }

        fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

        fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

        fn event(&self, event: &tracing::Event<'_>) {
            let mut messages = self.0.lock().unwrap();
            event.record(&mut |field: &tracing::field::Field, value: &dyn fmt::Debug| {
                if field.name() == "message" {
                    messages.push(format!("{value:?}"));
                }
            });
        }

        fn enter(&self, _: &tracing::span::Id) {}

        fn exit(&self, _: &tracing::span::Id) {}
    }

    #[test]
    fn it_is_the_cookie_header_which_a_browser_sends() {
        let cookie = SessionCookie::default();
        assert_eq!(cookie.channel(), "cookie:__Host-id");
        assert_eq!(cookie.headers(), [header::COOKIE]);
        assert!(cookie.is_sent_by_browsers() && cookie.reissues());
        assert_eq!(cookie.challenge(), None);
        assert_eq!(cookie.scheme(), Some(TokenScheme::Cookie { name: "__Host-id".to_owned() }));
    }
}

//! [`CookieFault`]: the settings of a cookie that browsers refuse.

use std::fmt;

use cookie::SameSite;

use super::SessionCookie;
use super::grammar::{is_domain, is_token_byte, split_prefix};

/// The maximum number of bytes of a cookie's name and value together that browsers keep (RFC
/// 6265bis section 5.6).
const LARGEST: usize = 4096;

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

impl SessionCookie {
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
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::frontend::Frontend;

    const DAY: Duration = Duration::from_secs(86_400);

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
        // With the token's 110 characters, the name has exactly 4096 bytes.
        cookie(&*"n".repeat(3986).leak()).check(DAY).unwrap();
        let error = cookie(&*"n".repeat(3987).leak()).check(DAY).unwrap_err().to_string();
        assert!(error.contains("shorten the name"), "{error}");
        let error = cookie("id").check(401 * DAY).unwrap_err().to_string();
        assert!(error.contains("a session of 401 days outlives its cookie"), "{error}");
        assert!(cookie("id").check(400 * DAY + Duration::from_secs(1)).is_err());
        for good in [
            cookie("id"),
            cookie("id").domain("localhost"),
            cookie("__Secure-id").domain("app.example.com").path("/a b"),
            SessionCookie::development(),
        ] {
            good.check(400 * DAY).unwrap();
        }
    }
}

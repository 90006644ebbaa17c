//! [`CustomHeader`]: the token in a custom header of the application.

use std::time::Duration;

use http::{HeaderMap, HeaderName, header};

use super::{Frontend, Presented, append};
use crate::error::ConfigError;
use crate::token::SessionToken;

/// The token in a custom request header, such as `x-session`. The response to a login carries the
/// new token in the header of the same name. The response to a logout carries this header empty.
///
/// The header must be one that only a script sends, and that a page of another site cannot set
/// without asking (CORS). Other names, such as `accept-language`, are an error at `build()`.
///
/// ```
/// # use anchor::prelude::*;
/// # #[derive(Clone, SessionData)]
/// # struct UserSession { #[session(subject)] user_id: i64 }
/// use anchor::frontend::CustomHeader;
/// use http::HeaderName;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let sessions = SessionManager::builder(MemoryStore::new())
///     .keys(KeyRing::generate()?)
///     .frontend(CustomHeader::new(HeaderName::from_static("x-session")))
///     .build()?;
/// // What a client sends.
/// let session = sessions.test_session(UserSession { user_id: 1 }).await;
/// assert_eq!(session.header().0, "x-session");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct CustomHeader {
    name: HeaderName,
}

impl CustomHeader {
    /// Creates a frontend for the header with this name.
    ///
    /// ```
    /// use anchor::frontend::CustomHeader;
    /// use http::HeaderName;
    ///
    /// let frontend = CustomHeader::new(HeaderName::from_static("x-session"));
    /// ```
    pub fn new(name: HeaderName) -> Self {
        Self { name }
    }
}

impl Frontend for CustomHeader {
    fn channel(&self) -> String {
        format!("header:{}", self.name)
    }

    fn check(&self, _: Duration) -> Result<(), ConfigError> {
        let instead = match &self.name {
            name if *name == header::COOKIE => "write `SessionCookie::new(\"__Host-id\")`",
            name if *name == header::AUTHORIZATION => "write `Bearer`",
            name if is_of_browsers(name.as_str()) => {
                "choose a name that only the application uses, such as \
                 `CustomHeader::new(HeaderName::from_static(\"x-session\"))`"
            }
            _ => return Ok(()),
        };
        Err(ConfigError::new(format_args!(
            "`CustomHeader` cannot be `{}`, which browsers send by themselves or let other sites \
             set: {instead}",
            self.name
        )))
    }

    fn presented<'r>(&self, headers: &'r HeaderMap) -> Presented<'r> {
        Presented::collect(headers.get_all(&self.name).iter().map(|value| value.as_bytes()))
    }

    fn headers(&self) -> &[HeaderName] {
        std::slice::from_ref(&self.name)
    }

    fn is_sent_by_browsers(&self) -> bool {
        false
    }

    fn issue(&self, token: &SessionToken, _: Option<Duration>, response: &mut HeaderMap) {
        append(response, self.name.clone(), token.expose());
    }

    fn reissues(&self) -> bool {
        true
    }

    fn remove(&self, response: &mut HeaderMap) {
        append(response, self.name.clone(), "");
    }
}

/// Returns whether browsers send or keep this header by themselves, or let a page set it for
/// another site without asking: the forbidden and the CORS-safelisted request headers of the Fetch
/// standard, those of caches and of client hints, and `set-cookie`.
fn is_of_browsers(name: &str) -> bool {
    let begins = ["accept-", "access-control-", "content-", "if-", "proxy-", "sec-"];
    let names = [
        "accept",
        "cache-control",
        "connection",
        "cookie2",
        "date",
        "device-memory",
        "dnt",
        "downlink",
        "dpr",
        "ect",
        "expect",
        "host",
        "keep-alive",
        "last-event-id",
        "origin",
        "pragma",
        "priority",
        "range",
        "referer",
        "rtt",
        "save-data",
        "set-cookie",
        "set-cookie2",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "upgrade-insecure-requests",
        "user-agent",
        "via",
        "viewport-width",
        "width",
    ];
    begins.iter().any(|begin| name.starts_with(begin)) || names.contains(&name)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::frontend::TokenScheme;

    #[test]
    fn it_carries_the_token_both_ways_and_is_empty_after_a_logout() {
        let name = HeaderName::from_static("x-session");
        let frontend = CustomHeader::new(name.clone());
        // Another name would make every token that was issued for this one invalid.
        assert_eq!(frontend.channel(), "header:x-session");
        assert_eq!(frontend.headers(), std::slice::from_ref(&name));
        assert!(frontend.reissues() && !frontend.is_sent_by_browsers());
        assert_eq!(frontend.check(Duration::MAX), Ok(()));
        assert_eq!(frontend.scheme(), Some(TokenScheme::Header { name: name.clone() }));
        let mut headers = HeaderMap::new();
        assert_eq!(frontend.presented(&headers), Presented::Nothing);
        let token = crate::token::tests::any_token();
        frontend.issue(&token, None, &mut headers);
        let presented = Presented::Token(token.expose().as_bytes());
        assert_eq!(frontend.presented(&headers), presented);
        headers.clear();
        frontend.remove(&mut headers);
        assert_eq!(headers.get(&name), Some(&HeaderValue::from_static("")));
    }

    #[test]
    fn a_header_that_is_not_only_a_scripts_is_refused() {
        let refusal = |name: &'static str| {
            let checked = CustomHeader::new(HeaderName::from_static(name)).check(Duration::MAX);
            checked.err().map(|error| error.to_string())
        };
        for (name, instead) in [
            ("cookie", "write `SessionCookie::new(\"__Host-id\")`"),
            ("authorization", "write `Bearer`"),
            ("accept-language", "`CustomHeader::new(HeaderName::from_static(\"x-session\"))`"),
        ] {
            let refused = refusal(name).unwrap();
            assert!(refused.starts_with(&format!("`CustomHeader` cannot be `{name}`, which ")));
            assert!(refused.ends_with(instead), "{refused}");
        }
        for name in [
            "accept",
            "accept-encoding",
            "content-type",
            "content-language",
            "range",
            "referer",
            "origin",
            "user-agent",
            "host",
            "sec-fetch-site",
            "sec-x",
            "proxy-authorization",
            "if-none-match",
            "set-cookie",
        ] {
            assert!(refusal(name).is_some_and(|refused| refused.contains("x-session")), "{name}");
        }
        for name in ["x-session", "x-api-token", "session", "token", "x-accept", "secret"] {
            assert_eq!(refusal(name), None);
        }
    }
}

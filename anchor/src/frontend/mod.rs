//! [`Frontend`]: how a token travels between the server and its owner.

mod bearer;
mod cookie;
mod header;
mod scheme;

use std::collections::BTreeSet;
use std::time::Duration;

pub use bearer::Bearer;
pub(crate) use cookie::{CookieFault, split_prefix};
pub use cookie::{SameSite, SessionCookie};
pub use header::CustomHeader;
use http::{HeaderMap, HeaderName, HeaderValue};
pub use scheme::TokenScheme;

use crate::error::ConfigError;
use crate::token::SessionToken;

/// How a session's token travels. [`SessionCookie`] is the default. [`Bearer`] and [`CustomHeader`]
/// are for clients that are not browsers.
///
/// You can write your own frontend in a few lines:
///
/// ```
/// use std::time::Duration;
/// use anchor::frontend::{Frontend, Presented};
/// use anchor::token::SessionToken;
/// use http::{HeaderMap, HeaderName};
///
/// /// The token in `Proxy-Authorization`, for example.
/// struct InProxyAuthorization;
///
/// static HEADERS: [HeaderName; 1] = [HeaderName::from_static("proxy-authorization")];
///
/// impl Frontend for InProxyAuthorization {
///     fn channel(&self) -> String {
///         "proxy-authorization".into()
///     }
///
///     fn presented<'r>(&self, headers: &'r HeaderMap) -> Presented<'r> {
///         let values = headers.get_all("proxy-authorization").iter();
///         Presented::collect(values.map(|value| value.as_bytes()))
///     }
///
///     fn headers(&self) -> &[HeaderName] {
///         &HEADERS
///     }
/// }
/// ```
pub trait Frontend: Send + Sync + 'static {
    /// Returns the channel's name, such as `cookie:__Host-id`. A token is bound to the channel that
    /// it was issued for: on another channel, its signature is not valid.
    fn channel(&self) -> String;

    /// Checks that the settings can work. It is called once, at `build()`. `longest` is the longest
    /// time that a token is to live.
    ///
    /// # Errors
    ///
    /// Returns an error if they cannot work. The message says which setting is wrong and what to
    /// write instead.
    #[allow(unused_variables, reason = "the names are documentation")]
    fn check(&self, longest: Duration) -> Result<(), ConfigError> {
        Ok(())
    }

    /// Returns the tokens that a request presents, as they are. Nothing is decoded yet.
    fn presented<'r>(&self, headers: &'r HeaderMap) -> Presented<'r>;

    /// Returns the request headers that [`presented`](Self::presented) reads. The layer marks their
    /// values as sensitive ([`HeaderValue::set_sensitive`]), so that `Debug` of a request does not
    /// print a token. It also names these headers in the response's `Vary`.
    fn headers(&self) -> &[HeaderName];

    /// Sends a token to its owner in the response's headers. The owner keeps it for `lifetime`, or
    /// until the client is closed if `lifetime` is `None`. The default writes nothing: the
    /// application sends [`LoggedIn::token`](crate::request::LoggedIn::token) itself, in the body
    /// of its login response.
    #[allow(unused_variables, reason = "the names are documentation")]
    fn issue(&self, token: &SessionToken, lifetime: Option<Duration>, response: &mut HeaderMap) {}

    /// Returns whether [`issue`](Self::issue) reaches the owner with any response. If it does, any
    /// response can replace a token that was signed with an old key or whose successor was lost.
    /// The default is `false`, for a frontend that issues nothing.
    fn reissues(&self) -> bool {
        false
    }

    /// Tells the owner to forget the token. The default writes nothing.
    #[allow(unused_variables, reason = "the names are documentation")]
    fn remove(&self, response: &mut HeaderMap) {}

    /// Returns whether a browser may send the token on its own, as it sends cookies, without a
    /// script of the application. If so, another site can make the browser send the token, so
    /// [`SessionLayer`](crate::SessionLayer) refuses the requests that other sites make browsers
    /// send. The default is `true`.
    ///
    /// Return `false` only if every token that [`presented`](Self::presented) accepts is in a
    /// header that a script has to set.
    fn is_sent_by_browsers(&self) -> bool {
        true
    }

    /// Returns whether a browser keeps what [`issue`](Self::issue) sends only if it came over
    /// HTTPS, as with a `Secure` cookie. If so, a login over plain HTTP is logged as a warning,
    /// once per manager. The default is `false`.
    fn needs_https(&self) -> bool {
        false
    }

    /// Returns the `WWW-Authenticate` challenge of a 401 response (RFC 9110 section 11.6.1), if
    /// this channel has one.
    fn challenge(&self) -> Option<HeaderValue> {
        None
    }

    /// Returns where a request carries the token, for an OpenAPI document. The default is the first
    /// of [`headers`](Self::headers), unless it is `Cookie`, which carries many cookies: then it is
    /// `None`, and a document cannot be described.
    fn scheme(&self) -> Option<TokenScheme> {
        let name = self.headers().first().filter(|name| **name != http::header::COOKIE)?;
        Some(TokenScheme::Header { name: name.clone() })
    }
}

/// The tokens that a request presents.
#[derive(Clone, PartialEq, Eq)]
pub enum Presented<'r> {
    /// No token.
    Nothing,
    /// One token, or the same one several times.
    Token(&'r [u8]),
    /// Several different tokens. None of them is accepted; a logout ends the sessions of all of
    /// them.
    Conflicting(Vec<&'r [u8]>),
    /// More than this frontend searches.
    Oversized,
}

impl<'r> Presented<'r> {
    /// Sorts the tokens that were found into none, one, or several.
    pub fn collect(found: impl IntoIterator<Item = &'r [u8]>) -> Self {
        let mut found = found.into_iter();
        let Some(first) = found.next() else { return Presented::Nothing };
        let Some(second) = found.find(|token| *token != first) else {
            return Presented::Token(first);
        };
        // A request can hold thousands of tokens, so no token is compared with all the others.
        let all: BTreeSet<_> = [first, second].into_iter().chain(found).collect();
        Presented::Conflicting(all.into_iter().collect())
    }
}

/// Shows whether there are none, one or several tokens, and nothing else about them.
impl std::fmt::Debug for Presented<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Presented::Nothing => "Nothing",
            Presented::Token(_) => "Token(..)",
            Presented::Conflicting(_) => "Conflicting(..)",
            Presented::Oversized => "Oversized",
        })
    }
}

/// Marks the headers that carry a token as sensitive, so that `Debug` of the headers does not print
/// the token.
pub(crate) fn conceal(frontend: &dyn Frontend, headers: &mut HeaderMap) {
    for name in frontend.headers() {
        let Some(first) = headers.get_mut(name) else { continue };
        first.set_sensitive(true);
        if headers.get_all(name).iter().nth(1).is_some() {
            for (_, value) in headers.iter_mut().filter(|(found, _)| *found == name) {
                value.set_sensitive(true);
            }
        }
    }
}

/// Appends a header whose value was built from checked parts. If the value is not valid in a header
/// after all, leaves it out.
fn append(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    match HeaderValue::from_str(value) {
        Ok(mut value) => {
            value.set_sensitive(true);
            headers.append(name, value);
        }
        Err(_) => tracing::error!(
            target: "anchor", header = %name, "a session header could not be written"
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn each_different_token_is_kept_once() {
        let collect = |tokens: &[&'static str]| {
            Presented::collect(tokens.iter().map(|token| token.as_bytes()))
        };
        assert!(collect(&[]) == Presented::Nothing);
        assert!(collect(&["a", "a"]) == Presented::Token(b"a"));
        assert!(collect(&["b", "b", "a", "b", "a"]) == Presented::Conflicting(vec![b"a", b"b"]));
    }

    #[test]
    fn every_value_that_may_be_a_token_is_concealed_and_no_other() {
        for values in 1..=3 {
            let mut headers = HeaderMap::new();
            headers.insert(http::header::HOST, HeaderValue::from_static("app.example"));
            for _ in 0..values {
                headers.append(http::header::AUTHORIZATION, HeaderValue::from_static("Bearer a"));
            }
            conceal(&Bearer, &mut headers);
            let tokens = headers.get_all(http::header::AUTHORIZATION);
            assert!(tokens.iter().all(HeaderValue::is_sensitive), "{headers:?}");
            assert!(!headers[http::header::HOST].is_sensitive());
        }
    }

    #[test]
    fn a_header_is_written_concealed_or_not_at_all() {
        let mut headers = HeaderMap::new();
        let name = HeaderName::from_static("x-session");
        append(&mut headers, name.clone(), "a token");
        append(&mut headers, name.clone(), "not\na header");
        let written: Vec<_> = headers.get_all(&name).iter().collect();
        assert_eq!(written, ["a token"]);
        assert!(written[0].is_sensitive());
    }

    /// The defaults are those of a frontend whose tokens a browser may send, and which sends none.
    #[test]
    fn a_frontend_of_a_few_lines_issues_nothing() {
        struct Own;

        impl Frontend for Own {
            fn channel(&self) -> String {
                "own".into()
            }

            fn presented<'r>(&self, _: &'r HeaderMap) -> Presented<'r> {
                Presented::Nothing
            }

            fn headers(&self) -> &[HeaderName] {
                &[]
            }
        }

        let mut headers = HeaderMap::new();
        Own.issue(&crate::token::tests::any_token(), None, &mut headers);
        Own.remove(&mut headers);
        assert!(headers.is_empty());
        assert_eq!(Own.check(Duration::MAX), Ok(()));
        assert!(Own.is_sent_by_browsers() && !Own.reissues() && Own.challenge().is_none());
        assert!(!Own.needs_https() && Own.scheme().is_none());
    }

    #[test]
    fn many_different_tokens_cost_little() {
        let tokens: Vec<String> = (0..40_000).map(|number| format!("{number:05}")).collect();
        let begun = Instant::now();
        let presented = Presented::collect(tokens.iter().map(|token| token.as_bytes()));
        assert!(matches!(presented, Presented::Conflicting(all) if all.len() == tokens.len()));
        // Comparing each token with all the others takes many seconds.
        assert!(begun.elapsed().as_secs() < 1, "{:?}", begun.elapsed());
    }
}

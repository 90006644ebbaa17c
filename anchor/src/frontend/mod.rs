//! [`Frontend`]: how a token travels between the server and its owner.

mod bearer;
mod cookie;
mod header;

use std::collections::BTreeSet;
use std::time::Duration;

pub use bearer::Bearer;
pub(crate) use cookie::{CookieFault, split_prefix};
pub use cookie::{SameSite, SessionCookie};
pub use header::CustomHeader;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::error::ConfigError;
use crate::token::SessionToken;

/// How a session's token travels. [`SessionCookie`] is the default; [`Bearer`] and [`CustomHeader`]
/// serve clients that are no browsers.
///
/// A frontend of your own takes a few lines:
///
/// ```
/// use std::time::Duration;
/// use anchor::frontend::{Frontend, Presented};
/// use anchor::token::SessionToken;
/// use http::{HeaderMap, HeaderName};
///
/// /// The token as the password of `Proxy-Authorization`, say.
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
///         Presented::collect(headers.get_all("proxy-authorization").iter().map(|value| value.as_bytes()))
///     }
///
///     fn headers(&self) -> &[HeaderName] {
///         &HEADERS
///     }
/// }
/// ```
pub trait Frontend: Send + Sync + 'static {
    /// The channel's name, as `cookie:__Host-id`. A token is bound to the channel that it was
    /// issued for: in another one its signature does not hold.
    fn channel(&self) -> String;

    /// Whether the settings can work, asked once at `build()`. `longest` is the most that a token
    /// is to live.
    ///
    /// # Errors
    ///
    /// When they cannot; the message says which one and what to write instead.
    fn check(&self, longest: Duration) -> Result<(), ConfigError> {
        let _ = longest;
        Ok(())
    }

    /// The tokens that a request presents, as they are: nothing is decoded yet.
    fn presented<'r>(&self, headers: &'r HeaderMap) -> Presented<'r>;

    /// The request headers that [`presented`](Self::presented) reads. The layer marks their values
    /// as sensitive ([`HeaderValue::set_sensitive`]), so that `Debug` of a request does not print a
    /// token, and names them in the response's `Vary`.
    fn headers(&self) -> &[HeaderName];

    /// Hands a token to its owner in the response's headers, to be kept for `lifetime`; without
    /// one, until the client is closed. The default writes nothing: the application sends
    /// [`LoggedIn::token`](crate::request::LoggedIn::token) itself, in the body of its login
    /// response.
    fn issue(&self, token: &SessionToken, lifetime: Option<Duration>, response: &mut HeaderMap) {
        let _ = (token, lifetime, response);
    }

    /// Whether [`issue`](Self::issue) reaches the owner with any response, so that a token can be
    /// replaced in passing: one that bears an old key, or whose successor was lost. The default
    /// says no, for a frontend that issues nothing.
    fn reissues(&self) -> bool {
        false
    }

    /// Tells the owner to forget the token. The default writes nothing.
    fn remove(&self, response: &mut HeaderMap) {
        let _ = response;
    }

    /// Whether a browser may send the token without being told to by a script of the application,
    /// as it sends cookies. Then another site can make it send the token, so
    /// [`SessionLayer`](crate::SessionLayer) refuses what other sites make browsers send. Default:
    /// `true`.
    ///
    /// Say `false` only where every token that [`presented`](Self::presented) accepts is in a
    /// header that a script has to set.
    fn is_sent_by_browsers(&self) -> bool {
        true
    }

    /// The `WWW-Authenticate` challenge of a 401 (RFC 9110 section 11.6.1), where this channel has
    /// one.
    fn challenge(&self) -> Option<HeaderValue> {
        None
    }
}

/// The tokens that a request presents.
#[derive(Clone, PartialEq, Eq)]
pub enum Presented<'r> {
    /// None.
    Nothing,
    /// One, or the same one several times.
    Token(&'r [u8]),
    /// Several different ones. None of them is accepted; a logout ends the sessions of all of them.
    Conflicting(Vec<&'r [u8]>),
    /// More than this frontend looks through.
    Oversized,
}

impl<'r> Presented<'r> {
    /// Sorts the tokens found into none, one, or several.
    pub fn collect(found: impl IntoIterator<Item = &'r [u8]>) -> Self {
        let mut found = found.into_iter();
        let Some(first) = found.next() else { return Presented::Nothing };
        let Some(second) = found.find(|token| *token != first) else {
            return Presented::Token(first);
        };
        // A request can hold thousands of them, so none is compared with all the others.
        let all: BTreeSet<_> = [first, second].into_iter().chain(found).collect();
        Presented::Conflicting(all.into_iter().collect())
    }
}

/// Shows how many tokens there are, and nothing of them.
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

/// Marks what bears a token, so that `Debug` of the headers does not print it.
pub(crate) fn conceal(frontend: &dyn Frontend, headers: &mut HeaderMap) {
    for name in frontend.headers() {
        if headers.contains_key(name) {
            for (_, value) in headers.iter_mut().filter(|(found, _)| *found == name) {
                value.set_sensitive(true);
            }
        }
    }
}

/// Appends a header whose value was built from checked parts; a value that is no header after all
/// is left out.
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
    fn many_different_tokens_cost_little() {
        let tokens: Vec<String> = (0..40_000).map(|number| format!("{number:05}")).collect();
        let begun = Instant::now();
        let presented = Presented::collect(tokens.iter().map(|token| token.as_bytes()));
        assert!(matches!(presented, Presented::Conflicting(all) if all.len() == tokens.len()));
        // Comparing each with all the others takes many seconds.
        assert!(begun.elapsed().as_secs() < 1, "{:?}", begun.elapsed());
    }
}

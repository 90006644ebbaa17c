//! [`Bearer`]: the token in `Authorization: Bearer` (RFC 6750).

use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::{Frontend, Presented, TokenScheme};

/// The token in the `Authorization: Bearer ..` header (RFC 6750), for clients that are not
/// browsers.
///
/// The login handler sends the token itself: it puts
/// [`LoggedIn::token`](crate::request::LoggedIn::token)`.expose()` into the body of its response.
/// The client keeps the token and presents it with each request. An `Authorization` header with
/// another scheme counts as no session.
///
/// ```
/// # use anchor::prelude::*;
/// # #[derive(Clone, SessionData)]
/// # struct UserSession { #[session(subject)] user_id: i64, name: String }
/// use anchor::frontend::Bearer;
///
/// # fn example(store: impl SessionStore<UserSession>) -> Result<(), anchor::ConfigError> {
/// let sessions = SessionManager::<UserSession>::builder(store)
///     .keys(KeyRing::generate()?)
///     .frontend(Bearer)
///     .build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Bearer;

impl Frontend for Bearer {
    fn channel(&self) -> String {
        "bearer".into()
    }

    fn presented<'r>(&self, headers: &'r HeaderMap) -> Presented<'r> {
        Presented::collect(headers.get_all(header::AUTHORIZATION).iter().filter_map(|value| {
            let (scheme, token) = value.as_bytes().split_at_checked(7)?;
            scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
        }))
    }

    fn headers(&self) -> &[HeaderName] {
        static AUTHORIZATION: [HeaderName; 1] = [header::AUTHORIZATION];
        &AUTHORIZATION
    }

    fn is_sent_by_browsers(&self) -> bool {
        false
    }

    fn challenge(&self) -> Option<HeaderValue> {
        Some(HeaderValue::from_static("Bearer"))
    }

    fn scheme(&self) -> Option<TokenScheme> {
        Some(TokenScheme::Bearer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn presented(values: &[&'static str]) -> String {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::AUTHORIZATION, HeaderValue::from_static(value));
        }
        match Bearer.presented(&headers) {
            Presented::Token(token) => String::from_utf8_lossy(token).into_owned(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn it_is_the_authorization_header_which_a_script_sets() {
        // Another name would make every token that was issued for this one invalid.
        assert_eq!(Bearer.channel(), "bearer");
        assert_eq!(Bearer.headers(), [header::AUTHORIZATION]);
        assert_eq!(Bearer.challenge(), Some(HeaderValue::from_static("Bearer")));
        assert!(!Bearer.is_sent_by_browsers() && !Bearer.reissues());
        assert_eq!(Bearer.scheme(), Some(TokenScheme::Bearer));
    }

    #[test]
    fn takes_the_token_of_the_bearer_scheme_alone() {
        assert_eq!(presented(&["Bearer abc"]), "abc");
        assert_eq!(presented(&["bEARER   abc"]), "abc");
        assert_eq!(presented(&["Basic abc"]), "Nothing");
        assert_eq!(presented(&["Bearer"]), "Nothing");
        assert_eq!(presented(&[]), "Nothing");
        assert_eq!(presented(&["Bearer abc", "Bearer abc"]), "abc");
        assert_eq!(presented(&["Bearer abc", "Bearer abd"]), "Conflicting(..)");
    }
}

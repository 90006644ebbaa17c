//! What a client does with the headers of a manager's frontend: it keeps what a response sets, and
//! sends it back.

use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::frontend::{Frontend, Presented};
use crate::token::SessionToken;

/// Returns the header with which a request presents a token. Returns `None` if the frontend accepts
/// no single header: neither what a client sends back of the response that has issued the token,
/// nor the token itself, nor `Bearer` and the token.
pub(super) fn presenting(
    frontend: &dyn Frontend,
    token: &SessionToken,
) -> Option<(HeaderName, HeaderValue)> {
    let mut issued = HeaderMap::new();
    frontend.issue(token, None, &mut issued);
    let written = frontend.headers().iter().flat_map(|name| {
        let values = [token.expose().to_owned(), format!("Bearer {}", token.expose())];
        values.map(|value| Some((name.clone(), HeaderValue::from_str(&value).ok()?)))
    });
    sent_back(&issued).chain(written.flatten()).find_map(|(name, mut value)| {
        let headers = HeaderMap::from_iter([(name.clone(), value.clone())]);
        let expected = Presented::Token(token.expose().as_bytes());
        value.set_sensitive(true);
        (frontend.presented(&headers) == expected).then_some((name, value))
    })
}

/// Returns what a client sends back of a response's headers: each cookie without its attributes,
/// and every other header as it is.
pub(super) fn sent_back(response: &HeaderMap) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
    response.iter().map(|(name, value)| match name == SET_COOKIE {
        true => {
            let pair = value.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default();
            // A part of a value is a value.
            (COOKIE, HeaderValue::from_bytes(pair).unwrap_or(HeaderValue::from_static("")))
        }
        false => (name.clone(), value.clone()),
    })
}

/// Returns the names of the cookies that a response sets or removes.
pub(super) fn cookie_names(response: &HeaderMap) -> Vec<String> {
    let cookies = response.get_all(SET_COOKIE).iter();
    let names = cookies.map(|value| {
        let value = value.as_bytes();
        let end = value.iter().position(|byte| b"=;".contains(byte)).unwrap_or(value.len());
        String::from_utf8_lossy(&value[..end]).trim().to_owned()
    });
    names.collect()
}

//! [`Next`]: where a browser wanted to go when it was sent to log in, and which such paths are safe to send it to.

use std::convert::Infallible;
use std::fmt::Write;

use axum::extract::{FromRequestParts, OriginalUri};
use http::Uri;
use http::request::Parts;
use serde::{Deserialize, Deserializer};

/// The longest path that is remembered, in bytes. Longer ones belong to no page that a user would miss.
const LONGEST: usize = 2048;

/// Where to send a browser after its login: the `?next=` that `#[require_session(redirect = "/login")]` adds to the login page's address.
///
/// It holds a path of this origin or nothing: what an attacker puts there in place of one, to have the login page send its user to them
/// (CWE-601), is dropped by [`safe_next`]. It is an extractor that refuses nobody, and a serde type for a form's hidden field.
///
/// ```
/// use anchor::Next;
/// use axum::response::Redirect;
///
/// async fn login(next: Next) -> Redirect {
///     // after the password has been checked
///     Redirect::to(next.or("/"))
/// }
/// ```
///
/// The form keeps it by posting to the address that it came from (`<form method="post">` without `action`), or to [`link`](Self::link):
///
/// ```
/// # use anchor::Next;
/// let next: Next = serde_json::from_str(r#""/orders?page=2""#)?;
/// assert_eq!(next.link("/login"), "/login?next=/orders%3Fpage%3D2");
///
/// let attack: Next = serde_json::from_str(r#""//evil.example""#)?;
/// assert_eq!(attack.or("/"), "/");
/// # Ok::<_, serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Next(Option<String>);

impl Next {
    /// The path, with its query; `None` where there is none that is safe.
    pub fn path(&self) -> Option<&str> {
        self.0.as_deref()
    }

    /// The path, or this one.
    pub fn or<'a>(&'a self, path: &'a str) -> &'a str {
        self.path().unwrap_or(path)
    }

    /// The address of a page, with the path as its `next`.
    pub fn link(&self, page: &str) -> String {
        let mut link = page.to_owned();
        if let Some(path) = self.path() {
            add_parameter(&mut link, "next", path);
        }
        link
    }

    fn checked(path: &str) -> Self {
        Self(safe_next(path).map(str::to_owned))
    }

    /// Where this request wanted to go.
    pub(crate) fn back_to(request: &Parts) -> Self {
        let wanted = uri(request).path_and_query();
        wanted.map_or_else(Self::default, |wanted| Self::checked(wanted.as_str()))
    }

    /// The one `next` of a query; two of them are a trick, for two parsers may differ in the one that they take.
    fn of_query(query: &str) -> Self {
        let mut all = query.split('&').filter_map(|pair| {
            let (name, value) = pair.split_once('=')?;
            (decoded(name).as_deref() == Some("next")).then_some(value)
        });
        match (all.next(), all.next()) {
            (Some(only), None) => {
                decoded(only).map_or_else(Self::default, |path| Self::checked(&path))
            }
            _ => Self::default(),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Next {
    type Rejection = Infallible;

    async fn from_request_parts(request: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(uri(request).query().map_or_else(Self::default, Self::of_query))
    }
}

/// A path that is not safe reads as none.
impl<'de> Deserialize<'de> for Next {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let path = Option::<String>::deserialize(deserializer)?;
        Ok(path.map_or_else(Self::default, |path| Self::checked(&path)))
    }
}

/// The path if it is one of this origin that a browser cannot take for another address; else `None`.
///
/// It begins with one `/`, has at most 2048 bytes, and is printable ASCII. Refused are, after the WHATWG URL standard and the proxies that
/// rewrite paths: `//host` and `\` in any place of the path, also as `%2f` and `%5c` after a slash; `.` and `..` as segments, also as `%2e`,
/// for they can bring two slashes together; whitespace and control characters, which browsers drop, plain and encoded; fragments.
///
/// ```
/// use anchor::safe_next;
///
/// assert_eq!(safe_next("/orders?page=2"), Some("/orders?page=2"));
/// assert_eq!(safe_next("//evil.example"), None);
/// assert_eq!(safe_next("https://evil.example"), None);
/// ```
pub fn safe_next(path: &str) -> Option<&str> {
    let printable = |byte: u8| byte.is_ascii_graphic() && !b"\\\"<>#".contains(&byte);
    if path.len() > LONGEST || !path.starts_with('/') || !path.bytes().all(printable) {
        return None;
    }
    let has_encoded_control = path.bytes().enumerate().any(|(at, byte)| {
        byte == b'%' && encoded(&path.as_bytes()[at..]).is_some_and(|b| b.is_ascii_control())
    });
    let (segments, _) = path.split_once('?').unwrap_or((path, ""));
    let mut segments = segments[1..].split('/').peekable();
    let mut harmless = !has_encoded_control;
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        // One slash at the end is common, and two together are not.
        harmless &= (last || !segment.is_empty()) && !is_dots(segment);
        harmless &= !matches!(encoded(segment.as_bytes()), Some(b'/' | b'\\'));
    }
    harmless.then_some(path)
}

/// `.` or `..`, however encoded.
fn is_dots(segment: &str) -> bool {
    matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..")
}

/// The byte that a text beginning with `%xx` begins with.
fn encoded(text: &[u8]) -> Option<u8> {
    let [b'%', high, low, ..] = text else { return None };
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

/// A value of `application/x-www-form-urlencoded`.
fn decoded(value: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let [first, ..] = rest {
        let (byte, length) = match encoded(rest) {
            Some(byte) => (byte, 3),
            None if *first == b'+' => (b' ', 1),
            None => (*first, 1),
        };
        bytes.push(byte);
        rest = &rest[length..];
    }
    String::from_utf8(bytes).ok()
}

/// Adds `name=value` to an address's query.
pub(crate) fn add_parameter(address: &mut String, name: &str, value: &str) {
    address.push(if address.contains('?') { '&' } else { '?' });
    address.push_str(name);
    address.push('=');
    for byte in value.bytes() {
        match byte {
            b'/' | b'-' | b'.' | b'_' | b'~' => address.push(byte.into()),
            _ if byte.is_ascii_alphanumeric() => address.push(byte.into()),
            _ => {
                let _ = write!(address, "%{byte:02X}");
            }
        }
    }
}

/// The address as the browser sent it: a nested router sees its own part of the path alone.
fn uri(request: &Parts) -> &Uri {
    request.extensions.get::<OriginalUri>().map_or(&request.uri, |original| &original.0)
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    #[test]
    fn paths_of_this_origin_are_safe() {
        for path in [
            "/",
            "/orders",
            "/orders/",
            "/orders?page=2&sort=-date",
            "/search?q=a+b%20c",
            "/files/a%2Fb",
            "/files/..hidden",
            "/files/a...b",
            "/@user/:id;v=1,2!$'()*~",
            "/go?to=https://example.com//x",
            "/go?filter={a|b}^`",
            "/100%",
            "/%zz",
        ] {
            assert_eq!(safe_next(path), Some(path));
        }
        let longest = format!("/{}", "a".repeat(LONGEST - 1));
        assert!(safe_next(&longest).is_some());
    }

    #[test]
    fn no_trick_sends_the_browser_to_another_origin() {
        for attack in [
            "",
            "orders",
            "?x",
            "//evil.example",
            "///evil.example",
            "//evil.example/%2f..",
            "/\\evil.example",
            "\\\\evil.example",
            "\\/evil.example",
            "/\\/evil.example",
            "/a\\..\\evil.example",
            "https://evil.example",
            "https:evil.example",
            "HTTPS:/evil.example",
            "http:\\\\evil.example",
            "javascript:alert(1)",
            "data:text/html,x",
            " //evil.example",
            " /orders",
            "/ /evil.example",
            "/\t/evil.example",
            "/\n/evil.example",
            "\t//evil.example",
            "/\r\nSet-Cookie: id=x",
            "/orders\r\nLocation: https://evil.example",
            "/\0/evil.example",
            "/\u{7f}/evil.example",
            "/%09/evil.example",
            "/%0d%0aSet-Cookie:%20id=x",
            "/orders?x=%0D%0ASet-Cookie:%20id=x",
            "/%00/evil.example",
            "/%2f/evil.example",
            "/%2F%2Fevil.example",
            "/%2fevil.example",
            "/%5cevil.example",
            "/%5Cevil.example",
            "/a/%2fevil.example",
            "/a//evil.example",
            "/.//evil.example",
            "/..//evil.example",
            "/../evil",
            "/a/../..//evil.example",
            "/%2e/evil",
            "/%2E%2e/evil",
            "/.%2e/evil",
            "/a/%2e",
            "/a/..",
            "/a/..?x",
            "//?x",
            "/a//?x",
            "/orders#//evil.example",
            "/\"onload=x",
            "/<script>",
            "/ünicode",
            "/\u{2028}/evil.example",
            "/／evil.example",
        ] {
            assert_eq!(safe_next(attack), None, "{attack:?}");
        }
        let longer = format!("/{}", "a".repeat(LONGEST));
        assert_eq!(safe_next(&longer), None);
    }

    fn next_of(address: &str) -> Next {
        let (request, ()) = Request::get(address).body(()).unwrap().into_parts();
        Next::of_query(request.uri.query().unwrap_or(""))
    }

    #[test]
    fn the_login_page_reads_it_back() {
        for (address, path) in [
            ("/login?next=/orders", Some("/orders")),
            ("/login?lang=de&next=%2Forders%3Fpage%3D2", Some("/orders?page=2")),
            ("/login?n%65xt=/orders", Some("/orders")),
            ("/login", None),
            ("/login?next", None),
            ("/login?next=", None),
            ("/login?next=//evil.example", None),
            ("/login?next=%2f%2fevil.example", None),
            ("/login?next=/%5Cevil.example", None),
            ("/login?next=/%09/evil.example", None),
            ("/login?next=/%255cevil.example", None),
            ("/login?next=+/orders", None),
            ("/login?next=%ff", None),
            ("/login?next=/orders&next=/profile", None),
            ("/login?next=/orders&n%65xt=//evil.example", None),
        ] {
            assert_eq!(next_of(address).path(), path, "{address}");
        }
    }

    #[test]
    fn what_is_written_is_what_is_read() {
        for path in ["/", "/orders?page=2&sort=a+b", "/100%", "/a%2Fb?q=%20", "/x?y={z}&next=/w"] {
            let next = Next::checked(path);
            assert_eq!(next.path(), Some(path));
            assert_eq!(next_of(&next.link("/login")), next);
            assert_eq!(next_of(&next.link("/login?lang=de")), next);
        }
        assert_eq!(Next::default().link("/login"), "/login");
    }
}

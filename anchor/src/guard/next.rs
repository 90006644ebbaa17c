//! [`Next`]: the path that a browser asked for before it was sent to log in, and which paths are
//! safe to send it back to.

use std::borrow::Cow;
use std::convert::Infallible;

use axum::extract::{FromRequestParts, OriginalUri};
use http::Uri;
use http::request::Parts;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, utf8_percent_encode};
use serde::{Deserialize, Deserializer};

/// The maximum length of a path that is remembered, in bytes. No page that a user would miss has a
/// longer path.
const LONGEST: usize = 2048;

/// The number of times that a path may be percent-encoded. No genuine path is encoded more often.
const DEEPEST: usize = 8;

/// The characters that are percent-encoded in a query's value. Slashes stay readable.
const ENCODED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The path to send a browser to after its login: the `?next=` that `#[require_session(redirect =
/// "/login")]` adds to the login page's address.
///
/// It holds a path of this origin, or nothing. An attacker may write another address there, so that
/// the login page sends its user to the attacker (CWE-601). [`safe_next`] drops such an address.
/// `Next` is an extractor that never refuses a request, and a serde type for the hidden field of a
/// form.
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
/// The login form keeps it by posting to its own address (`<form method="post">` without `action`),
/// or to [`link`](Self::link):
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
    /// Returns the path with its query, or `None` if there is no safe path.
    ///
    /// ```
    /// use anchor::Next;
    ///
    /// let next: Next = serde_json::from_str(r#""/orders?page=2""#)?;
    /// assert_eq!(next.path(), Some("/orders?page=2"));
    /// assert_eq!(Next::default().path(), None);
    /// # Ok::<_, serde_json::Error>(())
    /// ```
    pub fn path(&self) -> Option<&str> {
        self.0.as_deref()
    }

    /// Returns the path, or the given `path` if there is none.
    pub fn or<'a>(&'a self, path: &'a str) -> &'a str {
        self.path().unwrap_or(path)
    }

    /// Returns the address of a page, with the path as its `next` parameter.
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

    /// Returns the path that this request asked for.
    pub(crate) fn back_to(request: &Parts) -> Self {
        let wanted = uri(request).path_and_query();
        wanted.map_or_else(Self::default, |wanted| Self::checked(wanted.as_str()))
    }

    /// Returns the only `next` of a query. Two of them are treated as an attack, because two
    /// parsers may not choose the same one.
    pub(crate) fn of_query(query: &str) -> Self {
        let mut all = form_urlencoded::parse(query.as_bytes())
            .filter_map(|(name, value)| (name == "next").then_some(value));
        match (all.next(), all.next()) {
            (Some(only), None) => Self::checked(&only),
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

/// A path that is not safe is read as no path.
impl<'de> Deserialize<'de> for Next {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let path = Option::<String>::deserialize(deserializer)?;
        Ok(path.map_or_else(Self::default, |path| Self::checked(&path)))
    }
}

/// Returns the path if it is a path of this origin that a browser cannot read as another address,
/// and `None` otherwise.
///
/// A safe path begins with one `/`, has at most 2048 bytes, and is printable ASCII without `\`,
/// `"`, `<`, `>` and `#`. None of its segments is empty except the last one, and none is `.` or
/// `..`: such segments can bring two slashes together, and `//host` is another origin (WHATWG URL
/// standard). It has no control characters, which browsers drop. All of this also holds after
/// percent-decoding, however often a proxy decodes it.
///
/// ```
/// use anchor::guard::safe_next;
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
    let (segments, query) = path.split_once('?').unwrap_or((path, ""));
    let harmless = at_every_decoding(segments, has_harmless_segments)
        && at_every_decoding(query, |query| !query.iter().any(u8::is_ascii_control));
    harmless.then_some(path)
}

/// Returns whether `holds` is true for a text, and for every result of percent-decoding it
/// repeatedly.
fn at_every_decoding(text: &str, holds: impl Fn(&[u8]) -> bool) -> bool {
    let mut form = Cow::Borrowed(text.as_bytes());
    for _ in 0..=DEEPEST {
        if !holds(&form) {
            return false;
        }
        let decoded: Vec<u8> = percent_decode(&form).collect();
        if decoded == *form {
            return true;
        }
        form = Cow::Owned(decoded);
    }
    false
}

/// Returns whether no parser reads this path as another address. After decoding, it may contain `?`
/// and `#`, which end a path for some parsers and not for others. Some parsers drop what follows a
/// `;`.
fn has_harmless_segments(path: &[u8]) -> bool {
    let has_harmless_bytes = !path.iter().any(|byte| byte.is_ascii_control() || *byte == b'\\');
    let mut segments = path[1..].split(|byte| b"/?#".contains(byte)).peekable();
    let mut harmless = has_harmless_bytes;
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        let name = segment.split(|byte| *byte == b';').next().unwrap_or_default();
        // One slash at the end is common, but two slashes together are not.
        let is_empty = if last { !segment.is_empty() && name.is_empty() } else { name.is_empty() };
        harmless &= !is_empty && !matches!(name, b"." | b"..");
    }
    harmless
}

/// Adds `name=value` to an address's query.
pub(crate) fn add_parameter(address: &mut String, name: &str, value: &str) {
    // The fragment must stay the last part: what follows its `#` is not sent to a server.
    let fragment = address.find('#').map(|at| address.split_off(at)).unwrap_or_default();
    address.push(if address.contains('?') { '&' } else { '?' });
    address.push_str(name);
    address.push('=');
    address.extend(utf8_percent_encode(value, ENCODED));
    address.push_str(&fragment);
}

/// Returns the address as the browser sent it. A nested router only sees its own part of the path.
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
            "/caf%C3%A9/a%20b",
            "/a%3Fb%23c",
            "/rate/100%25",
            "/go?to=https%3A%2F%2Fexample.com%2F..%2Fx",
            "/100%",
            "/%zz",
        ] {
            assert_eq!(safe_next(path), Some(path));
        }
        let longest = format!("/{}", "a".repeat(LONGEST - 1));
        assert!(safe_next(&longest).is_some());
    }

    const ATTACKS: &[&str] = &[
        "",
        "orders",
        "?x",
        "//evil.example",
        "///evil.example",
        "/;/evil.example",
        "/%3b/evil.example",
        "/a/;",
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
        "/x%2F..%2F..%2F%2Fevil.example",
        "/x%252F..%252F..%252F%252Fevil.example",
        "/x%2525252F%2525252Fevil.example",
        "/a%2F%2Fevil.example",
        "/a/%252fevil.example",
        "/a%5Cevil.example",
        "/a%255C..%255Cevil.example",
        "/a%2F..%2Fevil",
        "/a/%252e%252e/evil",
        "/a/%25%32%65./evil",
        "/a/..%3Fx",
        "/a/..%23x",
        "/a/..;/evil",
        "/a/..;x=1/evil",
        "/a/..%3B/evil",
        "/a%3F//evil.example",
        "/a%2509b",
        "/orders?x=%250D%250ASet-Cookie:%20id=x",
        "//?x",
        "/a//?x",
        "/orders#//evil.example",
        "/\"onload=x",
        "/<script>",
        "/ünicode",
        "/\u{2028}/evil.example",
        "/／evil.example",
    ];

    #[test]
    fn no_trick_sends_the_browser_to_another_origin() {
        for attack in ATTACKS {
            assert_eq!(safe_next(attack), None, "{attack:?}");
        }
        let longer = format!("/{}", "a".repeat(LONGEST));
        assert_eq!(safe_next(&longer), None);
        let deeper = format!("/%{}2Fevil", "25".repeat(DEEPEST + 1));
        assert_eq!(safe_next(&deeper), None);
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

    #[tokio::test]
    async fn it_is_read_from_the_request_or_from_a_form() {
        let (mut request, ()) = Request::get("/login?next=/orders").body(()).unwrap().into_parts();
        let Ok(next) = Next::from_request_parts(&mut request, &()).await;
        assert_eq!(next.or("/"), "/orders");
        let of_json = |text| serde_json::from_str::<Next>(text).unwrap();
        assert_eq!(of_json("\"/orders\""), next);
        for nothing in ["null", "\"\"", "\"//evil.example\""] {
            assert_eq!(of_json(nothing).or("/home"), "/home");
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
        let next = Next::checked("/orders");
        assert_eq!(next.link("/login#form"), "/login?next=/orders#form");
        assert_eq!(next.link("/login?lang=de#a?b"), "/login?lang=de&next=/orders#a?b");
    }
}

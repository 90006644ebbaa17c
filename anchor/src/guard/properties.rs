//! What holds for any `?next=`: a browser that follows it stays on the application's origin.

use percent_encoding::percent_decode;

use super::next::{Next, safe_next};

/// The pages from which a browser is sent back.
const PAGES: [&str; 3] =
    ["https://app.example/login", "http://app.example:8080/a/b/login?next=x#y", "http://[::1]/"];

/// `goes_to` is a parser of addresses that is not ours: it returns the origin and the path, with
/// its query, to which a browser on a page goes by an address; `None` if it goes nowhere.
///
/// The data is the query of the login page's address, and also a path.
pub fn next(data: &[u8], goes_to: impl Fn(&str, &str) -> Option<(String, String)>) {
    let text = String::from_utf8_lossy(data);
    let read = Next::of_query(&text);
    let found = [read.path(), safe_next(&text)];
    for path in found.into_iter().flatten() {
        assert_eq!(safe_next(path), Some(path));
        assert!(http::HeaderValue::from_str(path).is_ok(), "{path:?}");
        stays(path, &goes_to);
        // The login page hands it on, and reads it back.
        let next = Next::of_query(&format!("next={}", encoded(path)));
        assert_eq!(next.path(), Some(path));
        for page in ["/login", "/login?lang=de", "/login?lang=de#form"] {
            let link = next.link(page);
            let (address, _) = link.split_once('#').unwrap_or((&link, ""));
            let (_, query) = address.split_once('?').expect("the link has a query");
            assert_eq!(Next::of_query(query), next, "{link}");
        }
    }
}

/// Asserts that the path leads to the page's own origin, however often a proxy decodes it, and
/// when the address that a browser makes of it is followed once more.
fn stays(path: &str, goes_to: impl Fn(&str, &str) -> Option<(String, String)>) {
    let mut form = path.as_bytes().to_vec();
    loop {
        let address = String::from_utf8_lossy(&form);
        for page in PAGES {
            let (own, _) = goes_to(page, page).expect("the page has an address");
            // What a parser refuses, a browser does not follow.
            let Some((origin, rest)) = goes_to(page, &address) else { continue };
            assert_eq!(origin, own, "{path:?} as {address:?}");
            if let Some((origin, _)) = goes_to(page, &rest) {
                assert_eq!(origin, own, "{path:?} as {address:?}, again");
            }
        }
        let decoded: Vec<u8> = percent_decode(&form).collect();
        if decoded == form {
            return;
        }
        form = decoded;
    }
}

/// Encodes every byte, as no browser does.
fn encoded(path: &str) -> String {
    path.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::__properties::settings;

    fn goes_to(page: &str, address: &str) -> Option<(String, String)> {
        let to = url::Url::parse(page).unwrap().join(address).ok()?;
        let rest = to[url::Position::BeforePath..].to_owned();
        Some((to.origin().ascii_serialization(), rest))
    }

    #[test]
    fn an_address_of_another_origin_would_be_noticed() {
        let noticed = std::panic::catch_unwind(|| stays("/%2fevil.example", goes_to));
        assert!(noticed.is_err());
    }

    proptest! {
        #![proptest_config(settings(5_000))]

        #[test]
        fn no_next_leaves_the_origin(
            is_query: bool,
            pieces in vec(prop::sample::select(PIECES), 0..9),
        ) {
            let start = if is_query { "next=/" } else { "/" };
            next((start.to_owned() + &pieces.concat()).as_bytes(), goes_to);
        }
    }

    const PIECES: &[&str] = &[
        "/",
        "\\",
        ".",
        "..",
        "?",
        "#",
        ";",
        "@",
        ":",
        "&",
        "=",
        "+",
        "%",
        "a",
        "evil.example",
        "https:",
        "javascript:",
        " ",
        "\t",
        "\n",
        "%2f",
        "%2F",
        "%5c",
        "%2e",
        "%25",
        "%09",
        "%00",
        "%3F",
        "%23",
        "%3B",
        "%252f",
        "%25252f",
        "next=",
        "n%65xt=",
        "[::1]",
        "xn--",
        "／",
        "\u{7f}",
    ];
}

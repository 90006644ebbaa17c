//! [`wants_html`]: whether a request asks for a page, or for what a program reads.

use http::{HeaderMap, header};

/// Returns whether a request asks for a page, as a browser's links and forms do: its `Accept` names
/// HTML and does not prefer JSON. Scripts and `curl` send `*/*`, and get what a program reads.
///
/// anchor decides by it whether a refusal is a page, and whether `redirect` sends to the login
/// page. [`on_reject`](crate::manager::SessionManagerBuilder::on_reject) can decide by it, too:
///
/// ```
/// use anchor::prelude::*;
/// use axum::response::{IntoResponse, Redirect};
///
/// # fn demo<T: SessionData>(store: impl SessionStore<T>) -> Result<(), anchor::ConfigError> {
/// let sessions = SessionManager::<T>::builder(store)
///     .keys(KeyRing::generate()?)
///     .on_reject(|rejection, request| {
///         if rejection.is_unauthenticated() && anchor::wants_html(&request.headers) {
///             Redirect::to("/login").into_response()
///         } else {
///             rejection.clone().into_response()
///         }
///     })
///     .build()?;
/// # Ok(())
/// # }
/// ```
pub fn wants_html(headers: &HeaderMap) -> bool {
    let (mut html, mut json) = (0.0, 0.0);
    for value in headers.get_all(header::ACCEPT) {
        for range in value.to_str().unwrap_or("").split(',') {
            let mut parts = range.split(';').map(str::trim);
            let kind = parts.next().unwrap_or("");
            let quality = parts
                .find_map(|parameter| parameter.strip_prefix("q=").or(parameter.strip_prefix("Q=")))
                .map_or(1.0, |quality| quality.parse().unwrap_or(0.0));
            let is = |name: &str| kind.eq_ignore_ascii_case(name);
            if is("text/html") || is("application/xhtml+xml") {
                html = f32::max(html, quality);
            } else if ends_with_json(kind) {
                json = f32::max(json, quality);
            }
        }
    }
    html > 0.0 && html >= json
}

/// Returns whether it is `application/json`, or a type that ends in `+json`.
fn ends_with_json(kind: &str) -> bool {
    let start = kind.len().saturating_sub("json".len());
    kind.as_bytes()[start..].eq_ignore_ascii_case(b"json")
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn wants(accept: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_str(accept).unwrap());
        wants_html(&headers)
    }

    #[test]
    fn a_navigation_names_html_and_a_script_does_not() {
        for accept in [
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
            "text/html",
            "TEXT/HTML;level=1",
            "application/json;q=0.5, text/html",
            "text/plain, text/html;q=0.9",
        ] {
            assert!(wants(accept), "{accept}");
        }
        for accept in [
            "*/*",
            "",
            "application/json",
            "application/json, text/plain, */*",
            "text/html;q=0",
            "text/html;q=0.1, application/json",
            "text/html;q=0.1, APPLICATION/JSON;Q=0.2",
            "text/html; q=x",
            "text/*",
            "application/problem+json, text/html;q=0.9",
        ] {
            assert!(!wants(accept), "{accept}");
        }
        assert!(!wants_html(&HeaderMap::new()));
    }
}

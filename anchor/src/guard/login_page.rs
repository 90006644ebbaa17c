//! `redirect = "/login"` in `#[require_session]`: which requests are sent to the login page, and
//! which get the same answer as without it.

use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use crate::guard::next::{Next, add_parameter};
use crate::rejection::Rejection;

/// The page to which a guard sends a browser without a session. `()` stands for no page.
pub trait LoginPage: Send + Sync + 'static {
    /// The page's path.
    const PATH: Option<&'static str>;
}

impl LoginPage for () {
    const PATH: Option<&'static str> = None;
}

/// The answer of a guard to a request that it refuses.
pub struct Refusal {
    rejection: Rejection,
    /// The login page's address, if the browser is sent there.
    location: Option<HeaderValue>,
}

impl Refusal {
    /// Sends the browser to the login page `L` if there is one and it can help. Otherwise, answers
    /// with the rejection itself, which `refuse` offers to `on_reject`.
    pub(crate) fn new<L: LoginPage>(
        rejection: Rejection,
        request: &Parts,
        refuse: impl FnOnce(Rejection, &Parts) -> Rejection,
    ) -> Self {
        match L::PATH.and_then(|page| location(page, &rejection, request)) {
            Some(location) => Self { rejection, location: Some(location) },
            None => Self { rejection: refuse(rejection, request), location: None },
        }
    }
}

impl From<Rejection> for Refusal {
    fn from(rejection: Rejection) -> Self {
        Self { rejection, location: None }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self.location {
            None => self.rejection.into_response(),
            Some(location) => {
                let mut response =
                    (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response();
                response.extensions_mut().insert(self.rejection);
                response
            }
        }
    }
}

/// Returns the login page's address, if the request is a browser's navigation and logging in would
/// help.
///
/// Only a `GET` or a `HEAD` is redirected: the browser comes back with a `GET`, which would not
/// repeat any other request.
fn location(page: &str, rejection: &Rejection, request: &Parts) -> Option<HeaderValue> {
    let stale = matches!(rejection, Rejection::ReauthenticationRequired { .. });
    if !(stale || rejection.is_unauthenticated())
        || !matches!(request.method, Method::GET | Method::HEAD)
        || !wants_html(&request.headers)
    {
        return None;
    }
    let mut address = Next::back_to(request).link(page);
    if stale {
        // A login page usually sends a browser with a session back at once. Here, it must ask.
        add_parameter(&mut address, "reason", rejection.code());
    }
    HeaderValue::try_from(address).ok()
}

/// Returns whether `Accept` names HTML and does not prefer JSON. Scripts and `curl` send `*/*`; the
/// navigations of every browser name HTML.
fn wants_html(headers: &HeaderMap) -> bool {
    let (mut html, mut json) = (0.0, 0.0);
    for value in headers.get_all(header::ACCEPT) {
        for range in value.to_str().unwrap_or("").split(',') {
            let mut parts = range.split(';').map(str::trim);
            let kind = parts.next().unwrap_or("").to_ascii_lowercase();
            let quality = parts
                .find_map(|parameter| parameter.strip_prefix("q=").or(parameter.strip_prefix("Q=")))
                .map_or(1.0, |quality| quality.parse().unwrap_or(0.0));
            match kind.as_str() {
                "text/html" | "application/xhtml+xml" => html = f32::max(html, quality),
                json_kind if json_kind.ends_with("json") => json = f32::max(json, quality),
                _ => {}
            }
        }
    }
    html > 0.0 && html >= json
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::Request;

    use super::*;
    use crate::id::SessionId;

    const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

    fn wants(accept: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_str(accept).unwrap());
        wants_html(&headers)
    }

    #[test]
    fn a_navigation_names_html_and_a_script_does_not() {
        for accept in [
            BROWSER,
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
            "text/html; q=x",
            "text/*",
            "application/problem+json, text/html;q=0.9",
        ] {
            assert!(!wants(accept), "{accept}");
        }
        assert!(!wants_html(&HeaderMap::new()));
    }

    fn answer(method: &str, address: &str, rejection: &Rejection) -> Option<String> {
        let request = Request::builder().method(method).uri(address).header("accept", BROWSER);
        let (request, ()) = request.body(()).unwrap().into_parts();
        location("/login", rejection, &request).map(|at| at.to_str().unwrap().to_owned())
    }

    #[test]
    fn a_refusal_is_a_redirect_or_the_rejections_own_answer() {
        let answer = Refusal::from(Rejection::NoSession).into_response();
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
        let location = Some(HeaderValue::from_static("/login?next=/me"));
        let refusal = Refusal { rejection: Rejection::NoSession, location };
        let answer = refusal.into_response();
        assert_eq!(answer.status(), StatusCode::SEE_OTHER);
        assert_eq!(answer.headers()[header::LOCATION], "/login?next=/me");
        assert!(answer.extensions().get::<Rejection>().is_some());
    }

    #[test]
    fn a_browser_without_a_session_is_sent_to_log_in_and_back() {
        let answer = |method, address| answer(method, address, &Rejection::NoSession);
        assert_eq!(answer("GET", "/me?tab=1"), Some("/login?next=/me%3Ftab%3D1".into()));
        assert_eq!(answer("HEAD", "/me"), Some("/login?next=/me".into()));
        assert_eq!(answer("GET", "http://app.example/me"), Some("/login?next=/me".into()));
        assert_eq!(answer("GET", "//evil.example/"), Some("/login".into()));
        for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
            assert_eq!(answer(method, "/me"), None, "{method}");
        }
    }

    #[test]
    fn the_login_page_helps_against_no_session_and_a_stale_one_alone() {
        let id = SessionId::from_uuid(uuid::Uuid::nil());
        let stale = Rejection::ReauthenticationRequired { id, max_age: Duration::from_secs(600) };
        assert_eq!(
            answer("GET", "/me", &stale),
            Some("/login?next=/me&reason=reauthentication_required".into())
        );
        assert!(answer("GET", "/me", &Rejection::Ended { id }).is_some());
        assert_eq!(
            answer("GET", "/me", &Rejection::Forbidden { id, policy: "Admin".into() }),
            None
        );
        assert_eq!(answer("GET", "/me", &Rejection::UntypedGuard), None);
    }
}

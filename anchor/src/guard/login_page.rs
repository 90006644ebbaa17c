//! `redirect = "/login"` in `#[require_session]`: which requests are sent to the login page, and
//! which get the same answer as without it.

use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode, header};

use crate::guard::next::{Next, add_parameter};
use crate::rejection::{Rejection, wants_html};

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
    /// Sends the browser to the login page if there is one and it can help. Otherwise, answers with
    /// the rejection itself, which `refuse` offers to `on_reject`.
    pub(crate) fn new(
        rejection: Rejection,
        login_page: Option<&str>,
        request: &Parts,
        refuse: impl FnOnce(Rejection, &Parts) -> Rejection,
    ) -> Self {
        match login_page.and_then(|page| location(page, &rejection, request)) {
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::Request;

    use super::*;
    use crate::id::SessionId;

    const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

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

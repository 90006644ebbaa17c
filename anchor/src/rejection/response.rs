//! The responses to a [`Rejection`] and an [`Error`].

use axum::body::{Body, HttpBody};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};

use super::{Error, Rejection};
use crate::type_name;

/// Marks a response whose body is the JSON or the page of a rejection. The application may have
/// changed it since.
#[derive(Clone, Copy)]
struct Made {
    length: u64,
    content_type: &'static str,
}

impl Made {
    fn of(body: &str, content_type: &'static str) -> Self {
        Self { length: body.len() as u64, content_type }
    }
}

impl IntoResponse for Rejection {
    fn into_response(mut self) -> Response {
        if self.is_unlogged() {
            self.log(None);
            self.mark_logged();
        }
        let mut body = format!("{{\"error\":\"{}\"", self.public_code());
        if let Some(message) = self.public_message() {
            body.push_str(",\"message\":");
            body.push_str(&serde_json::Value::from(message).to_string());
        }
        body.push('}');
        let made = Made::of(&body, JSON);
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(JSON));
        if let Rejection::LogoutBySafeMethod { .. } = self {
            // RFC 9110 section 15.5.6: the methods that the handler accepts, whatever its route.
            let allowed = HeaderValue::from_static("POST, PUT, PATCH, DELETE");
            response.headers_mut().insert(header::ALLOW, allowed);
        }
        response.extensions_mut().insert(made);
        response.extensions_mut().insert(self);
        response
    }
}

const JSON: &str = "application/json";
const HTML: &str = "text/html; charset=utf-8";

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        Rejection::from(self).into_response()
    }
}

/// Returns whether a response is what anchor makes of its rejection: the JSON or the page, with the
/// rejection's status. Headers may have been added to it. The body of the answer to a `HEAD` may
/// have been removed.
pub(crate) fn is_made_of_rejection(response: &Response, is_head: bool) -> bool {
    let extensions = response.extensions();
    let (Some(made), Some(rejection)) = (extensions.get::<Made>(), extensions.get::<Rejection>())
    else {
        return false;
    };
    let length = response.body().size_hint().exact();
    let content_type = response.headers().get(header::CONTENT_TYPE);
    response.status() == rejection.status()
        && (length == Some(made.length) || is_head && length == Some(0))
        && content_type.is_some_and(|it| it == made.content_type)
}

/// Replaces the JSON of a rejection by a page. A response of the application's own stays, and so
/// does one that the application has changed.
pub(crate) fn show_as_page(response: &mut Response) {
    if !is_made_of_rejection(response, false) {
        return;
    }
    let Some(page) = response.extensions().get::<Rejection>().map(Rejection::page) else { return };
    response.extensions_mut().insert(Made::of(&page, HTML));
    *response.body_mut() = Body::from(page);
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_LENGTH);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(HTML));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
}

impl Rejection {
    /// Returns the message, if the response shows it: the application's author made a mistake, and
    /// the message contains only names of types and methods. So it is shown where the author looks
    /// first. It has the payload's name without its path, so that an outsider who reads it learns
    /// nothing about the program's modules. The log has the path.
    pub(super) fn public_message(&self) -> Option<String> {
        match self {
            Rejection::MissingLayer { payload } | Rejection::SeveralManagers { payload } => {
                Some(self.to_string().replace(payload, &type_name::without_paths(payload)))
            }
            Rejection::UntypedGuard | Rejection::LogoutBySafeMethod { .. } => {
                Some(self.to_string())
            }
            _ => None,
        }
    }
}

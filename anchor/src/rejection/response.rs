//! The responses to a [`Rejection`] and an [`Error`].

use axum::body::{Body, HttpBody};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};

use super::{Error, Rejection};
use crate::type_name;

/// Marks a response whose body is the JSON of a rejection, with the body's length. The layer shows
/// it as a page to a browser.
#[derive(Clone, Copy)]
struct DefaultJson(u64);

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
        let marker = DefaultJson(body.len() as u64);
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status();
        response.headers_mut().insert(header::CONTENT_TYPE, JSON);
        if let Rejection::LogoutBySafeMethod { .. } = self {
            // RFC 9110 section 15.5.6: the methods that the handler accepts, whatever its route.
            let allowed = HeaderValue::from_static("POST, PUT, PATCH, DELETE");
            response.headers_mut().insert(header::ALLOW, allowed);
        }
        response.extensions_mut().insert(marker);
        response.extensions_mut().insert(self);
        response
    }
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        Rejection::from(self).into_response()
    }
}

/// Replaces the JSON of a rejection by a page. A response of the application's own stays, and so
/// does one whose body the application has replaced.
pub(crate) fn show_as_page(response: &mut Response) {
    let Some(DefaultJson(length)) = response.extensions_mut().remove() else { return };
    let Some(rejection) = response.extensions().get::<Rejection>() else { return };
    let is_changed = response.body().size_hint().exact() != Some(length)
        || response.headers().get(header::CONTENT_TYPE) != Some(&JSON);
    if is_changed {
        return;
    }
    let page = rejection.page();
    *response.body_mut() = Body::from(page);
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_LENGTH);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
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

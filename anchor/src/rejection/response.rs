//! The responses to a [`Rejection`] and an [`Error`].

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};

use super::{Error, Rejection};
use crate::type_name;

impl IntoResponse for Rejection {
    fn into_response(mut self) -> Response {
        if self.is_unlogged() {
            self.log(None);
            self.mark_logged();
        }
        let mut body = format!("{{\"error\":\"{}\"", self.public_code());
        // The application's author made a mistake, and the message contains only names of types and
        // methods. So show it where the author looks first. The log has the types' paths.
        if let Rejection::MissingLayer { .. }
        | Rejection::UntypedGuard
        | Rejection::SeveralManagers { .. }
        | Rejection::LogoutBySafeMethod { .. } = self
        {
            body.push_str(",\"message\":");
            body.push_str(&serde_json::Value::from(self.without_paths()).to_string());
        }
        body.push('}');
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status();
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Rejection::LogoutBySafeMethod { .. } = self {
            // RFC 9110 section 15.5.6: the methods that the handler accepts, whatever its route.
            let allowed = HeaderValue::from_static("POST, PUT, PATCH, DELETE");
            response.headers_mut().insert(header::ALLOW, allowed);
        }
        response.extensions_mut().insert(self);
        response
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        Rejection::from(self).into_response()
    }
}

impl Rejection {
    /// Returns the message with the payload's name but without its path, so that an outsider who
    /// reads it learns nothing about the program's modules.
    fn without_paths(&self) -> String {
        let message = self.to_string();
        match self {
            Rejection::MissingLayer { payload } | Rejection::SeveralManagers { payload } => {
                message.replace(payload, &type_name::without_paths(payload))
            }
            _ => message,
        }
    }
}

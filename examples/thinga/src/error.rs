//! What a visitor sees instead of a page: refusals and errors.

use std::fmt;

use anchor::Rejection;
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use forms_example::TooManyLogins;
use tokio::task::JoinError;

use crate::pages::{ErrorPage, Page};

/// The title and the text of a page, like the next one.
const NOT_FOR_YOU: (&str, &str) = ("Not for you", "Your account may not do this.");

const REFUSED: (&str, &str) = (
    "Request refused",
    "The request seems to come from another site. If you sent it from here, go back, load the page \
     again, and try once more.",
);

/// The errors that a handler returns with `?`.
#[derive(Debug)]
pub(crate) enum AppError {
    /// From the sessions: logged by anchor.
    Session(Rejection),
    TooManyLogins(TooManyLogins),
    /// What the visitor sent cannot come from a page of this application.
    Unprocessable,
    /// Another request has changed the account at the same moment.
    Outdated,
    /// The acting user has lost the role since the request came in.
    NotAdministrator,
    /// A page of the front end's origin has sent a form.
    CrossOrigin,
    /// What the address names does not exist.
    NotFound,
    /// The database, the e-mails, a template.
    Internal(Box<dyn std::error::Error + Send + Sync>),
}

impl fmt::Display for AppError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Session(rejection) => rejection.fmt(f),
            Self::TooManyLogins(_) => f.write_str("too many attempts to log in"),
            Self::Unprocessable => f.write_str("the form is not one of this application"),
            Self::Outdated => f.write_str("the account has changed meanwhile"),
            Self::NotAdministrator => f.write_str("the user is not an administrator any more"),
            Self::CrossOrigin => f.write_str("the request comes from another origin"),
            Self::NotFound => f.write_str("there is no such page"),
            Self::Internal(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for AppError {}

impl From<anchor::Error> for AppError {
    fn from(error: anchor::Error) -> Self {
        Self::Session(error.into())
    }
}

impl From<Rejection> for AppError {
    fn from(rejection: Rejection) -> Self {
        Self::Session(rejection)
    }
}

impl From<TooManyLogins> for AppError {
    fn from(error: TooManyLogins) -> Self {
        Self::TooManyLogins(error)
    }
}

impl From<sqlx::Error> for AppError {
    fn from(error: sqlx::Error) -> Self {
        Self::Internal(error.into())
    }
}

impl From<askama::Error> for AppError {
    fn from(error: askama::Error) -> Self {
        Self::Internal(error.into())
    }
}

/// A task that panicked.
impl From<JoinError> for AppError {
    fn from(error: JoinError) -> Self {
        Self::Internal(error.into())
    }
}

impl From<Box<dyn std::error::Error + Send + Sync>> for AppError {
    fn from(error: Box<dyn std::error::Error + Send + Sync>) -> Self {
        Self::Internal(error)
    }
}

impl IntoResponse for AppError {
    fn into_response(self) -> Response {
        match self {
            Self::Session(rejection) => page_of(&rejection),
            Self::TooManyLogins(error) => {
                let answer = error.into_response();
                let mut page = page(
                    answer.status(),
                    "Please wait a moment",
                    "There were too many attempts. Try again in a minute.",
                );
                if let Some(seconds) = answer.headers().get(header::RETRY_AFTER) {
                    page.headers_mut().insert(header::RETRY_AFTER, seconds.clone());
                }
                page
            }
            Self::Unprocessable => page(
                StatusCode::UNPROCESSABLE_ENTITY,
                "That did not work",
                "Go back, load the page again, and try once more.",
            ),
            Self::Outdated => page(
                StatusCode::CONFLICT,
                "Please try again",
                "This account was changed at the same moment.",
            ),
            Self::NotAdministrator => page(StatusCode::FORBIDDEN, NOT_FOR_YOU.0, NOT_FOR_YOU.1),
            Self::CrossOrigin => page(StatusCode::FORBIDDEN, REFUSED.0, REFUSED.1),
            Self::NotFound => {
                page(StatusCode::NOT_FOUND, "Nothing here", "This address leads to no page.")
            }
            Self::Internal(error) => {
                tracing::error!("{error}");
                page(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "Something went wrong",
                    "That is our fault. Try again in a moment.",
                )
            }
        }
    }
}

/// The answer to a request that a guard or an extractor refuses: a page of this application, and
/// JSON for the API.
pub(crate) fn refuse(rejection: &Rejection, request: &Parts) -> Response {
    if request.uri.path().starts_with("/api/") {
        return rejection.clone().into_response();
    }
    page_of(rejection)
}

fn page_of(rejection: &Rejection) -> Response {
    let (title, text) = match rejection {
        Rejection::Forbidden { .. } => NOT_FOR_YOU,
        Rejection::ReauthenticationRequired { .. } => {
            ("Please log in again", "This needs a recent login. Log in, then try again.")
        }
        Rejection::CrossOrigin { .. } => REFUSED,
        other => match other.status() {
            StatusCode::UNAUTHORIZED => {
                ("Please log in", "You are not logged in, or your session has ended.")
            }
            StatusCode::CONFLICT => {
                ("Please try again", "Another tab did something at the same moment.")
            }
            StatusCode::SERVICE_UNAVAILABLE => {
                ("Not available at the moment", "Try again in a moment.")
            }
            _ => ("Something went wrong", "That is our fault. Try again in a moment."),
        },
    };
    let mut page = page(rejection.status(), title, text);
    // For a layer that counts or logs refusals, as in anchor's own answer.
    page.extensions_mut().insert(rejection.clone());
    page
}

fn page(status: StatusCode, title: &'static str, text: &'static str) -> Response {
    (status, Page(ErrorPage { title, text, code: status.as_u16() })).into_response()
}

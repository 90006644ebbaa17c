//! What forms need beside a session: logins that cannot be guessed fast, messages that are shown
//! once, and a CSRF token for each session.

mod checked;
mod throttle;

use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};

use anchor::prelude::*;
use axum::extract::{ConnectInfo, RawQuery, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Form, Router};
use serde::Deserialize;

use crate::checked::CheckedForm;
pub use crate::throttle::{LoginLimits, TooManyLogins};

/// The session of a user.
#[derive(Clone, SessionData)]
#[session(table = "sessions", idle = "2h", absolute = "14d")]
pub struct UserSession {
    #[session(subject)]
    name: String,
    /// The hidden field of each form.
    csrf_token: String,
    /// What the next page shows, once.
    #[session(json)]
    messages: Vec<String>,
}

/// Creates the application.
pub fn app(sessions: &SessionManager<UserSession>, limits: LoginLimits) -> Router {
    Router::new()
        .route("/", get(home))
        .route("/login", get(login_page).post(login))
        .route("/name", post(rename))
        .route("/logout", post(logout))
        .layer(sessions.layer())
        .with_state(Arc::new(limits))
}

#[derive(Deserialize)]
struct Credentials {
    name: String,
    password: String,
}

/// Shows the form. Of the address, it shows nothing but which of its own messages to show.
async fn login_page(RawQuery(query): RawQuery) -> Html<String> {
    let message = match query.as_deref() {
        Some("logged_out") => "<p role=status>You are logged out.</p>",
        _ => "",
    };
    Html(format!(
        "<!doctype html><html lang=en><meta charset=utf-8><title>Log in</title>{message}\
         <form method=post action=/login><label>Name <input name=name required></label>\
         <label>Password <input name=password type=password required></label>\
         <button>Log in</button></form>"
    ))
}

async fn login(
    auth: Auth<UserSession>,
    // Behind a proxy, this is the proxy's address: take the one from the header that it sets.
    ConnectInfo(client): ConnectInfo<SocketAddr>,
    State(limits): State<Arc<LoginLimits>>,
    Form(form): Form<Credentials>,
) -> Result<Response, Error> {
    limits.check(&form.name, client.ip())?;
    let Some(name) = authenticate(form).await? else {
        return Ok((StatusCode::UNAUTHORIZED, "Wrong name or password.\n").into_response());
    };
    let csrf_token = checked::new_token()?;
    let messages = vec![format!("Welcome, {name}.")];
    auth.login(UserSession { name, csrf_token, messages }).await?;
    Ok(Redirect::to("/").into_response())
}

/// Shows the messages, and forgets those that it shows. What another request adds meanwhile stays
/// for the next page.
#[require_session(UserSession)]
async fn home(mut session: Session<UserSession>) -> Result<Html<String>, Error> {
    let mut messages = Vec::new();
    if !session.messages.is_empty() {
        session.update(|user| messages = std::mem::take(&mut user.messages)).await?;
    }
    let messages: String =
        messages.iter().map(|text| format!("<p role=status>{}</p>", escape(text))).collect();
    Ok(Html(format!(
        "<!doctype html><html lang=en><meta charset=utf-8><title>Profile</title>{messages}\
         <form method=post action=/name><input type=hidden name={} value={}>\
         <label>Name <input name=name value=\"{}\"></label><button>Save</button></form>",
        checked::FIELD,
        session.csrf_token,
        escape(&session.name),
    )))
}

#[derive(Deserialize)]
struct NewName {
    name: String,
}

/// Saves the form. A real application would write to its table of users.
#[require_session(UserSession)]
async fn rename(
    mut session: Session<UserSession>,
    CheckedForm(form): CheckedForm<NewName>,
) -> Result<Redirect, Error> {
    // What a user sends is kept in the session, and loaded with it.
    let name: String = form.name.chars().take(100).collect();
    let message = format!("You are now called {name}.");
    session.update(|user| user.messages = vec![message.clone()]).await?;
    Ok(Redirect::to("/"))
}

/// After a logout there is no session to keep a message in: the address says which one to show.
#[logout(UserSession)]
async fn logout() -> Redirect {
    Redirect::to("/login?logged_out")
}

/// Checks a password. An unknown name takes as long as a wrong password.
async fn authenticate(form: Credentials) -> Result<Option<String>, tokio::task::JoinError> {
    static FERRIS: LazyLock<String> = LazyLock::new(|| password_auth::generate_hash("rustacean"));
    tokio::task::spawn_blocking(move || {
        let matches = password_auth::verify_password(&form.password, &FERRIS).is_ok();
        (matches && form.name == "ferris").then_some(form.name)
    })
    .await
}

/// The errors that a handler returns with `?`.
enum Error {
    Session(anchor::Error),
    TooManyLogins(TooManyLogins),
    /// No random numbers, or a task that panicked.
    Internal,
}

impl From<anchor::Error> for Error {
    fn from(error: anchor::Error) -> Self {
        Self::Session(error)
    }
}

impl From<TooManyLogins> for Error {
    fn from(error: TooManyLogins) -> Self {
        Self::TooManyLogins(error)
    }
}

impl From<getrandom::Error> for Error {
    fn from(_: getrandom::Error) -> Self {
        Self::Internal
    }
}

impl From<tokio::task::JoinError> for Error {
    fn from(_: tokio::task::JoinError) -> Self {
        Self::Internal
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        match self {
            Self::Session(error) => error.into_response(),
            Self::TooManyLogins(error) => error.into_response(),
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        }
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

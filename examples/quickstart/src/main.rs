//! The quickstart: a login form, a session, and a server-side logout, on an embedded SQLite
//! database.
//!
//! Run it with `cargo run`, then open <http://127.0.0.1:3000> and log in as `ferris` with the
//! password `rustacean`.

mod page;
#[cfg(test)]
mod tests;
mod users;

use std::error::Error;
use std::net::Ipv4Addr;
use std::str::FromStr;

use anchor::SessionId;
use anchor::frontend::SessionCookie;
use anchor::prelude::*;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Form, Json, Router};
use serde::{Deserialize, Serialize};
use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};

/// The session: its payload, its table, its lifetime, its extractor. `track` records the device.
#[derive(Clone, Serialize, SessionData)]
#[session(table = "sessions", idle = "2h", absolute = "14d", track)]
struct UserSession {
    #[session(subject, references = "users(id)")]
    user_id: i64,
    username: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    tracing_subscriber::fmt().with_env_filter("info,sqlx=warn").init();
    let url = std::env::var("DATABASE_URL").unwrap_or_else(|_| "sqlite:quickstart.db".into());
    let options = SqliteConnectOptions::from_str(&url)?
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal);
    let pool = SqlitePool::connect_with(options).await?;
    users::migrate(&pool).await?;
    let store = SqliteStore::new(pool.clone());
    store.migrate().await?;
    // Names what the table of an earlier version lacks. Delete quickstart.db then.
    store.verify().await?;

    let sessions = SessionManager::<UserSession>::builder(store)
        .keys(KeyRing::from_file_or_generate("quickstart.key")?)
        // For plain HTTP, only on this machine. Remove this line in production.
        .frontend(SessionCookie::development())
        .build()?;

    let app = Router::new()
        .route("/", get(home))
        .route("/login", post(login))
        .route("/me", get(me))
        .route("/logout", post(logout))
        .route("/logout/others", post(logout_others))
        .route("/logout/all", post(logout_all))
        .route("/devices/{id}/end", post(end_device))
        .layer(sessions.layer())
        .with_state(pool);

    let port = match std::env::var("PORT") {
        Ok(port) => port.parse().map_err(|_| format!("PORT is not a port number: {port:?}"))?,
        Err(_) => 3000,
    };
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    println!("Listening on http://{}: log in as ferris / rustacean", listener.local_addr()?);
    axum::serve(listener, app)
        .with_graceful_shutdown(async {
            let _ = tokio::signal::ctrl_c().await;
        })
        .await?;
    // A logout continues after its client has disconnected. Wait for it.
    sessions.shutdown().await;
    Ok(())
}

async fn home(session: Option<Session<UserSession>>) -> Result<Html<String>, AppError> {
    Ok(Html(match session {
        Some(session) => page::account(&session, &session.siblings().await?),
        None => page::login("", None),
    }))
}

#[derive(Deserialize)]
struct Credentials {
    username: String,
    password: String,
}

async fn login(
    auth: Auth<UserSession>,
    State(pool): State<SqlitePool>,
    Form(form): Form<Credentials>,
) -> Result<Response, AppError> {
    let found = users::authenticate(&pool, form.username.clone(), form.password).await?;
    let Some(user) = found else {
        let page = page::login(&form.username, Some("Wrong username or password."));
        return Ok((StatusCode::UNAUTHORIZED, Html(page)).into_response());
    };
    auth.login(UserSession { user_id: user.id, username: user.username }).await?;
    Ok(Redirect::to("/").into_response())
}

#[require_session(UserSession)]
async fn me(session: Session<UserSession>) -> Json<UserSession> {
    Json(session.data().clone())
}

#[logout(UserSession)]
async fn logout() -> Redirect {
    Redirect::to("/")
}

#[logout(UserSession, others)]
async fn logout_others() -> Redirect {
    Redirect::to("/")
}

#[logout(UserSession, all)]
async fn logout_all() -> Redirect {
    Redirect::to("/")
}

/// Ends one device of the user's own. The id of another user's session ends nothing.
#[require_session(UserSession)]
async fn end_device(
    Path(id): Path<SessionId>,
    session: Session<UserSession>,
) -> Result<Redirect, AppError> {
    session.end_sibling(id).await?;
    Ok(Redirect::to("/"))
}

/// The errors that a handler returns with `?`.
enum AppError {
    Session(anchor::Error),
    Users(users::UsersError),
}

impl From<anchor::Error> for AppError {
    fn from(error: anchor::Error) -> Self {
        Self::Session(error)
    }
}

impl From<users::UsersError> for AppError {
    fn from(error: users::UsersError) -> Self {
        Self::Users(error)
    }
}

impl IntoResponse for AppError {
    fn into_response(self) -> Response {
        match self {
            Self::Session(error) => error.into_response(),
            Self::Users(error) => {
                eprintln!("users: {error}");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        }
    }
}

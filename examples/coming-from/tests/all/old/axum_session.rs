//! An application with axum_session.

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Form, Router};
use axum_session::{Key, SessionConfig, SessionError, SessionLayer, SessionStore};
use axum_session_sqlx::{SessionPgPool, SessionPgSession};
use serde::Deserialize;
use sqlx::PgPool;

/// What axum_session_auth calls it.
const USER: &str = "user_auth_session_id";

#[derive(Deserialize)]
struct Credentials {
    name: String,
    password: String,
}

/// Creates the application.
pub(crate) async fn app(pool: PgPool, key: Key) -> Result<Router, SessionError> {
    let config = SessionConfig::default().with_key(key);
    let store = SessionStore::<SessionPgPool>::new(Some(pool.clone().into()), config).await?;
    Ok(Router::new()
        .route("/login", post(login))
        .route("/me", get(me))
        .route("/logout", post(logout))
        .layer(SessionLayer::new(store))
        .with_state(pool))
}

async fn login(
    session: SessionPgSession,
    State(pool): State<PgPool>,
    Form(form): Form<Credentials>,
) -> StatusCode {
    let user: Result<Option<(i64, String)>, _> =
        sqlx::query_as("SELECT id, password_hash FROM users WHERE name = $1")
            .bind(form.name)
            .fetch_optional(&pool)
            .await;
    match user {
        Ok(Some((id, hash))) if password_auth::verify_password(form.password, &hash).is_ok() => {
            session.renew();
            session.set(USER, id);
            StatusCode::NO_CONTENT
        }
        _ => StatusCode::UNAUTHORIZED,
    }
}

async fn me(session: SessionPgSession) -> Result<String, StatusCode> {
    let user: Option<i64> = session.get(USER);
    user.map(|id| id.to_string()).ok_or(StatusCode::UNAUTHORIZED)
}

async fn logout(session: SessionPgSession) -> StatusCode {
    session.destroy();
    StatusCode::NO_CONTENT
}

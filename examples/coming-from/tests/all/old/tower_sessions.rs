//! An application with tower-sessions and axum-login.

use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Form, Router};
use axum_login::{
    AuthManagerLayerBuilder, AuthSession, AuthUser, AuthnBackend, UserId, login_required,
};
use serde::Deserialize;
use sqlx::PgPool;
use tower_sessions::cookie::time::Duration;
use tower_sessions::{Expiry, Session, SessionManagerLayer};

use super::tower_sessions_store::PostgresStore;

#[derive(Clone, Debug, sqlx::FromRow)]
struct User {
    id: i64,
    password_hash: String,
}

impl AuthUser for User {
    type Id = i64;

    fn id(&self) -> i64 {
        self.id
    }

    fn session_auth_hash(&self) -> &[u8] {
        self.password_hash.as_bytes()
    }
}

#[derive(Clone, Deserialize)]
struct Credentials {
    name: String,
    password: String,
}

#[derive(Clone)]
struct Backend {
    pool: PgPool,
}

impl AuthnBackend for Backend {
    type User = User;
    type Credentials = Credentials;
    type Error = sqlx::Error;

    async fn authenticate(&self, form: Credentials) -> Result<Option<User>, sqlx::Error> {
        let user: Option<User> =
            sqlx::query_as("SELECT id, password_hash FROM users WHERE name = $1")
                .bind(form.name)
                .fetch_optional(&self.pool)
                .await?;
        let verify = password_auth::verify_password;
        Ok(user.filter(|user| verify(form.password, &user.password_hash).is_ok()))
    }

    async fn get_user(&self, id: &UserId<Self>) -> Result<Option<User>, sqlx::Error> {
        sqlx::query_as("SELECT id, password_hash FROM users WHERE id = $1")
            .bind(id)
            .fetch_optional(&self.pool)
            .await
    }
}

/// Creates the application.
pub(crate) async fn app(pool: PgPool) -> Result<Router, sqlx::Error> {
    let store = PostgresStore::new(pool.clone());
    store.migrate().await?;
    let sessions =
        SessionManagerLayer::new(store).with_expiry(Expiry::OnInactivity(Duration::weeks(2)));
    let auth = AuthManagerLayerBuilder::new(Backend { pool }, sessions).build();
    Ok(Router::new()
        .route("/me", get(me))
        .route_layer(login_required!(Backend))
        .route("/login", post(login))
        .route("/logout", post(logout))
        .route("/visit", post(visit))
        .layer(auth))
}

async fn login(mut auth: AuthSession<Backend>, Form(form): Form<Credentials>) -> StatusCode {
    let Ok(Some(user)) = auth.authenticate(form).await else { return StatusCode::UNAUTHORIZED };
    match auth.login(&user).await {
        Ok(()) => StatusCode::NO_CONTENT,
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

async fn me(auth: AuthSession<Backend>) -> String {
    auth.user.map(|user| user.id.to_string()).unwrap_or_default()
}

async fn logout(mut auth: AuthSession<Backend>) -> StatusCode {
    match auth.logout().await {
        Ok(_) => StatusCode::NO_CONTENT,
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

async fn visit(session: Session) -> StatusCode {
    session.insert("visits", 1).await.map_or(StatusCode::INTERNAL_SERVER_ERROR, |()| StatusCode::OK)
}

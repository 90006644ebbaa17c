//! axum-login over tower-sessions in memory, with a signed cookie.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;

use ::axum_login::tower_sessions::cookie::Key;
use ::axum_login::tower_sessions::{MemoryStore, SessionManagerLayer};
use ::axum_login::{AuthManagerLayerBuilder, AuthUser, AuthnBackend, UserId};
use axum::Router;
use axum::http::StatusCode;
use axum::routing::{get, post};

use super::{NAME, USERS, next_user, open};

#[derive(Clone, Debug)]
struct User {
    id: i64,
    name: String,
    password_hash: Vec<u8>,
}

impl AuthUser for User {
    type Id = i64;

    fn id(&self) -> i64 {
        self.id
    }

    fn session_auth_hash(&self) -> &[u8] {
        &self.password_hash
    }
}

#[derive(Clone)]
struct Users(Arc<HashMap<i64, User>>);

impl AuthnBackend for Users {
    type User = User;
    type Credentials = i64;
    type Error = Infallible;

    async fn authenticate(&self, user_id: i64) -> Result<Option<User>, Infallible> {
        Ok(self.0.get(&user_id).cloned())
    }

    async fn get_user(&self, user_id: &UserId<Self>) -> Result<Option<User>, Infallible> {
        Ok(self.0.get(user_id).cloned())
    }
}

type AuthSession = ::axum_login::AuthSession<Users>;

async fn me(session: AuthSession) -> Result<String, StatusCode> {
    Ok(session.user.ok_or(StatusCode::UNAUTHORIZED)?.name)
}

async fn login(mut session: AuthSession) -> Result<(), StatusCode> {
    let user = session.authenticate(next_user()).await.ok().flatten();
    let user = user.ok_or(StatusCode::UNAUTHORIZED)?;
    session.login(&user).await.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)
}

async fn logout(mut session: AuthSession) -> Result<(), StatusCode> {
    session.logout().await.map(drop).map_err(|_| StatusCode::SERVICE_UNAVAILABLE)
}

pub(super) fn router() -> Router {
    let user = |id| (id, User { id, name: NAME.to_owned(), password_hash: vec![7; 32] });
    let users = Users(Arc::new((0..USERS).map(user).collect()));
    let sessions = SessionManagerLayer::new(MemoryStore::default()).with_signed(Key::generate());
    let touching = sessions.clone().with_always_save(true);
    Router::new()
        .route("/open", get(open))
        .route("/me", get(me))
        .route("/login", post(login))
        .route("/logout", post(logout))
        .layer(AuthManagerLayerBuilder::new(users.clone(), sessions).build())
        .merge(
            Router::new()
                .route("/touch", get(me))
                .layer(AuthManagerLayerBuilder::new(users, touching).build()),
        )
}

//! axum_session, with a signed cookie.

use std::fmt::Debug;

use ::axum_session::{
    DatabasePool, Key, Session, SessionConfig, SessionLayer, SessionMode, SessionNullPool,
    SessionStore,
};
use axum::Router;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum_session_sqlx::{SessionMySqlPool, SessionPgPool, SessionSqlitePool};
use serde::{Deserialize, Serialize};

use super::{NAME, next_user, open};
use crate::args::Store;
use crate::databases::Address;

const KEY: &str = "user";

#[derive(Serialize, Deserialize)]
struct User {
    user_id: i64,
    name: String,
}

async fn me<P: Pool>(session: Session<P>) -> Result<String, StatusCode> {
    Ok(session.get::<User>(KEY).ok_or(StatusCode::UNAUTHORIZED)?.name)
}

async fn login<P: Pool>(session: Session<P>) {
    session.set(KEY, User { user_id: next_user(), name: NAME.to_owned() });
}

async fn logout<P: Pool>(session: Session<P>) {
    session.destroy();
}

/// What axum_session requires of a pool.
trait Pool: DatabasePool + Clone + Debug + Send + Sync + 'static {}

impl<P: DatabasePool + Clone + Debug + Send + Sync + 'static> Pool for P {}

pub(super) async fn router(store: Store, address: &Address, cached: bool) -> Router {
    match store {
        // The memory of axum_session is its cache.
        Store::Memory => routes::<SessionNullPool>(None, true).await,
        Store::Sqlite => routes(Some(SessionSqlitePool::from(address.sqlite())), cached).await,
        Store::Postgres => routes(Some(SessionPgPool::from(address.postgres())), cached).await,
        Store::Mysql => routes(Some(SessionMySqlPool::from(address.mysql())), cached).await,
        Store::Redis => unreachable!("`Mode::runs_on` says so"),
    }
}

async fn routes<P: Pool>(pool: Option<P>, cached: bool) -> Router {
    let key = Key::generate();
    let config = SessionConfig::default().with_key(key).with_mode(SessionMode::Persistent);
    let config = if cached {
        config
    } else {
        config.with_memory_lifetime(tower_sessions::cookie::time::Duration::ZERO)
    };
    let store = SessionStore::new(pool.clone(), config.clone()).await.expect("a store");
    let touching = SessionStore::new(pool, config.with_always_save(true)).await.expect("a store");
    Router::new()
        .route("/open", get(open))
        .route("/me", get(me::<P>))
        .route("/login", post(login::<P>))
        .route("/logout", post(logout::<P>))
        .layer(SessionLayer::new(store))
        .merge(Router::new().route("/touch", get(me::<P>)).layer(SessionLayer::new(touching)))
}

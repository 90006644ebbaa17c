//! tower-sessions, with a signed cookie.

use std::sync::Arc;

use ::tower_sessions::cookie::Key;
use ::tower_sessions::service::SignedCookie;
use ::tower_sessions::session_store::ExpiredDeletion;
use ::tower_sessions::{MemoryStore, Session, SessionManagerLayer, SessionStore};
use axum::Router;
use axum::http::StatusCode;
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};
use tower_sessions_redis_store::RedisStore;
use tower_sessions_redis_store::fred::prelude::{ClientLike, Config, Pool};
use tower_sessions_sqlx_store::{MySqlStore, PostgresStore, SqliteStore};

use super::{App, NAME, next_user, open};
use crate::args::Store;
use crate::databases::{Address, CONNECTIONS};

const KEY: &str = "user";

#[derive(Serialize, Deserialize)]
struct User {
    user_id: i64,
    name: String,
}

async fn me(session: Session) -> Result<String, StatusCode> {
    let user: Option<User> = session.get(KEY).await.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    Ok(user.ok_or(StatusCode::UNAUTHORIZED)?.name)
}

async fn login(session: Session) -> Result<(), StatusCode> {
    let user = User { user_id: next_user(), name: NAME.to_owned() };
    // Against session fixation, as the documentation recommends.
    session.cycle_id().await.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    session.insert(KEY, user).await.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)
}

async fn logout(session: Session) -> Result<(), StatusCode> {
    session.flush().await.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)
}

pub(super) async fn app(store: Store, address: &Address) -> App {
    match store {
        Store::Memory => routes(MemoryStore::default()).into(),
        Store::Sqlite => {
            let store = SqliteStore::new(address.older_sqlite());
            store.migrate().await.expect("a table");
            swept(store)
        }
        Store::Postgres => {
            let store = PostgresStore::new(address.older_postgres());
            store.migrate().await.expect("a table");
            swept(store)
        }
        Store::Mysql => {
            let store = MySqlStore::new(address.older_mysql())
                .with_schema_name(address.mysql_database())
                .expect("a name");
            store.migrate().await.expect("a table");
            swept(store)
        }
        Store::Redis => {
            let config = Config::from_url(address.url()).expect("a URL");
            let pool = Pool::new(config, None, None, None, CONNECTIONS as usize).expect("a pool");
            pool.init().await.expect("Redis answers");
            routes(RedisStore::new(pool)).into()
        }
    }
}

fn swept<S: SessionStore + ExpiredDeletion + Clone + 'static>(store: S) -> App {
    let router = routes(store.clone());
    let sweep = move || {
        let store = store.clone();
        let sweeping: std::pin::Pin<Box<dyn Future<Output = ()> + Send>> =
            Box::pin(async move { store.delete_expired().await.expect("a sweep") });
        sweeping
    };
    App { router, sweep: Some(Arc::new(sweep)) }
}

fn routes<S: SessionStore + Clone>(store: S) -> Router {
    let key = Key::generate();
    let layer = layer(store.clone(), key.clone());
    let touching = layer.clone().with_always_save(true);
    Router::new()
        .route("/open", get(open))
        .route("/me", get(me))
        .route("/login", post(login))
        .route("/logout", post(logout))
        .layer(layer)
        .merge(Router::new().route("/touch", get(me)).layer(touching))
}

fn layer<S: SessionStore>(store: S, key: Key) -> SessionManagerLayer<S, SignedCookie> {
    let two_hours = ::tower_sessions::cookie::time::Duration::hours(2);
    SessionManagerLayer::new(store)
        .with_expiry(::tower_sessions::Expiry::OnInactivity(two_hours))
        .with_signed(key)
}

//! anchor.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ::anchor::prelude::*;
use axum::Router;
use axum::routing::{get, post};

use super::{App, NAME, next_user, open};
use crate::args;
use crate::databases::Address;

#[derive(Clone, SessionData)]
#[session(table = "sessions", idle = "2h", absolute = "14d", migrations = false)]
struct UserSession {
    #[session(subject)]
    user_id: i64,
    name: String,
}

#[require_session(UserSession)]
async fn me(session: Session<UserSession>) -> String {
    session.name.clone()
}

async fn login(auth: Auth<UserSession>) -> Result<(), ::anchor::Error> {
    auth.login(UserSession { user_id: next_user(), name: NAME.to_owned() }).await?;
    Ok(())
}

#[logout(UserSession)]
async fn logout() {}

pub(super) async fn app(store: args::Store, address: &Address, cached: bool) -> App {
    match store {
        args::Store::Memory => routes(Arc::new(MemoryStore::new()), cached),
        args::Store::Sqlite => {
            let store = SqliteStore::new(address.sqlite());
            store.migrate().await.expect("a table");
            routes(Arc::new(store), cached)
        }
        args::Store::Postgres => {
            let store = PostgresStore::new(address.postgres());
            store.migrate().await.expect("a table");
            routes(Arc::new(store), cached)
        }
        args::Store::Mysql => {
            let store = MySqlStore::new(address.mysql());
            store.migrate().await.expect("a table");
            routes(Arc::new(store), cached)
        }
        args::Store::Redis => {
            let store = ::anchor::RedisStore::connect(address.url()).await.expect("Redis answers");
            routes(Arc::new(store), cached)
        }
    }
}

fn routes(store: Arc<dyn SessionStore<UserSession>>, cached: bool) -> App {
    let keys = KeyRing::generate().expect("randomness");
    let builder = || SessionManager::<UserSession>::builder(Arc::clone(&store)).keys(keys.clone());
    // The default: a tenth of the idle timeout.
    let reading = builder().touch_interval(Duration::from_secs(720));
    let reading = if cached {
        // More than the sessions in use.
        reading.cache(Duration::from_secs(5)).cache_capacity(50_000)
    } else {
        reading
    };
    let sessions = reading.build().expect("settings that work");
    // A cache has no use where each request is recorded.
    let touching = builder().touch_interval(Duration::ZERO).build().expect("settings that work");
    let router = Router::new()
        .route("/open", get(open))
        .route("/me", get(me))
        .route("/login", post(login))
        .route("/logout", post(logout))
        .layer(sessions.layer())
        .merge(Router::new().route("/touch", get(me)).layer(touching.layer()));
    let sweep = move || {
        let sessions = sessions.clone();
        let sweeping: std::pin::Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(async move {
            // As `SessionManager::run_sweeper` does it.
            loop {
                let began = Instant::now();
                if sessions.sweep(200).await.expect("a sweep") < 200 {
                    break;
                }
                tokio::time::sleep(began.elapsed()).await;
            }
        });
        sweeping
    };
    App { router, sweep: Some(Arc::new(sweep)) }
}

//! anchor.

use std::sync::Arc;
use std::time::Duration;

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

pub(super) async fn app(store: args::Store, address: &Address) -> App {
    match store {
        args::Store::Memory => routes(Arc::new(MemoryStore::new())),
        args::Store::Sqlite => {
            let store = SqliteStore::new(address.sqlite());
            store.migrate().await.expect("a table");
            routes(Arc::new(store))
        }
        args::Store::Postgres => {
            let store = PostgresStore::new(address.postgres());
            store.migrate().await.expect("a table");
            routes(Arc::new(store))
        }
        args::Store::Mysql => {
            let store = MySqlStore::new(address.mysql());
            store.migrate().await.expect("a table");
            routes(Arc::new(store))
        }
    }
}

fn routes(store: Arc<dyn SessionStore<UserSession>>) -> App {
    let keys = KeyRing::generate().expect("randomness");
    let manager = |touch_interval: Duration| {
        SessionManager::<UserSession>::builder(Arc::clone(&store))
            .keys(keys.clone())
            .touch_interval(touch_interval)
            .build()
            .expect("settings that work")
    };
    // The default: a tenth of the idle timeout.
    let sessions = manager(Duration::from_secs(720));
    let touching = manager(Duration::ZERO);
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
            // In batches of the same size as those of `SessionManager::run_sweeper`.
            while sessions.sweep(1_000).await.expect("a sweep") == 1_000 {
                tokio::task::yield_now().await;
            }
        });
        sweeping
    };
    App { router, sweep: Some(Arc::new(sweep)) }
}

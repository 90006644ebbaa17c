//! anchor.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ::anchor::manager::Event;
use ::anchor::prelude::*;
use axum::Router;
use axum::routing::{get, post};

use super::{App, NAME, next_user, open};
use crate::args;
use crate::databases::Address;

/// When the sweeper has removed nothing for this long, nothing is left.
const NOTHING_LEFT: Duration = Duration::from_millis(150);

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
    let last_swept = Arc::new(Mutex::new(Instant::now()));
    let swept = Arc::clone(&last_swept);
    let reading = reading.on_event(move |event| {
        if let Event::Expired { .. } = event {
            *swept.lock().expect("no panic") = Instant::now();
        }
    });
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
        let (sessions, last) = (sessions.clone(), Arc::clone(&last_swept));
        let sweeping: std::pin::Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(async move {
            *last.lock().expect("no panic") = Instant::now();
            let _sweeper = sessions.run_sweeper(Duration::ZERO);
            while last.lock().expect("no panic").elapsed() < NOTHING_LEFT {
                tokio::time::sleep(NOTHING_LEFT / 10).await;
            }
        });
        sweeping
    };
    App { router, sweep: Some(Arc::new(sweep)) }
}

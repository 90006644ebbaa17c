//! The same application with anchor, with its peers, and written by hand.
//!
//! | route | does |
//! | --- | --- |
//! | `GET /open` | answers without asking for a session |
//! | `GET /me` | answers with the session's name; 401 without a session |
//! | `GET /touch` | like `/me`, and records the use in the store |
//! | `POST /login` | begins a session and sets the cookie |
//! | `POST /logout` | ends the session |

mod anchor;
mod axum_login;
mod axum_session;
mod bare;
mod by_hand;
mod gather;
mod keys;
mod rows;
mod tower_sessions;

use std::sync::atomic::{AtomicI64, Ordering};

use axum::Router;

use crate::args::{Mode, Store};
use crate::databases::Address;

/// The number of users.
pub const USERS: i64 = 10_000;
/// The name in each session. `/me` answers with it.
pub const NAME: &str = "ferris";

/// An application, and what it can do besides answering requests.
pub struct App {
    pub router: Router,
    /// Removes every expired row; `None` if the application cannot do that.
    pub sweep: Option<Sweep>,
}

/// Removes every expired row.
pub type Sweep =
    std::sync::Arc<dyn Fn() -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

impl From<Router> for App {
    fn from(router: Router) -> Self {
        Self { router, sweep: None }
    }
}

/// Creates the application, and its tables if they are missing.
///
/// # Panics
///
/// Panics if the database returns an error, or if the application cannot run on that store.
pub async fn application(mode: Mode, store: Store, address: &Address) -> App {
    assert!(mode.runs_on(store), "`{mode}` does not run on {store}");
    match mode {
        Mode::Bare => bare::router().into(),
        Mode::Layer => bare::under_an_empty_layer().into(),
        Mode::Anchor => anchor::app(store, address, false).await,
        Mode::AnchorCached => anchor::app(store, address, true).await,
        Mode::TowerSessions => tower_sessions::app(store, address).await,
        Mode::AxumLogin => axum_login::router().into(),
        Mode::AxumSession => axum_session::router(store, address, false).await.into(),
        Mode::AxumSessionCached => axum_session::router(store, address, true).await.into(),
        Mode::Select => by_hand::router(store, address).await.into(),
        Mode::Gathered => by_hand::gathered_router(store, address).await.into(),
    }
}

/// Returns the user of the next login.
fn next_user() -> i64 {
    static NEXT: AtomicI64 = AtomicI64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed) % USERS
}

async fn open() -> &'static str {
    NAME
}

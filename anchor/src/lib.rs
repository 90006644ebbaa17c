//! Session authentication for axum, declared by one struct.
//!
//! # In ten minutes
//!
//! **1. The dependencies.** A new application, `cargo new shop`, has these in its `Cargo.toml`:
//!
//! ```toml
//! [dependencies]
//! axum-anchor = "0.1"
//! axum = "0.8"
//! serde = { version = "1", features = ["derive"] }
//! tokio = { version = "1", features = ["full"] }
//!
//! [dev-dependencies]
//! axum-anchor = { version = "0.1", features = ["testing"] }
//! ```
//!
//! **2. A struct.** It is the payload of a session, and each of its fields is a column. It goes
//! into `src/main.rs`, with the code of the next steps below it:
//!
//! ```
//! use anchor::prelude::*;
//!
//! #[derive(Clone, SessionData)]
//! #[session(table = "sessions", idle = "2h", absolute = "14d")]
//! struct UserSession {
//!     // Whose session it is: indexed, listable, revocable.
//!     #[session(subject)]
//!     user_id: i64,
//!     name: String,
//! }
//! ```
//!
//! **3. Handlers.** Each declares who may call it. `#[require_session]` refuses a request without a
//! live session with 401, before the body is read. `#[logout]` ends the session before the
//! handler's body runs.
//!
//! ```
//! # use anchor::prelude::*;
//! # #[derive(Clone, SessionData)]
//! # struct UserSession { #[session(subject)] user_id: i64, name: String }
//! use axum::Form;
//! use axum::http::StatusCode;
//! use axum::response::{IntoResponse, Redirect, Response};
//!
//! #[derive(serde::Deserialize)]
//! struct LoginForm {
//!     name: String,
//!     password: String,
//! }
//!
//! // Instead, look up the user, and let a maintained library verify the password's hash.
//! async fn check_password(form: &LoginForm) -> Option<i64> {
//!     (form.name == "ferris" && form.password == "rustacean").then_some(1)
//! }
//!
//! #[public]
//! async fn home() -> &'static str {
//!     "Welcome\n"
//! }
//!
//! #[public]
//! async fn login(
//!     auth: Auth<UserSession>,
//!     Form(form): Form<LoginForm>,
//! ) -> Result<Response, anchor::Error> {
//!     let Some(user_id) = check_password(&form).await else {
//!         return Ok(StatusCode::UNAUTHORIZED.into_response());
//!     };
//!     auth.login(UserSession { user_id, name: form.name }).await?;
//!     Ok(Redirect::to("/me").into_response())
//! }
//!
//! #[require_session(UserSession)]
//! async fn me(session: Session<UserSession>) -> String {
//!     format!("Hello, {}\n", session.name)
//! }
//!
//! #[logout(UserSession)]
//! async fn logout() -> Redirect {
//!     Redirect::to("/")
//! }
//! ```
//!
//! **4. The application.** [`routing::Router`] accepts only handlers that declare who may call
//! them, and `.build()` refuses routes whose sessions have no manager.
//!
//! ```no_run
//! # use anchor::prelude::*;
//! # #[derive(Clone, SessionData)]
//! # struct UserSession { #[session(subject)] user_id: i64, name: String }
//! # #[public]
//! # async fn home() {}
//! # #[public]
//! # async fn login() {}
//! # #[require_session(UserSession)]
//! # async fn me() {}
//! # #[logout(UserSession)]
//! # async fn logout() {}
//! use std::time::Duration;
//!
//! use anchor::Environment;
//! use anchor::routing::{Router, get, post};
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     // With the feature `sqlite`: `SqliteStore::new(pool)`, with `postgres`: `PostgresStore`.
//!     let sessions = SessionManager::<UserSession>::builder(MemoryStore::new())
//!         .environment(Environment::of_process("ANCHOR"))
//!         .build()?;
//!     let app = Router::new()
//!         .route("/", get(home))
//!         .route("/login", post(login))
//!         .route("/me", get(me))
//!         .route("/logout", post(logout))
//!         .sessions(&sessions)
//!         .build()?;
//!
//!     // Removes the rows of sessions that have ended. Whether they are refused does not depend
//!     // on it.
//!     let _sweeper = sessions.run_sweeper(Duration::from_secs(300));
//!     let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
//!     axum::serve(listener, app)
//!         .with_graceful_shutdown(async {
//!             let _ = tokio::signal::ctrl_c().await;
//!         })
//!         .await?;
//!     // Waits for logouts whose clients have disconnected.
//!     sessions.shutdown().await;
//!     Ok(())
//! }
//! ```
//!
//! **5. Run it.** `ANCHOR_DEVELOPMENT` allows a cookie for plain HTTP, and makes a signing key for
//! this run. In production, `ANCHOR_KEYS` has the keys: see [`Environment`].
//!
//! ```sh
//! ANCHOR_DEVELOPMENT=true cargo run
//! ```
//!
//! In another terminal:
//!
//! ```sh
//! curl -i http://127.0.0.1:3000/me                                                  # 401
//! curl -i -c jar -d 'name=ferris&password=rustacean' http://127.0.0.1:3000/login    # 303
//! curl -i -b jar http://127.0.0.1:3000/me                                           # 200
//! curl -i -b jar -X POST http://127.0.0.1:3000/logout                               # 303
//! curl -i -b jar http://127.0.0.1:3000/me                                           # 401
//! ```
//!
//! At the last request, `jar` still has the cookie, but the session has ended.
//!
//! **6. The table.** A `MemoryStore` has none. On a SQL store, `store.migrate()` creates it, which
//! is enough to begin with. Later, `ANCHOR_MIGRATE=1 cargo test anchor_migrations` writes a
//! migration for each change of the struct: see [`migrate`].
//!
//! **7. A test.** With the feature `testing` among the dev-dependencies, a test creates a session
//! without a login and calls the guarded handler:
//!
//! ```
//! # use anchor::prelude::*;
//! # #[derive(Clone, SessionData)]
//! # struct UserSession { #[session(subject)] user_id: i64, name: String }
//! # #[require_session(UserSession)]
//! # async fn me(session: Session<UserSession>) -> String {
//! #     format!("Hello, {}\n", session.name)
//! # }
//! # #[cfg(feature = "testing")]
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let sessions = SessionManager::<UserSession>::builder(MemoryStore::new())
//!     .keys(KeyRing::generate()?)
//!     .build()?;
//! let ferris = UserSession { user_id: 1, name: "Ferris".to_owned() };
//! let session = sessions.test_session(ferris).await;
//!
//! let answer = me(session.guard().await?, session.session().await?).await;
//! assert_eq!(answer, "Hello, Ferris\n");
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "testing"))]
//! # fn main() {}
//! ```
//!
//! # Features
//!
//! | feature | provides |
//! | --- | --- |
//! | `memory` (default) | `MemoryStore` |
//! | `sqlite`, `postgres`, `mysql`, `redis` | `SqliteStore`, `PostgresStore`, `MySqlStore` (MySQL and MariaDB), `RedisStore` |
//! | `time`, `chrono`, `jiff` | date-time columns of that crate |
//! | `cache` | `.cache(lease)`: loaded sessions are served from memory for a few seconds |
//! | `metrics` | `metrics`: sessions and store calls, counted and measured through the facade crate `metrics` |
//! | `conformance` | `conformance!`, the tests of the store contract, for a store that you write |
//! | `testing` | `testing`, for your own tests: only under `[dev-dependencies]` |
//! | `utoipa`, `aide` | `openapi`: the guards in an OpenAPI document of utoipa 6 or aide 0.15 |
//!
//! # What to use
//!
//! | To | See |
//! | --- | --- |
//! | declare a session | [`macro@SessionData`], [`macro@Column`] |
//! | store its rows | [`SessionStore`](store::SessionStore) and its implementations |
//! | set it up | [`SessionManager`], [`KeyRing`], [`SessionLayer`] |
//! | log in and out | [`Auth`], [`macro@logout`] |
//! | read and change it | [`Session`] |
//! | change sessions together with your own tables | `SessionManager::begin`, on the SQL stores |
//! | use a session up, once: a guest's cart, a second factor | [`Session::consume`] |
//! | send links that work once | [`OneTimeTokens`](manager::OneTimeTokens) |
//! | guard a handler | [`macro@require_session`], [`Policy`](guard::Policy) |
//! | guard a whole router or a tower service | [`RequireSession`](guard::RequireSession) |
//! | leave no handler unguarded | [`routing`], [`macro@public`] |
//! | send a browser to the login page and back | `redirect` of [`macro@require_session`], [`Next`] |
//! | configure from the environment | [`Environment`] |
//! | run your own code at a decision | [`Verifier`](manager::Verifier), [`on_reject`](manager::SessionManagerBuilder::on_reject), [`on_event`](manager::SessionManagerBuilder::on_event) |
//! | send the token another way | [`frontend`] |
//! | show the guards in an OpenAPI document | `anchor::openapi`, with the feature `utoipa` or `aide` |
//! | test handlers, guards and expiry | `anchor::testing`, with the feature `testing` |
//! | watch it in operation | `anchor::metrics`, with the feature `metrics` |
//! | serve sessions without the store for a moment | `SessionManagerBuilder::cache`, with the feature `cache` |
//!
//! # Where it is
//!
//! The root has what every application uses, and [`prelude`] imports it. The rest is in the module
//! of its subject:
//!
//! | module | what is there |
//! | --- | --- |
//! | [`manager`] | [`SessionManager`] and its builder, [`Environment`], events, verifiers, transactions, one-time tokens |
//! | [`request`] | what a handler has of a request: [`Session`], [`Auth`], a login, and the layer |
//! | [`guard`] | what the attributes and `sessions.require()` demand: policies, groups, [`Next`] |
//! | [`routing`] | axum's routing for handlers that declare who may call them, and the table of routes |
//! | [`frontend`] | the cookie and its settings, bearer tokens, headers |
//! | [`token`] | [`KeyRing`], and the credential itself |
//! | [`store`] | the stores, the trait behind them, and what they return: records, devices, pages |
//! | [`migrate`] | the migrations that the struct implies |
//! | [`payload`], [`mod@column`], [`schema`] | what the derives implement: the payload, its columns, its table |
//! | `testing` | sessions, guards, clocks and faults for your tests |
//! | `metrics`, `openapi` | what a manager measures; the guards in an OpenAPI document |
//! | `conformance` | the contract of a store, as tests for a store of your own |
//!
//! # What it promises
//!
//! A session is first live and then ended, and an ended session never becomes live again. Once a
//! logout has been answered, every request that starts afterwards with that token is refused, on
//! every node. Requests that were already admitted may finish, but they write nothing to the
//! session. If a store cannot answer, the response is 503: the request is never treated as
//! anonymous, and a logout that did not happen is never reported as done.
//!
//! An application that turns on `.cache(lease)` gives up a part of this: on other nodes, a session
//! that has ended is refused within the lease at the latest.

// On docs.rs, each item shows the feature that it needs. What several features turn on is an inner
// feature here, which is hidden: such an item names the features itself.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(docsrs, doc(auto_cfg(hide(feature = "_sql", feature = "_openapi"))))]

// The macros refer to `::anchor`, so this crate's own tests need that name too.
#[cfg(any(test, feature = "_fuzz"))]
extern crate self as anchor;

pub mod column;
#[cfg(feature = "conformance")]
pub mod conformance;
mod error;
mod excerpt;
pub mod frontend;
pub mod guard;
mod id;
mod jitter;
pub mod manager;
#[cfg(feature = "metrics")]
pub mod metrics;
pub mod migrate;
#[cfg_attr(docsrs, doc(cfg(any(feature = "aide", feature = "utoipa"))))]
#[cfg(feature = "_openapi")]
pub mod openapi;
pub mod payload;
pub mod prelude;
mod rejection;
pub mod request;
pub mod routing;
pub mod schema;
pub mod store;
#[cfg(feature = "testing")]
pub mod testing;
mod timestamp;
pub mod token;
mod type_name;

pub use anchor_macros::{Column, SessionData, logout, public, require_session};
pub use column::Column;
pub use error::{ConfigError, StoreError, StoreErrorKind};
pub use guard::Next;
pub use id::SessionId;
pub use manager::{Environment, SessionManager};
pub use payload::SessionData;
pub use rejection::{Error, Rejection, wants_html};
pub use request::{Auth, Session, SessionLayer};
// Each by name, so that the compiler can say which feature provides a missing one.
#[cfg(feature = "memory")]
pub use store::MemoryStore;
#[cfg(feature = "mysql")]
pub use store::MySqlStore;
#[cfg(feature = "postgres")]
pub use store::PostgresStore;
#[cfg(feature = "redis")]
pub use store::RedisStore;
#[cfg(feature = "sqlite")]
pub use store::SqliteStore;
pub use timestamp::Timestamp;
pub use token::KeyRing;

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;

#[cfg(any(test, feature = "_fuzz"))]
#[doc(hidden)]
#[path = "properties.rs"]
pub mod __properties;

// Its files are outside of the package, so only the tests of the documentation include them.
#[cfg(all(doctest, feature = "sqlite", feature = "postgres", feature = "cache"))]
mod book;

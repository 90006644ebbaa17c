//! Session authentication for axum, declared by one struct.
//!
//! One struct with `#[derive(SessionData)]` gives you a typed payload, its SQL table, an axum
//! extractor and a policy. `#[require_session(UserSession)]` guards a handler.
//! `#[logout(UserSession)]` ends the session before the handler's body runs. The
//! [README](https://docs.rs/crate/anchor) shows how to do each task; this page is the reference.
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
//! | test handlers, guards and expiry | `anchor::testing`, with the feature `testing` |
//! | serve sessions without the store for a moment | `SessionManagerBuilder::cache`, with the feature `cache` |
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
pub mod migrate;
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
pub use rejection::{Error, Rejection};
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

/// Checks that the examples in README.md compile.
#[cfg(all(doctest, feature = "sqlite", feature = "postgres", feature = "cache"))]
#[doc = include_str!("../../README.md")]
struct Readme;

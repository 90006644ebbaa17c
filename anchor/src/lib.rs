//! Session authentication for axum, declared by one struct.
//!
//! One struct with `#[derive(SessionData)]` gives a typed payload, its SQL table, an axum extractor
//! and a policy; `#[require_session(UserSession)]` guards a handler; `#[logout(UserSession)]` ends
//! the session before the handler's body runs. The [README](https://docs.rs/crate/anchor) shows
//! each thing that a user does; this page is the reference.
//!
//! | to | see |
//! | --- | --- |
//! | declare a session | [`macro@SessionData`], [`macro@Column`] |
//! | keep its rows | [`SessionStore`](store::SessionStore) and its implementations |
//! | put it together | [`SessionManager`], [`KeyRing`], [`SessionLayer`] |
//! | log in and out | [`Auth`], [`macro@logout`] |
//! | read and change it | [`Session`] |
//! | guard a handler | [`macro@require_session`], [`Policy`](guard::Policy) |
//! | let no handler go unguarded | [`routing`], [`macro@public`] |
//! | send a browser to the login page and back | `redirect` of [`macro@require_session`], [`Next`] |
//! | configure from the environment | [`Environment`] |
//! | decide for yourself | [`Verifier`](manager::Verifier), [`on_reject`](manager::SessionManagerBuilder::on_reject), [`on_event`](manager::SessionManagerBuilder::on_event) |
//! | let the token travel another way | [`frontend`] |
//!
//! # What it promises
//!
//! A session is live, then ended, and ended is for good. Once a logout has been answered, every
//! request that starts afterwards with that token is refused, on every node; requests already
//! admitted may finish, but write nothing to the session. A store that cannot answer is a 503:
//! never anonymous, never a logout that did not happen.

// The macros name `::anchor`; so may this crate's own tests.
#[cfg(test)]
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
// By name, so that the compiler knows which feature gives one that is missing.
#[cfg(feature = "memory")]
pub use store::MemoryStore;
#[cfg(feature = "mysql")]
pub use store::MySqlStore;
#[cfg(feature = "postgres")]
pub use store::PostgresStore;
#[cfg(feature = "sqlite")]
pub use store::SqliteStore;
pub use timestamp::Timestamp;
pub use token::KeyRing;

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;

/// What README.md shows compiles.
#[cfg(all(doctest, feature = "sqlite", feature = "postgres"))]
#[doc = include_str!("../../README.md")]
struct Readme;

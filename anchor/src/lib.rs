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
//! | keep its rows | [`SessionStore`] and its implementations |
//! | put it together | [`SessionManager`], [`KeyRing`], [`SessionLayer`] |
//! | log in and out | [`Auth`], [`macro@logout`] |
//! | read and change it | [`Session`] |
//! | guard a handler | [`macro@require_session`], [`Policy`] |
//! | let no handler go unguarded | [`routing`], [`macro@public`] |
//! | send a browser to the login page and back | `redirect` of [`macro@require_session`], [`Next`] |
//! | configure from the environment | [`Environment`] |
//! | decide for yourself | [`Verifier`], [`SessionManagerBuilder::on_reject`], [`SessionManagerBuilder::on_event`] |
//! | let the token travel another way | [`Frontend`], [`SessionCookie`], [`Bearer`], [`CustomHeader`] |
//!
//! # What it promises
//!
//! A session is live, then ended, and ended is for good. Once a logout has been answered, every request that starts afterwards
//! with that token is refused, on every node; requests already admitted may finish, but write nothing to the session. A store that
//! cannot answer is a 503: never anonymous, never a logout that did not happen.

// The macros name `::anchor`; so may this crate's own tests.
#[cfg(test)]
extern crate self as anchor;

mod auth;
mod builder;
mod callback;
mod client;
mod column;
#[cfg(feature = "conformance")]
pub mod conformance;
mod cross_origin;
mod data;
mod environment;
mod error;
mod event;
mod excerpt;
mod extract;
mod frontend;
mod guard;
mod id;
mod jitter;
mod key_file;
mod keys;
mod layer;
mod limit;
mod listing;
mod login_page;
mod manager;
mod manager_registry;
pub mod migrate;
mod next;
mod policy;
pub mod prelude;
mod rejection;
pub mod routing;
mod schema;
mod scope;
mod session;
mod sessions;
mod store;
mod sweeper;
mod tasks;
mod timestamp;
mod token;
mod turns;
mod type_name;
mod value;
mod verification;
mod verifier;
mod watch;

pub use anchor_macros::{Column, SessionData, logout, public, require_session};
pub use auth::{Auth, LoggedIn, Login};
pub use builder::SessionManagerBuilder;
pub use client::Mismatch;
pub use column::{Column, ColumnError, ColumnType, NoSubject};
pub use data::{
    Columns, CutOff, DecodeError, Decoder, EncodeError, Encoder, JsonColumn, SessionData,
};
pub use environment::Environment;
pub use error::{ConfigError, Error, StoreError, StoreErrorKind};
pub use event::{Event, Revoked};
pub use frontend::{Bearer, CustomHeader, Frontend, Presented, SameSite, SessionCookie};
pub use id::SessionId;
pub use keys::KeyRing;
pub use layer::{SessionFuture, SessionLayer, SessionService};
pub use listing::Listing;
pub use manager::SessionManager;
pub use next::{Next, safe_next};
pub use policy::{CurrentSecret, Decision, Fresh, HasRole, Policy};
pub use rejection::Rejection;
pub use schema::{
    ColumnSchema, Dialect, Extras, Index, OnChange, OnDelete, Reference, SYSTEM_COLUMNS, Schema,
    SystemColumn,
};
pub use session::Session;
pub use store::*;
// By name, so that the compiler knows which feature gives one that is missing.
#[cfg(feature = "memory")]
pub use store::MemoryStore;
#[cfg(feature = "mysql")]
pub use store::MySqlStore;
#[cfg(feature = "postgres")]
pub use store::PostgresStore;
#[cfg(feature = "sqlite")]
pub use store::SqliteStore;
pub use sweeper::Sweeper;
pub use timestamp::Timestamp;
pub use token::{BadToken, LastingHash, SecretHash, SessionToken};
pub use value::Value;
pub use verifier::{BoxError, Verdict, Verifier};

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;

/// What README.md shows compiles.
#[cfg(all(doctest, feature = "sqlite", feature = "postgres"))]
#[doc = include_str!("../../README.md")]
struct Readme;

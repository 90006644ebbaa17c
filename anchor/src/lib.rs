//! Sessions for axum, declared by one struct.

// The macros name `::anchor`; so may this crate's own tests.
#[cfg(test)]
extern crate self as anchor;

mod auth;
mod column;
mod data;
mod error;
mod extract;
mod frontend;
mod guard;
mod id;
mod keys;
mod layer;
mod manager;
#[cfg(feature = "_sql")]
pub mod migrate;
mod policy;
pub mod prelude;
mod rejection;
mod schema;
mod scope;
mod session;
mod store;
mod timestamp;
mod token;
mod value;
mod verifier;

pub use anchor_macros::{Column, SessionData, logout, require_session};
pub use auth::{Auth, LoggedIn, Login};
pub use column::{Column, ColumnError, ColumnType, NoSubject};
pub use data::{Columns, DecodeError, Decoder, EncodeError, Encoder, SessionData};
pub use error::{ConfigError, Error, StoreError, StoreErrorKind};
pub use frontend::{Bearer, CustomHeader, Frontend, Presented, SameSite, SessionCookie};
pub use id::SessionId;
pub use keys::KeyRing;
pub use layer::{SessionFuture, SessionLayer, SessionService};
pub use manager::{SessionManager, SessionManagerBuilder};
pub use policy::{Decision, Fresh, Policy};
pub use rejection::Rejection;
pub use schema::{
    ColumnSchema, Dialect, Index, OnChange, OnDelete, Reference, SYSTEM_COLUMNS, Schema,
    SystemColumn,
};
pub use session::Session;
pub use store::*;
pub use timestamp::Timestamp;
pub use token::{BadToken, SecretHash, SessionToken};
pub use value::Value;
pub use verifier::{BoxError, Verdict, Verifier};

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;

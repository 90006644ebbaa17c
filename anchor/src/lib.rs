//! Sessions for axum, declared by one struct.

mod column;
mod data;
mod error;
mod id;
mod keys;
mod schema;
mod store;
mod timestamp;
mod token;
mod value;

pub use column::{Column, ColumnError, ColumnType, NoSubject};
pub use data::{Columns, DecodeError, Decoder, EncodeError, Encoder, SessionData};
pub use error::{ConfigError, StoreError, StoreErrorKind};
pub use id::SessionId;
pub use keys::KeyRing;
pub use schema::{ColumnSchema, OnDelete, Reference, Schema};
pub use store::*;
pub use timestamp::Timestamp;
pub use token::{BadToken, SecretHash, SessionToken};
pub use value::Value;

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;

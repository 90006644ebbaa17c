//! What the macros' expansions name. Not for users: it changes without notice.

pub use crate::column::{Column, NoSubject};
pub use crate::data::{DecodeError, Decoder, EncodeError, Encoder, SessionData};
pub use crate::schema::{ColumnSchema, OnDelete, Reference, Schema};

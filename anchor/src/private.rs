//! What the macros' expansions name. Not for users: it changes without notice.

pub use axum::extract::{FromRequestParts, OptionalFromRequestParts};
pub use http::request::Parts;

pub use crate::column::{Column, NoSubject};
pub use crate::data::{DecodeError, Decoder, EncodeError, Encoder, SessionData};
pub use crate::extract::{extract, extract_optional};
pub use crate::guard::{Require, RequireAny, Revoke, RevokeAny};
pub use crate::policy::{Decision, Fresh, Policy, when};
pub use crate::rejection::Rejection;
pub use crate::schema::{ColumnSchema, OnDelete, Reference, Schema};
pub use crate::session::Session;

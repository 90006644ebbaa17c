//! What the macros' expansions name. Not for users: it changes without notice.

pub use axum::extract::{FromRequestParts, OptionalFromRequestParts};
pub use http::request::Parts;

pub use crate::column::{
    Column, ColumnError, ColumnType, NoSubject, newtype, unknown_variant, variant_from_value,
    variant_to_value,
};
pub use crate::data::{CutOff, DecodeError, Decoder, EncodeError, Encoder, SessionData};
pub use crate::extract::{extract, extract_optional};
pub use crate::guard::{All, Others, Public, Require, RequireAny, Revoke, RevokeAny, This};
pub use crate::login_page::LoginPage;
pub use crate::policy::{Decision, Fresh, HasRole, Policy, allow_if, when};
pub use crate::rejection::Rejection;
pub use crate::schema::{ColumnSchema, Extras, OnChange, OnDelete, Reference, Schema};
pub use crate::session::Session;
pub use crate::store::{Overflow, SubjectLimit};
pub use crate::value::Value;

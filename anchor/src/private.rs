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

#[cfg(feature = "_sql")]
pub use crate::migrate::emitted::check_migrations;

pub use crate::__anchor_migrations_test as migrations_test;

/// The test that holds a struct's migrations to the struct.
#[cfg(feature = "_sql")]
#[doc(hidden)]
#[macro_export]
macro_rules! __anchor_migrations_test {
    ($name:ident, $session:ident, $folder:expr) => {
        #[cfg(test)]
        #[allow(non_snake_case, unnameable_test_items)]
        #[::core::prelude::v1::test]
        fn $name() {
            $crate::__private::check_migrations::<$session>(
                ::core::option_env!("CARGO_MANIFEST_DIR"),
                $folder,
            );
        }
    };
}

/// Without an SQL store there are no migrations.
#[cfg(not(feature = "_sql"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __anchor_migrations_test {
    ($name:ident, $session:ident, $folder:expr) => {};
}

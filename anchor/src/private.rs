//! What the macros' expansions name. Not for users: it changes without notice.

pub use axum::extract::{FromRequestParts, OptionalFromRequestParts};
pub use http::request::Parts;

pub use crate::column::derived::{newtype, unknown_variant, variant_from_value, variant_to_value};
pub use crate::column::{Column, ColumnError, ColumnType, NoSubject, Value};
pub use crate::guard::login_page::LoginPage;
pub use crate::guard::policy::{Decision, Fresh, HasRole, Policy, allow_if, when};
pub use crate::guard::required::{
    All, Others, Public, Require, RequireAny, Revoke, RevokeAny, This,
};
pub use crate::payload::{
    CutOff, DecodeError, Decoder, EncodeError, Encoder, LimitExceeded, SessionData, SubjectLimit,
};
pub use crate::rejection::Rejection;
pub use crate::request::Session;
pub use crate::request::extract::{extract, extract_optional};
pub use crate::schema::{
    ColumnSchema, OnChange, OnDelete, Reference, Schema, SchemaOptions, refuse_bare_text,
};

pub use crate::migrate::emitted::{MigrationsOf, NotASession};

pub use crate::__anchor_migrations_test as migrations_test;

/// The test that holds a struct's migrations to the struct, in a module of its own.
///
/// A struct in a function's body cannot be named from a module there. Its test is never run, but
/// has to compile: the module then finds its own struct of that name instead of the parent's, and
/// that one is no session.
///
/// It is there without an SQL store, too: the store may be the application's, and the struct in a
/// library crate, whose tests must not pass because they are not there.
#[doc(hidden)]
#[macro_export]
macro_rules! __anchor_migrations_test {
    ($module:ident, $session:ident, $folder:expr) => {
        #[cfg(test)]
        #[allow(non_snake_case, non_camel_case_types, unnameable_test_items, dead_code)]
        #[allow(unused_imports, unreachable_pub, missing_docs)]
        mod $module {
            struct $session;

            #[::core::prelude::v1::test]
            fn agree_with_the_struct() {
                use super::*;
                use $crate::__private::NotASession as _;
                $crate::__private::MigrationsOf::<$session>::new()
                    .check(::core::option_env!("CARGO_MANIFEST_DIR"), $folder);
            }
        }
    };
}

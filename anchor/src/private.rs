//! The items that the macros' expansions refer to. They are not for users and change without
//! notice.

pub use axum::extract::{FromRequestParts, OptionalFromRequestParts};
pub use http::request::Parts;

pub use crate::__anchor_described_extractor as described_extractor;
pub use crate::column::derived::{
    Impersonator, newtype, unknown_variant, variant_from_value, variant_to_value,
};
pub use crate::column::{Column, ColumnError, ColumnType, NoSubject, Value};
pub use crate::guard::login_page::LoginPage;
pub use crate::guard::policy::{Authoritative, Decision, Fresh, HasRole, Policy, allow_if, when};
pub use crate::guard::required::{
    All, Others, Public, Require, RequireAny, Revoke, RevokeAny, This,
};
#[cfg(feature = "aide")]
pub use crate::openapi::describe_extractor;
pub use crate::payload::{
    CutOff, DecodeError, Decoder, EncodeError, Encoder, LimitExceeded, SessionData, SubjectLimit,
};
pub use crate::rejection::Rejection;
pub use crate::request::Session;
pub use crate::request::extract::{extract, extract_optional};
pub use crate::request::requirement::{Requirement, requires_predicate, requires_role};
pub use crate::schema::{
    ColumnSchema, OnChange, OnDelete, Reference, Schema, SchemaOptions, refuse_bare_text,
};
#[cfg(feature = "aide")]
pub use aide::OperationInput;
#[cfg(feature = "aide")]
pub use aide::generate::GenContext;
#[cfg(feature = "aide")]
pub use aide::openapi::{Operation, Response};

pub use crate::migrate::migrations_of::{MigrationsOf, NotASession};

pub use crate::__anchor_migrations_test as migrations_test;

/// Expands to the description of a payload that a handler of aide takes as an argument, if this
/// crate has the feature `aide`.
#[cfg(feature = "aide")]
#[doc(hidden)]
#[macro_export]
macro_rules! __anchor_described_extractor {
    ({ $($generics:tt)* } $payload:ty { $($clause:tt)* }) => {
        #[automatically_derived]
        impl $($generics)* $crate::__private::OperationInput for $payload $($clause)* {
            fn inferred_early_responses(
                _: &mut $crate::__private::GenContext,
                operation: &mut $crate::__private::Operation,
            ) -> ::std::vec::Vec<(
                ::core::option::Option<::core::primitive::u16>,
                $crate::__private::Response,
            )> {
                $crate::__private::describe_extractor::<Self>(operation)
            }
        }
    };
}

/// Expands to nothing.
#[cfg(not(feature = "aide"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __anchor_described_extractor {
    ($($unused:tt)*) => {};
}

/// Expands to the test that compares a struct's migrations with the struct, in its own module.
///
/// A struct in a function's body cannot be named from a module in that body. Its test never runs,
/// but it has to compile: the module then finds its own struct of that name instead of the
/// parent's, and that struct is not a session.
///
/// The test also exists without an SQL store. The store may belong to the application and the
/// struct to a library crate, and the tests of that crate must not pass merely because this one
/// does not exist.
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

//! What only the types tell: found when the schema's constant is evaluated.

use anchor::{Column, SessionData};

#[derive(Clone, SessionData)]
struct Nested {
    nested: Option<Option<i64>>,
}

#[derive(Clone, SessionData)]
struct OptionalSubject {
    #[session(subject)]
    user_id: Option<i64>,
}

#[derive(Clone, SessionData)]
struct SetNull {
    #[session(references = "users(id) on delete set null")]
    user_id: i64,
}

#[derive(Column)]
struct Newtype(Option<String>);

fn main() {}

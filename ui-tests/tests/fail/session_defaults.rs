//! A default is an SQL expression, and the type of the field says which words are none.

use anchor::{Column, SessionData};

#[derive(Clone, Column)]
enum Role {
    Member,
}

#[derive(Clone, Column)]
struct Locale(String);

#[derive(Clone, SessionData)]
struct Text {
    #[session(default = "en")]
    language: String,
}

#[derive(Clone, SessionData)]
struct Newtype {
    #[session(default = "en-GB")]
    locale: Option<Locale>,
}

#[derive(Clone, SessionData)]
struct Variant {
    #[session(default = "member")]
    role: Role,
}

/// These are expressions.
#[derive(Clone, SessionData)]
struct Fine {
    #[session(default = "true")]
    active: bool,
    #[session(default = "0")]
    count: i64,
    #[session(default = "'en'")]
    language: String,
    #[session(default = "NULL")]
    theme: Option<String>,
    #[session(default = "lower('EN')")]
    other: String,
}

fn main() {}

//! Field types that are no column, and a struct that is not `Clone`: at the user's type, once.

use std::collections::HashMap;

use anchor::SessionData;

#[derive(Clone, SessionData)]
struct Fields {
    visits: u64,
    size: usize,
    map: HashMap<String, String>,
    nested: Option<u64>,
}

#[derive(Clone)]
struct NoSerde;

#[derive(Clone, SessionData)]
struct Json {
    #[session(json)]
    cart: NoSerde,
}

#[derive(Clone)]
struct NoDefault;

#[derive(Clone, SessionData)]
struct Skipped {
    name: String,
    #[session(skip)]
    scratch: NoDefault,
}

#[derive(SessionData)]
struct NotClone {
    name: String,
}

#[derive(anchor::Column)]
struct Newtype(u64);

fn main() {}

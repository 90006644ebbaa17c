//! Items that cannot be a session's payload: one error each, and none that follows from it.

use anchor::SessionData;
use anchor::prelude::*;
use uuid::Uuid;

#[derive(Clone, SessionData)]
enum Enum {
    One,
}

#[derive(Clone, Copy, SessionData)]
union Union {
    number: u32,
}

#[derive(Clone, SessionData)]
struct Tuple(Uuid, String);

#[derive(Clone, SessionData)]
struct Unit;

#[derive(Clone, SessionData)]
struct NoFields {}

#[derive(Clone, SessionData)]
struct AllSkipped {
    #[session(skip)]
    scratch: String,
}

#[derive(Clone, SessionData)]
struct Generic<T> {
    value: T,
}

#[derive(Clone, SessionData)]
struct Borrowing<'a> {
    name: &'a str,
}

#[derive(Clone, SessionData)]
struct WithWhere
where
    String: Clone,
{
    name: String,
}

// The stubs let the rest of the program compile.
async fn handler(_: Session<Unit>, _: Option<Session<NoFields>>, _: Tuple, _: Option<WithWhere>) {}

fn main() {
    let _ = axum::routing::get::<_, _, ()>(handler);
}

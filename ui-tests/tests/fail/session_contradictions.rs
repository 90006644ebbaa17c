//! Arguments that cannot both hold.

use anchor::SessionData;

#[derive(Clone, SessionData)]
struct Contradictory {
    #[session(skip, json, column = "c")]
    skipped: String,
    #[session(json, unique, index, references = "users(id)")]
    json: String,
    #[session(subject, json)]
    first: i64,
    #[session(subject, index)]
    second: i64,
    #[session(unique, index)]
    both: i64,
    #[session(renamed_from = "same")]
    same: i64,
}

fn main() {}

//! Names that no database takes, or that are taken.

use anchor::SessionData;

#[derive(Clone, SessionData)]
struct SystemColumns {
    id: i64,
    lasting_hash: i64,
    secret_hash: i64,
    previous_secret_hash: i64,
    previous_secret_until: i64,
    rotation_state: i64,
    created_at: i64,
    authenticated_at: i64,
    last_seen_at: i64,
    expires_at: i64,
    deadline: i64,
    version: i64,
    remembered: bool,
    #[session(column = "ID")]
    other: i64,
    #[session(column = "\"id\"")]
    quoted: i64,
}

#[derive(Clone, SessionData)]
struct Columns {
    name: String,
    #[session(column = "Name")]
    same_but_for_case: String,
    order: i64,
    r#where: i64,
    #[session(column = "key")]
    reserved_by_mysql: String,
    #[session(column = "\"\"")]
    empty: String,
    #[session(column = "@session")]
    field_of_redis: String,
    #[session(column = "nul\0")]
    nul: String,
    #[session(column = "\"half")]
    half_quoted: String,
    #[session(column = "a_name_that_is_longer_than_the_sixty_three_bytes_that_postgres_keeps")]
    long: String,
    #[session(renamed_from = "line\nbreak")]
    renamed: String,
}

#[derive(Clone, SessionData)]
struct User {
    name: String,
}

#[derive(Clone, SessionData)]
#[session(table = "app.order")]
struct ReservedTable {
    name: String,
}

#[derive(Clone, SessionData)]
#[session(table = "a.b.c")]
struct ThreeParts {
    name: String,
}

#[derive(Clone, SessionData)]
#[session(table = "app.")]
struct NoTable {
    name: String,
}

#[derive(Clone, SessionData)]
struct ForeignKeys {
    #[session(references = "users")]
    no_column: i64,
    #[session(references = "users(id) on delete explode")]
    unknown_action: i64,
    #[session(references = "user(id)")]
    reserved: i64,
    #[session(references = "users()")]
    no_name: i64,
}

#[derive(Clone, SessionData)]
struct SubjectOfATakenName {
    #[session(subject)]
    id: i64,
}

/// What uses the subject reports no further error.
fn list(sessions: &anchor::SessionManager<SubjectOfATakenName>, user: i64) {
    drop(sessions.list(&user));
}

fn main() {}

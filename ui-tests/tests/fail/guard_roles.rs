//! `role = ..` and `#[session(role)]`: one without the other, and two of them.

use anchor::prelude::*;

#[derive(Clone, PartialEq, Column)]
enum Role {
    Member,
    Admin,
}

#[derive(Clone, SessionData)]
struct UserSession {
    #[session(role)]
    role: Role,
}

#[derive(Clone, SessionData)]
struct NoRole {
    role: Role,
}

#[derive(Clone, SessionData)]
struct TwoRoles {
    #[session(role)]
    role: Role,
    #[session(role)]
    second: Role,
}

#[derive(Clone, SessionData)]
struct RoleOfTwoStrings {
    #[session(role, role)]
    role: Role,
    #[session(role = "admin")]
    other: Role,
}

#[derive(Clone, SessionData)]
struct SkippedRole {
    user_id: i64,
    #[session(role, skip)]
    role: String,
}

#[derive(Clone, Column)]
enum IncomparableRole {
    Member,
}

#[derive(Clone, SessionData)]
struct RoleWithoutPartialEq {
    #[session(role)]
    role: IncomparableRole,
}

#[require_session(NoRole, role = Role::Admin)]
async fn no_role() {}

#[require_session(UserSession, role = "admin")]
async fn a_text() {}

#[require_session(UserSession, role = 5)]
async fn a_number() {}

#[require_session(role = Role::Admin)]
async fn no_type() {}

#[require_session(UserSession, role = Role::Admin, role = Role::Member)]
async fn twice() {}

#[require_session(UserSession, role)]
async fn no_value() {}

#[require_session(TwoRoles, role = Role::Admin)]
async fn of_a_struct_with_mistakes() {}

fn main() {}

//! The struct as it was in the first release.

use anchor::prelude::*;

/// A user's session.
#[derive(Clone, Debug, SessionData)]
#[session(table = "sessions", migrations = false)]
pub struct UserSession {
    /// Whose session it is.
    #[session(subject, references = "users(id)")]
    pub user_id: i64,
    /// What the user may do.
    #[session(default = "'member'")]
    pub role: Role,
    /// The number of visits.
    #[session(default = "0")]
    pub visits: i32,
}

/// What a user may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Column)]
pub enum Role {
    /// Everything.
    Admin,
    /// Everything that concerns their own account.
    Member,
}

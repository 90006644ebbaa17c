//! The struct as it was in the second release: with a theme, and an address that the third does
//! without.

use anchor::prelude::*;

pub use crate::release1::Role;

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
    /// How often the user came.
    #[session(default = "0")]
    pub visits: i32,
    /// What the pages look like.
    pub theme: Option<String>,
    /// Where the user's post goes; none for the sessions of the first release.
    #[session(default = "'unknown'")]
    pub address: String,
}

//! The struct as it was in the second release: with a theme, and with an address that the third
//! release removes.

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
    /// The number of visits.
    #[session(default = "0")]
    pub visits: i32,
    /// What the pages look like.
    pub theme: Option<String>,
    /// The user's postal address; unknown for the sessions of the first release.
    #[session(default = "'unknown'")]
    pub address: String,
}

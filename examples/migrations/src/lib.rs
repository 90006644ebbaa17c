//! One session struct in three releases of an application, and the migrations between them.
//!
//! In an application there is one struct, and it changes; here its earlier forms are kept so that
//! the test can apply the migrations one release after the other. `migrations/` has a folder a
//! dialect, for this application runs on three. Its first file, the `users` table, was written by
//! hand. The others came out of
//!
//! ```sh
//! ANCHOR_MIGRATE=1 cargo test -p migrations-example anchor_migrations              # releases 1 and 2
//! ANCHOR_MIGRATE=downtime,drop cargo test -p migrations-example anchor_migrations  # release 3
//! ```
//!
//! Release 3 gives a column another name, for which the release before has to be stopped, and drops
//! one. To stop none, it would say `#[session(column = "theme")]`, and drop the other when the
//! release before is gone.

pub mod release1;
pub mod release2;

use anchor::prelude::*;

/// The session as it is now, in the third release.
#[derive(Clone, Debug, SessionData)]
#[session(table = "sessions")]
pub struct UserSession {
    /// Whose session it is.
    #[session(subject, references = "users(id)")]
    pub user_id: i64,
    /// What the user may do.
    #[session(default = "'member'")]
    pub role: Role,
    /// Counted further than 32 bits reach.
    #[session(default = "0")]
    pub visits: i64,
    /// Called `theme` before.
    #[session(renamed_from = "theme", index)]
    pub colour: Option<String>,
}

/// What a user may do; guests are new.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Column)]
pub enum Role {
    /// Everything.
    Admin,
    /// Everything that concerns themselves.
    Member,
    /// Look.
    Guest,
}
